import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { DlpPolicy } from './dlp-policy.js';

export interface DlpCount {
  readonly action: string;
  readonly sessions: number;
}

/** Every query on organisations' policies, and on what searching by them found. */
@Injectable()
export class DlpPoliciesRepository {
  constructor(private readonly db: Database) {}

  async find(orgId: string): Promise<DlpPolicy | null> {
    const [row] = await this.db.query<DlpPolicy>(
      `select enabled, mode, categories, custom_patterns as "customPatterns", allowlist from dlp_policy
        where org_id = $1`,
      [orgId],
    );
    return row ?? null;
  }

  async save(orgId: string, policy: DlpPolicy): Promise<void> {
    await this.db.query(
      `insert into dlp_policy (org_id, enabled, mode, categories, custom_patterns, allowlist)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (org_id) do update set enabled = excluded.enabled, mode = excluded.mode,
         categories = excluded.categories, custom_patterns = excluded.custom_patterns, allowlist = excluded.allowlist`,
      [orgId, policy.enabled, policy.mode, policy.categories, JSON.stringify(policy.customPatterns), policy.allowlist],
    );
  }

  /** Live sessions that were searched by the organisation's policy, by what was done about what was found. */
  counts(orgId: string): Promise<DlpCount[]> {
    return this.db.query<DlpCount>(
      `select dlp_scan_results->>'action_taken' as action, count(*)::integer as sessions from captured_session
        where dlp_scan_results->>'org_id' = $1 and deleted_at is null group by 1 order by 1`,
      [orgId],
    );
  }
}
