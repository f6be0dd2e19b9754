// expect: only-through-index
export { internal } from '../../accounts/src/accounts.service.js';
