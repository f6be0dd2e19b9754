import { internal } from '../../libs/accounts/src/accounts.service.js';
export const support = internal;
