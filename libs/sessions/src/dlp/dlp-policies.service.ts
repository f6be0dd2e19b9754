import { Injectable } from '@nestjs/common';
import { EffectiveTier, Memberships } from '#accounts';
import { Audit, Database, Events, type Principal } from '#platform';
import { Archives } from '../archive/archives.js';
import type { ScreenedText } from '../archive/screen-text.js';
import { DLP_POLICY_CHANGED } from '../sessions.events.js';
import { DlpPoliciesRepository } from './dlp-policies.repository.js';
import { categoryOf, DEFAULT_POLICY, type DlpPolicy, type DlpPolicyChange, type PolicyCategory } from './dlp-policy.js';

export interface DlpStats {
  readonly total: number;
  readonly byAction: Readonly<Record<string, number>>;
}

/** The data loss prevention policy of the caller's organisation: what its administrators set, and what came of it. */
@Injectable()
export class DlpPoliciesService {
  constructor(
    private readonly db: Database,
    private readonly policies: DlpPoliciesRepository,
    private readonly memberships: Memberships,
    private readonly tiers: EffectiveTier,
    private readonly archives: Archives,
    private readonly events: Events,
    private readonly audit: Audit,
  ) {}

  /** The defaults without an organisation, and for one that has set nothing. */
  async get(caller: Principal): Promise<DlpPolicy> {
    const membership = await this.memberships.findHomeOf(caller);
    return (membership && (await this.policies.find(membership.orgId))) ?? DEFAULT_POLICY;
  }

  /**
   * Changes what is given and nothing else. Merely switching it off is open to every plan, so that an organisation whose
   * plan has ended can. Errors: `forbidden` (`insufficient_role`, `upgrade_required`).
   */
  async change(caller: Principal, change: DlpPolicyChange): Promise<DlpPolicy> {
    const isOff = change.enabled === false && Object.keys(change).length === 1;
    if (!isOff) await this.tiers.assertFeature(caller, 'dlp_secrets');
    if (change.categories) await this.assertCategories(caller, change.categories);
    return this.db.transaction(async () => {
      const { orgId } = await this.memberships.assertHomeRole(caller, 'admin');
      const { accountId } = await this.memberships.lockWithRole(caller, orgId, 'admin');
      const policy = { ...((await this.policies.find(orgId)) ?? DEFAULT_POLICY), ...change };
      await this.policies.save(orgId, policy);
      const { enabled, mode, categories } = policy;
      // Not the patterns and texts themselves: they tell what the organisation's secrets look like.
      const facts = { enabled, mode, categories, changed: Object.keys(change) };
      const subject = { accountId, kind: 'organisation', id: orgId };
      await this.events.record(DLP_POLICY_CHANGED, subject, facts);
      await this.audit.record(caller, 'dlp.policy_change', subject, facts);
      return policy;
    });
  }

  /** What the caller's organisation would find in a text; custom patterns and allowlist count although it is off. */
  async scan(caller: Principal, text: string, categories: readonly PolicyCategory[]): Promise<ScreenedText> {
    await this.assertCategories(caller, categories);
    const { customPatterns, allowlist } = await this.get(caller);
    const rules = { categories: categories.map(categoryOf), customPatterns, allowlist };
    return this.archives.screenText(text, { rules, isJson: false });
  }

  /** Errors: `forbidden` (`insufficient_role`) without an organisation. */
  async stats(caller: Principal): Promise<DlpStats> {
    const { orgId } = await this.memberships.assertHomeRole(caller, 'member');
    const counts = await this.policies.counts(orgId);
    return {
      total: counts.reduce((sum, { sessions }) => sum + sessions, 0),
      byAction: Object.fromEntries(counts.map(({ action, sessions }) => [action, sessions])),
    };
  }

  private async assertCategories(caller: Principal, categories: readonly PolicyCategory[]): Promise<void> {
    if (categories.includes('phi')) await this.tiers.assertFeature(caller, 'dlp_hipaa');
  }
}
