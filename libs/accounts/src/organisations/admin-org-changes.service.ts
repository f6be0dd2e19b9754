import { Injectable } from '@nestjs/common';
import { DomainError, isUuid } from '#kernel';
import { Audit, Database, type Principal, type Tier } from '#platform';
import { EntitlementsRepository } from '../entitlements/entitlements.repository.js';
import { EntitlementsService } from '../entitlements/entitlements.service.js';
import { AdminOrgsRepository } from './admin-orgs.repository.js';
import { subjectOf } from './admin-orgs.service.js';
import { memberNotFound } from './members.service.js';
import { Memberships } from './memberships.js';
import type { Organisation } from './organisation.js';
import { OWNER_TRANSFER_CANCELLED, OWNER_TRANSFERRED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';

/** Absent members stay. */
export interface OrgLimits {
  readonly tier?: Tier;
  readonly seatsLimit?: number;
  readonly storageLimitBytes?: number;
}

/** What platform administrators change of organisations they do not belong to (sessionfs-2.md §15). */
@Injectable()
export class AdminOrgChangesService {
  constructor(
    private readonly db: Database,
    private readonly admin: AdminOrgsRepository,
    private readonly orgs: OrganisationsRepository,
    private readonly memberships: Memberships,
    private readonly entitlements: EntitlementsService,
    private readonly limits: EntitlementsRepository,
    private readonly journal: OrgJournal,
    private readonly audit: Audit,
  ) {}

  /**
   * Tier, seats and storage. With a new tier the seats stay and the storage is what the tier gives them, unless they are
   * given too. Members beyond the seats stay. Errors: `not_found`; `bad_request` when nothing is to change.
   */
  async change(caller: Principal, orgId: string, change: OrgLimits): Promise<OrgLimits> {
    if (Object.keys(change).length === 0) throw new DomainError('bad_request', 'No changes provided');
    return this.db.transaction(async () => {
      const org = await this.memberships.lockOrg(orgId);
      if (change.tier === undefined) await this.setLimits(org, change);
      else await this.grant(caller, org, change.tier, change);
      const facts = {
        ...(change.tier !== undefined && { tier: change.tier }),
        ...(change.seatsLimit !== undefined && { seats_limit: change.seatsLimit }),
        ...(change.storageLimitBytes !== undefined && { storage_limit_bytes: change.storageLimitBytes }),
      };
      await this.audit.record(caller, 'admin_update_org', subjectOf(org), facts);
      return change;
    });
  }

  /**
   * Makes a member the owner and the owner an admin, at once; a pending transfer ends. Errors: `not_found` for an
   * organisation or member nobody is, `bad_request` for the owner, `conflict` when there is none.
   */
  async forceTransfer(
    caller: Principal,
    orgId: string,
    toUserId: string,
  ): Promise<{ fromUserId: string; toUserId: string }> {
    return this.db.transaction(async () => {
      const org = await this.memberships.lockOrg(orgId);
      const target = isUuid(toUserId) ? await this.memberships.find(orgId, toUserId) : null;
      if (!target || !(await this.admin.lockActiveUser(target.userId))) throw memberNotFound();
      const fromUserId = await this.admin.findOwner(orgId);
      if (fromUserId === null) throw new DomainError('conflict', 'The organization has no owner');
      if (fromUserId === target.userId) throw new DomainError('bad_request', 'This user is the owner already');
      for (const id of await this.admin.cancelTransfers(orgId)) {
        await this.journal.record(caller, OWNER_TRANSFER_CANCELLED, org, { transfer_id: id });
      }
      // In this order: there is never a second owner.
      await this.orgs.changeRole(orgId, fromUserId, 'admin');
      await this.orgs.changeRole(orgId, target.userId, 'owner');
      const facts = { from_user_id: fromUserId, to_user_id: target.userId };
      await this.journal.record(caller, OWNER_TRANSFERRED, org, { ...facts, reason: 'forced' });
      await this.audit.record(caller, 'force_transfer_owner', subjectOf(org), facts);
      return { fromUserId, toUserId: target.userId };
    });
  }

  private async grant(caller: Principal, org: Organisation, tier: Tier, change: OrgLimits): Promise<void> {
    const grant = { accountId: org.accountId, tier, source: 'admin', sourceRef: null, expiresAt: null } as const;
    const limits = {
      ...(change.seatsLimit !== undefined && { seats: change.seatsLimit }),
      ...(change.storageLimitBytes !== undefined && { storageLimitBytes: change.storageLimitBytes }),
    };
    await this.entitlements.grant(caller, { ...grant, ...limits }, subjectOf(org));
  }

  /** What the organisation pays for stays as it is. */
  private async setLimits(org: Organisation, change: OrgLimits): Promise<void> {
    const seats = change.seatsLimit ?? org.seatsLimit;
    await this.limits.setOrgLimits(org.id, seats, change.storageLimitBytes ?? org.storageLimitBytes);
  }
}
