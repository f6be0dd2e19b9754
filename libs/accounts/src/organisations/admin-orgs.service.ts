import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError, isUuid } from '#kernel';
import { Audit, type AuditSubject, Database, type Page, type Principal, type Tier } from '#platform';
import { isAccountSlug } from '../account-slug.js';
import { slugTaken } from '../account-slugs.service.js';
import { AccountsRepository } from '../accounts.repository.js';
import { EntitlementsService } from '../entitlements/entitlements.service.js';
import { AdminOrgsRepository, type ListedOrg } from './admin-orgs.repository.js';
import { isOrgId, newOrgId, type Member, type Organisation, type OrgProfile } from './organisation.js';
import { ORG_CREATED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';
import { orgNotFound } from './memberships.js';

export interface NewOrgOnBehalf {
  readonly name: string;
  readonly slug: string;
  readonly ownerUserId: string;
  readonly tier: Tier;
  readonly seatsLimit: number;
  /** 0 is unlimited. */
  readonly storageLimitBytes: number;
}

const NO_SETTINGS = { kbRetentionDays: null, kbMaxContextWords: null, kbSectionPageLimit: null };

/** What platform administrators do with organisations they do not belong to (sessionfs-2.md §15). */
@Injectable()
export class AdminOrgsService {
  constructor(
    private readonly db: Database,
    private readonly admin: AdminOrgsRepository,
    private readonly orgs: OrganisationsRepository,
    private readonly accounts: AccountsRepository,
    private readonly entitlements: EntitlementsService,
    private readonly journal: OrgJournal,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async list(
    search: string | null,
    page: Page,
  ): Promise<{ orgs: readonly ListedOrg[]; total: number; next: readonly string[] | null }> {
    return { ...(await this.admin.list(search, page)), total: await this.admin.count(search) };
  }

  /** The look is audited. Errors: `not_found`. */
  async get(caller: Principal, orgId: string): Promise<{ profile: OrgProfile; members: Member[] }> {
    const profile = isOrgId(orgId) ? await this.orgs.findProfile(orgId) : null;
    if (!profile) throw orgNotFound();
    await this.audit.recordRead(caller, subjectOf(profile));
    return { profile, members: await this.orgs.listMembers(orgId) };
  }

  /** Errors: `not_found` for an owner who is nobody or inactive; `conflict` for the slug. */
  async create(caller: Principal, input: NewOrgOnBehalf): Promise<Organisation> {
    const { name, slug, ownerUserId, tier, seatsLimit, storageLimitBytes } = input;
    return this.db.transaction(async () => {
      if (!isUuid(ownerUserId) || !(await this.admin.lockActiveUser(ownerUserId))) {
        throw new DomainError('not_found', 'Owner user not found');
      }
      const createdAt = this.clock.date();
      const account = { id: randomUUID(), kind: 'organisation', slug, tier } as const;
      if (!isAccountSlug(slug) || !(await this.accounts.insertAccount(account))) throw slugTaken(slug);
      const limits = { seatsLimit, storageLimitBytes };
      const org: Organisation = { id: newOrgId(), accountId: account.id, name, ...limits, ...NO_SETTINGS, createdAt };
      await this.orgs.insert(org);
      await this.orgs.insertMember({ orgId: org.id, userId: ownerUserId, role: 'owner', joinedAt: createdAt });
      await this.grant(caller, org, tier, limits);
      const facts = { slug, tier, owner: ownerUserId.toLowerCase() };
      await this.journal.record(caller, ORG_CREATED, org, facts);
      await this.audit.record(caller, 'admin_create_org', subjectOf(org), facts);
      return org;
    });
  }

  private async grant(
    caller: Principal,
    org: Organisation,
    tier: Tier,
    limits: { seatsLimit: number; storageLimitBytes: number },
  ): Promise<void> {
    const given = { accountId: org.accountId, tier, source: 'admin', sourceRef: null, expiresAt: null } as const;
    const { seatsLimit: seats, storageLimitBytes } = limits;
    await this.entitlements.grant(caller, { ...given, seats, storageLimitBytes }, subjectOf(org));
  }
}

export function subjectOf({ id, accountId }: Pick<Organisation, 'id' | 'accountId'>): AuditSubject {
  return { accountId, kind: 'organisation', id };
}
