/** Events of accounts and users; subjects are the ids. */
export const USER_CREATED = 'user.created';
export const USER_PROFILE_CHANGED = 'user.profile_changed';
export const ACCOUNT_TIER_CHANGED = 'account.tier_changed';
export const ACCOUNT_RENAMED = 'account.renamed';
