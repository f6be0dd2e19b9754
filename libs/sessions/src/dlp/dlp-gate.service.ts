import { Injectable } from '@nestjs/common';
import { Memberships } from '#accounts';
import type { Principal } from '#platform';
import { Archives } from '../archive/archives.js';
import { dlpBlocked } from '../archive/dlp-screen.js';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import type { SessionEdit } from '../sessions.repository.js';
import { DlpPoliciesRepository } from './dlp-policies.repository.js';
import { categoryOf, type OrgPolicy, rulesOf } from './dlp-policy.js';

/** What whoever stores something of a caller must ask first: which policy it falls under. */
@Injectable()
export class DlpGate {
  constructor(
    private readonly policies: DlpPoliciesRepository,
    private readonly memberships: Memberships,
    private readonly archives: Archives,
  ) {}

  /**
   * The policy in force for what the caller stores: that of the organisation acted for, else of the home organisation,
   * so that nobody gets around it with a key of their own. Null when there is none.
   */
  async policyFor({ orgId, userId }: Pick<Principal, 'orgId' | 'userId'>): Promise<OrgPolicy | null> {
    const id = orgId ?? (await this.memberships.findHome(userId))?.orgId;
    const policy = id === undefined ? null : await this.policies.find(id);
    return id !== undefined && policy?.enabled ? { ...policy, orgId: id } : null;
  }

  /**
   * What is to be looked for in what leaves the account of whoever owns it, beyond our own patterns: whatever the policy's
   * mode is, it says what its organisation calls a secret. Null when that is nothing of its own.
   */
  async outwardRules({ accountId, userId }: Pick<Principal, 'accountId' | 'userId'>): Promise<OutwardRules | null> {
    const org = await this.memberships.findOrgOf(accountId);
    const policy = await this.policyFor({ orgId: org?.id ?? null, userId });
    if (policy === null) return null;
    const { categories, customPatterns } = policy;
    if (customPatterns.length === 0 && !categories.includes('phi')) return null;
    return { categories: categories.map(categoryOf), customPatterns };
  }

  /** The edit as it may be stored. An alias cannot be redacted. Errors: `forbidden` (`dlp_blocked`). */
  async screenEdit(caller: Principal, edit: SessionEdit): Promise<SessionEdit> {
    const { title, alias, tags } = edit;
    const texts = [title ?? '', alias ?? '', ...(tags ?? [])];
    const policy = texts.some((text) => text !== '') ? await this.policyFor(caller) : null;
    if (policy === null || policy.mode === 'warn') return edit;
    const found = await this.archives.screenText(JSON.stringify(texts), { rules: rulesOf(policy), isJson: true });
    const [newTitle, newAlias, ...newTags] = JSON.parse(found.text) as string[];
    if (found.count > 0 && (policy.mode === 'block' || newAlias !== (alias ?? ''))) {
      throw dlpBlocked(
        found.count,
        found.findings.map(({ patternName, category, severity, line }) => ({
          pattern: patternName,
          category,
          severity,
          line,
        })),
      );
    }
    return { ...edit, ...(title !== undefined && { title: newTitle }), ...(tags && { tags: newTags }) };
  }
}
