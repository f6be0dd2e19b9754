import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, type Principal } from '#platform';
import type { Account } from '../account.js';
import { AccountSlugs, slugTaken } from '../account-slugs.service.js';
import { isAccountSlug } from '../account-slug.js';
import { AccountsRepository } from '../accounts.repository.js';
import { EffectiveTier } from '../entitlements/effective-tier.js';
import { SEATS_OF_NEW_ORG, storageLimitOf } from '../tiers.js';
import { OrgJournal } from './org-journal.js';
import { Memberships, orgNotFound } from './memberships.js';
import {
  type Member,
  type Membership,
  newOrgId,
  type Organisation,
  type OrgProfile,
  type OrgRole,
} from './organisation.js';
import { ORG_CREATED, ORG_RENAMED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';

export interface NewOrganisation {
  readonly name: string;
  readonly slug: string;
}

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

const NO_SETTINGS = { kbRetentionDays: null, kbMaxContextWords: null, kbSectionPageLimit: null };

/** Organisations: create, look at, rename (sessionfs-2.md §14). */
@Injectable()
export class OrganisationsService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly accounts: AccountsRepository,
    private readonly slugs: AccountSlugs,
    private readonly memberships: Memberships,
    private readonly tiers: EffectiveTier,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * A new organisation of the caller's tier, with the caller as its owner. Errors: `forbidden` with reason
   * `upgrade_required` below team; `conflict` when the slug is taken, was another account's, or is reserved.
   */
  async create(caller: Principal, input: NewOrganisation): Promise<OrgProfile> {
    const own = await this.accounts.findUser(caller.userId);
    const tier = await this.tiers.assertBestHas(caller, own?.accountId ?? caller.accountId, 'team_management');
    const account: Account = { id: randomUUID(), kind: 'organisation', slug: input.slug, tier };
    const now = this.clock.date();
    const org: Organisation = {
      id: newOrgId(),
      accountId: account.id,
      name: input.name,
      seatsLimit: SEATS_OF_NEW_ORG[tier],
      storageLimitBytes: storageLimitOf(tier, SEATS_OF_NEW_ORG[tier]) ?? 0,
      ...NO_SETTINGS,
      createdAt: now,
    };
    await this.db.transaction(async () => {
      if (!isAccountSlug(input.slug) || !(await this.accounts.insertAccount(account))) throw slugTaken(input.slug);
      await this.orgs.insert(org);
      await this.orgs.insertMember({ orgId: org.id, userId: caller.userId, role: 'owner', joinedAt: now });
      await this.journal.record(caller, ORG_CREATED, org, { slug: input.slug, tier, owner: caller.userId });
    });
    return { ...org, slug: input.slug, tier, seatsUsed: 1 };
  }

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
