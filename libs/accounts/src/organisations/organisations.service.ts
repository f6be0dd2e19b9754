import { Injectable } from '@nestjs/common';
import { Database, type Principal } from '#platform';
import { AccountSlugs } from '../account-slugs.service.js';
import { OrgJournal } from './org-journal.js';
import { Memberships, orgNotFound } from './memberships.js';
import { type Member, type Membership, type OrgProfile, type OrgRole } from './organisation.js';
import { ORG_RENAMED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';

/** An organisation as one of its members sees it. */
export interface OrgView {
  readonly profile: OrgProfile;
  readonly members: readonly Member[];
  readonly role: OrgRole;
}

/** What a renaming changes; absent members stay. */
export interface OrgRenaming {
  readonly name?: string;
  readonly slug?: string;
}

/** Organisations: look at, rename (sessionfs-2.md §14). */
@Injectable()
export class OrganisationsService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly slugs: AccountSlugs,
    private readonly memberships: Memberships,
    private readonly journal: OrgJournal,
  ) {}

  /** The caller's home organisation, or null without any. */
  async findHome(caller: Principal): Promise<OrgView | null> {
    const home = await this.memberships.findHomeOf(caller);
    return home && this.view(home);
  }

  /** Errors: `not_found`, also when the caller does not belong to it. */
  async get(caller: Principal, orgId: string): Promise<OrgView> {
    return this.view(await this.memberships.assertRole(caller, orgId, 'member'));
  }

  /** The caller's organisations, by name. */
  listOf(caller: Principal): Promise<{ id: string; name: string; slug: string; role: OrgRole }[]> {
    return this.orgs.listOf(caller.userId);
  }

  /** The name takes an admin, the slug the owner. Errors: `not_found`, `forbidden`, `conflict` for the slug. */
  async rename(caller: Principal, orgId: string, change: OrgRenaming): Promise<OrgProfile> {
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, change.slug === undefined ? 'admin' : 'owner');
      if (change.name !== undefined && change.name !== org.name) {
        await this.orgs.rename(orgId, change.name);
        await this.journal.record(caller, ORG_RENAMED, org, { old_name: org.name, new_name: change.name });
      }
      if (change.slug !== undefined) await this.slugs.rename(caller, org.accountId, change.slug);
      return this.profile(orgId);
    });
  }

  private async view({ orgId, role }: Membership): Promise<OrgView> {
    return { profile: await this.profile(orgId), members: await this.orgs.listMembers(orgId), role };
  }

  private async profile(orgId: string): Promise<OrgProfile> {
    const profile = await this.orgs.findProfile(orgId);
    if (!profile) throw orgNotFound();
    return profile;
  }
}
