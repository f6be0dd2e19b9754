/** Events of accounts and users; subjects are the ids. */
export const USER_CREATED = 'user.created';
export const ACCOUNT_TIER_CHANGED = 'account.tier_changed';
