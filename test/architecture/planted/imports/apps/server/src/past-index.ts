// expect: only-through-index
export { internal } from '../../../libs/accounts/src/accounts.service.js';
