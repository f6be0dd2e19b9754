import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { Memberships, orgNotFound } from './memberships.js';
import type { OrgSettings } from './organisation.js';
import { ORG_SETTINGS_CHANGED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';

/** Smallest and largest value of each setting (sessionfs-2.md §14.3), with its name on the wire. */
const RANGES = {
  kbRetentionDays: { name: 'kb_retention_days', min: 1, max: 730 },
  kbMaxContextWords: { name: 'kb_max_context_words', min: 100, max: 50_000 },
  kbSectionPageLimit: { name: 'kb_section_page_limit', min: 1, max: 200 },
} as const;

/** How an organisation's shared knowledge is kept. */
@Injectable()
export class OrgSettingsService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly memberships: Memberships,
    private readonly journal: OrgJournal,
  ) {}

  /** Errors: `not_found`. */
  async get(caller: Principal, orgId: string): Promise<OrgSettings> {
    await this.memberships.assertRole(caller, orgId, 'member');
    const org = await this.memberships.findOrg(orgId);
    if (!org) throw orgNotFound();
    return org;
  }

  /** Replaces all of them: what is null is left to the server. Errors: `bad_request`, `not_found`, `forbidden`. */
  async replace(caller: Principal, orgId: string, settings: OrgSettings): Promise<OrgSettings> {
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      assertRanges(settings);
      await this.orgs.saveSettings(orgId, settings);
      await this.journal.record(caller, ORG_SETTINGS_CHANGED, org, { ...settings });
      return settings;
    });
  }
}

function assertRanges(settings: OrgSettings): void {
  for (const key of Object.keys(RANGES) as (keyof OrgSettings)[]) {
    const [{ name, min, max }, value] = [RANGES[key], settings[key]];
    if (value === null || (value >= min && value <= max)) continue;
    throw new DomainError('bad_request', `${name} must be between ${min} and ${max}`, { field: name });
  }
}
