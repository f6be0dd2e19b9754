import type { Tier } from '#platform';

/** Where a tier comes from: an administrator's decision, or a subscription. */
export type EntitlementSource = 'admin' | 'stripe';

/** The reason why an account has its tier, at most one at a time. */
export interface Entitlement {
  readonly accountId: string;
  readonly tier: Tier;
  readonly source: EntitlementSource;
  /** The subscription, for one that was bought. */
  readonly sourceRef: string | null;
  /** When the account falls back to free unless something renews it; null for never. */
  readonly expiresAt: Date | null;
}
