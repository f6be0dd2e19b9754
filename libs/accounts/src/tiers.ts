import { type Tier, TIERS } from '#platform';

/** What a tier may use; null is unlimited or not enforced. Request rates live in platform/limits. */
export interface Entitlements {
  readonly repositories: number | null;
  /** Billable API calls per calendar month (coregit.md §22.3). */
  readonly apiCallsPerMonth: number | null;
  /** Longest pinned session in seconds (seed 000). */
  readonly pinnedSessionSeconds: number;
  /** Agent sessions that may exist at once (sandbox-sessions.md §B1.1). */
  readonly agentSessions: number;
  readonly isPaid: boolean;
  /** Bytes an account may store; an organisation has this much per seat (sessionfs-2.md §2.1). */
  readonly storageBytes: number | null;
  /** Largest whole archive of a captured session (sessionfs-1.md §6.3). */
  readonly archiveBytes: number;
  /** Largest single file inside such an archive: `max_member_bytes` of the sync settings. */
  readonly archiveMemberBytes: number;
  /** Knowledge entries one person may add to one project in an hour (sessionfs-2.md §2.1). */
  readonly knowledgeAddsPerHour: number;
}

const MIB = 1_048_576;
const GIB = 1_024 * MIB;

const LONG_SESSIONS = { repositories: null, apiCallsPerMonth: null, pinnedSessionSeconds: 28_800, isPaid: true };
const SMALL_ARCHIVES = { archiveBytes: 50 * MIB, archiveMemberBytes: 10 * MIB };
const LARGE_ARCHIVES = { archiveBytes: 300 * MIB, archiveMemberBytes: 50 * MIB };

const ENTITLEMENTS: Readonly<Record<Tier, Entitlements>> = {
  free: {
    repositories: 5,
    apiCallsPerMonth: 10_000,
    pinnedSessionSeconds: 3_600,
    agentSessions: 10,
    isPaid: false,
    storageBytes: null,
    ...SMALL_ARCHIVES,
    knowledgeAddsPerHour: 20,
  },
  starter: {
    ...LONG_SESSIONS,
    ...SMALL_ARCHIVES,
    agentSessions: 10,
    storageBytes: 500 * MIB,
    knowledgeAddsPerHour: 50,
  },
  pro: { ...LONG_SESSIONS, ...LARGE_ARCHIVES, agentSessions: 50, storageBytes: 500 * MIB, knowledgeAddsPerHour: 100 },
  team: { ...LONG_SESSIONS, ...LARGE_ARCHIVES, agentSessions: 100, storageBytes: GIB, knowledgeAddsPerHour: 100 },
  enterprise: {
    ...LONG_SESSIONS,
    ...LARGE_ARCHIVES,
    agentSessions: 1_000,
    storageBytes: null,
    knowledgeAddsPerHour: 200,
  },
};

/** Platform administrators may add this many knowledge entries per hour and project. */
export const ADMIN_KNOWLEDGE_ADDS_PER_HOUR = 500;
/** No archive member may be larger, whatever the tier. */
export const MAX_ARCHIVE_MEMBER_BYTES = 100 * MIB;
/** Seats of an organisation whose tier is given, not bought; a subscription's quantity wins over these. */
export const SEATS_OF_NEW_ORG: Readonly<Record<Tier, number>> = {
  free: 5,
  starter: 5,
  pro: 5,
  team: 5,
  enterprise: 25,
};

/**
 * Features by the lowest tier that has them (sessionfs-2.md §2.1). Signing in through OIDC belongs to the open edition:
 * every tier has it.
 */
const FEATURES = {
  oidc_sso: 'free',
  cloud_sync: 'starter',
  mcp_local: 'starter',
  dashboard: 'starter',
  bookmarks_cloud: 'starter',
  aliases_cloud: 'starter',
  judge_manual: 'starter',
  summary_deterministic: 'starter',
  autosync: 'pro',
  mcp_remote: 'pro',
  judge_auto: 'pro',
  auto_audit: 'pro',
  summary_narrative: 'pro',
  handoff: 'pro',
  pr_comments: 'pro',
  mr_comments: 'pro',
  project_context: 'pro',
  dlp_secrets: 'pro',
  custom_base_url: 'pro',
  agent_personas: 'pro',
  team_management: 'team',
  shared_storage_pool: 'team',
  org_settings: 'team',
  agent_tickets: 'team',
  agent_runs: 'team',
  team_handoff: 'team',
  dlp_hipaa: 'enterprise',
  security_dashboard: 'enterprise',
  policy_engine: 'enterprise',
  saml_sso: 'enterprise',
  compliance_exports: 'enterprise',
  audit_retention_6yr: 'enterprise',
  breach_notifications: 'enterprise',
  custom_patterns: 'enterprise',
} as const satisfies Readonly<Record<string, Tier>>;

export type Feature = keyof typeof FEATURES;

export function entitlementsOf(tier: Tier): Entitlements {
  return ENTITLEMENTS[tier];
}

/** The lowest tier that has the feature; one nobody knows is the most expensive (sessionfs-2.md §2.1). */
export function lowestTierWith(feature: string): Tier {
  return Object.hasOwn(FEATURES, feature) ? FEATURES[feature as Feature] : 'enterprise';
}

export function hasFeature(tier: Tier, feature: string): boolean {
  return TIERS.indexOf(tier) >= TIERS.indexOf(lowestTierWith(feature));
}

/** What a tier lets an account store, null for as much as it likes. `seats` counts for organisations only. */
export function storageLimitOf(tier: Tier, seats: number | null): number | null {
  const { storageBytes } = entitlementsOf(tier);
  return storageBytes === null || seats === null ? storageBytes : storageBytes * seats;
}
