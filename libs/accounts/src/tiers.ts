import type { Tier } from '#platform';

/** What a tier may use; null is unlimited. Request rates live in platform/limits. */
export interface Entitlements {
  readonly repositories: number | null;
  /** Billable API calls per calendar month (coregit.md §22.3). */
  readonly apiCallsPerMonth: number | null;
  /** Longest pinned session in seconds (seed 000). */
  readonly pinnedSessionSeconds: number;
  readonly isPaid: boolean;
}

const PAID: Entitlements = { repositories: null, apiCallsPerMonth: null, pinnedSessionSeconds: 28_800, isPaid: true };

const ENTITLEMENTS: Readonly<Record<Tier, Entitlements>> = {
  free: { repositories: 5, apiCallsPerMonth: 10_000, pinnedSessionSeconds: 3_600, isPaid: false },
  starter: PAID,
  pro: PAID,
  team: PAID,
  enterprise: PAID,
};

export function entitlementsOf(tier: Tier): Entitlements {
  return ENTITLEMENTS[tier];
}
