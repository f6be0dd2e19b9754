import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database, type Principal, type Tier } from '#platform';
import type { Account } from '../account.js';
import { isAccountSlug } from '../account-slug.js';
import { slugTaken } from '../account-slugs.service.js';
import { AccountsRepository } from '../accounts.repository.js';
import { EffectiveTier } from '../entitlements/effective-tier.js';
import { EntitlementsService } from '../entitlements/entitlements.service.js';
import { hasFeature, SEATS_OF_NEW_ORG, storageLimitOf } from '../tiers.js';
import { newOrgId, type Organisation } from './organisation.js';
import { ORG_CREATED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';

export interface NewOrganisation {
  readonly name: string;
  readonly slug: string;
}

const FEATURE = 'team_management';
const NO_SETTINGS = { kbRetentionDays: null, kbMaxContextWords: null, kbSectionPageLimit: null };

/** How organisations come into being, and what they live on (sessionfs-2.md §14.2). */
@Injectable()
export class OrgCreationService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly accounts: AccountsRepository,
    private readonly tiers: EffectiveTier,
    private readonly entitlements: EntitlementsService,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /**
   * A new organisation with the caller as its owner. What another organisation pays for is no plan of the caller's own.
   * Errors: `forbidden` with reason `upgrade_required` below team, `personal_key_required` when acting for an organisation;
   * `conflict` when the slug is taken, was another account's, or is reserved.
   */
  async create(caller: Principal, input: NewOrganisation): Promise<Organisation & { readonly slug: string }> {
    return this.db.transaction(async () => {
      const user = await this.accounts.findUser(caller.userId);
      const ownAccountId = user?.accountId ?? caller.accountId;
      // Locked, so that of two organisations created at once only one is paid for by what was bought once.
      await this.entitlements.lock(ownAccountId);
      await this.tiers.assertAccountHas(caller, ownAccountId, FEATURE);
      // The person's own plan pays: an organisation, or whoever its sign-in lets in, must not spend that.
      if (caller.orgId !== null) throw personalKeyRequired();
      const ownTier = await this.tiers.ofAccount(ownAccountId);
      const passesOn = hasFeature(ownTier, FEATURE);
      const org = await this.insert(caller, input, passesOn ? ownTier : this.config.DEFAULT_TIER);
      if (passesOn) await this.passOn(ownAccountId, org.accountId);
      return { ...org, slug: input.slug };
    });
  }

  private async insert(caller: Principal, { name, slug }: NewOrganisation, tier: Tier): Promise<Organisation> {
    const createdAt = this.clock.date();
    const account: Account = { id: randomUUID(), kind: 'organisation', slug, tier };
    const seatsLimit = SEATS_OF_NEW_ORG[tier];
    const storageLimitBytes = storageLimitOf(tier, seatsLimit) ?? 0;
    const limits = { seatsLimit, storageLimitBytes };
    const org: Organisation = { id: newOrgId(), accountId: account.id, name, ...limits, ...NO_SETTINGS, createdAt };
    if (!isAccountSlug(slug) || !(await this.accounts.insertAccount(account))) throw slugTaken(slug);
    await this.orgs.insert(org);
    await this.orgs.insertMember({ orgId: org.id, userId: caller.userId, role: 'owner', joinedAt: createdAt });
    await this.journal.record(caller, ORG_CREATED, org, { slug, tier, owner: caller.userId });
    return org;
  }

  /** What the person bought moves to the organisation; what was given for a time ends there at the same time. */
  private async passOn(ownAccountId: string, accountId: string): Promise<void> {
    if (await this.entitlements.move(ownAccountId, accountId)) return;
    const own = await this.entitlements.findActive(ownAccountId);
    if (!own?.expiresAt) return;
    await this.entitlements.grant(null, { ...own, accountId });
  }
}

function personalKeyRequired(): DomainError {
  return new DomainError('forbidden', 'Found organizations with a key that acts for your own account', {
    reason: 'personal_key_required',
  });
}
