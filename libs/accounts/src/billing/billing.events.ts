/** A subscription began, changed or ended; the subject is the account. */
export const SUBSCRIPTION_CHANGED = 'billing.subscription_changed';
