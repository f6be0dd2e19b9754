import type { Tier } from '#platform';

/** What a tier may use; null is unlimited. Request rates live in platform/limits. */
export interface Entitlements {
  readonly repositories: number | null;
  /** Billable API calls per rolling 24 hours (coregit.md §22.3). */
  readonly apiCallsPerDay: number | null;
  /** Longest pinned session in seconds (seed 000). */
  readonly pinnedSessionSeconds: number;
  readonly isPaid: boolean;
}

const PAID: Entitlements = { repositories: null, apiCallsPerDay: null, pinnedSessionSeconds: 28_800, isPaid: true };

const ENTITLEMENTS: Readonly<Record<Tier, Entitlements>> = {
  free: { repositories: 5, apiCallsPerDay: 10_000, pinnedSessionSeconds: 3_600, isPaid: false },
  starter: PAID,
  pro: PAID,
  team: PAID,
  enterprise: PAID,
};

export function entitlementsOf(tier: Tier): Entitlements {
  return ENTITLEMENTS[tier];
}

export const UPGRADE_PATH = '/docs/tiers';
