import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { memberNotFound } from './members.service.js';
import { insufficientRole, Memberships } from './memberships.js';
import type { Organisation } from './organisation.js';
import {
  OWNER_TRANSFER_CANCELLED,
  OWNER_TRANSFER_EXPIRED,
  OWNER_TRANSFER_INITIATED,
  OWNER_TRANSFERRED,
} from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';
import {
  OWNER_TRANSFER_DAYS,
  type OwnerTransfer,
  transferIdOf,
  transferNotFound,
  transferNotPending,
} from './owner-transfer.js';
import { OwnerTransfersRepository } from './owner-transfers.repository.js';

const DAY_MS = 86_400_000;
const BATCH = 100;

/** The one way an organisation gets another owner: the owner offers, an admin accepts (sessionfs-2.md §14.3). */
@Injectable()
export class OwnerTransfersService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly memberships: Memberships,
    private readonly transfers: OwnerTransfersRepository,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /** Errors: `forbidden` unless the owner, `not_found`, `bad_request` for no admin or oneself, `conflict`. */
  async offer(caller: Principal, orgId: string, toUserId: string): Promise<OwnerTransfer> {
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'owner');
      const target = await this.memberships.find(orgId, toUserId);
      if (!target) throw memberNotFound();
      if (target.userId === caller.userId) throw new DomainError('bad_request', 'You own this organization already');
      if (target.role !== 'admin') {
        throw new DomainError('bad_request', 'The new owner must be an admin of the organization');
      }
      await this.expire(org);
      if (await this.transfers.findPending(orgId)) {
        throw new DomainError('conflict', 'An owner transfer of this organization is pending');
      }
      const createdAt = this.clock.date();
      const expiresAt = new Date(createdAt.getTime() + OWNER_TRANSFER_DAYS * DAY_MS);
      const offer = { orgId, fromUserId: caller.userId, toUserId: target.userId, createdAt, expiresAt };
      const transfer = await this.transfers.insert(offer);
      await this.journal.record(caller, OWNER_TRANSFER_INITIATED, org, factsOf(transfer));
      return transfer;
    });
  }

  /** What is pending, for any member; null when nothing is. */
  async findPending(caller: Principal, orgId: string): Promise<OwnerTransfer | null> {
    await this.memberships.assertRole(caller, orgId, 'member');
    const pending = await this.transfers.findPending(orgId);
    if (!pending || !this.isDue(pending)) return pending;
    await this.expireIn(orgId);
    return null;
  }

  /**
   * The admin becomes the owner and the owner an admin, at once. Errors: `not_found`, `forbidden` for anybody else,
   * `conflict` when it is not pending, or either role has changed meanwhile.
   */
  async accept(caller: Principal, orgId: string, rawId: string): Promise<OwnerTransfer> {
    await this.memberships.assertRole(caller, orgId, 'member');
    await this.expireIn(orgId);
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'member');
      const transfer = await this.get(orgId, rawId);
      if (transfer.toUserId !== caller.userId) {
        throw new DomainError('forbidden', 'Only the person it was offered to may accept this owner transfer');
      }
      if (transfer.status !== 'pending') throw transferNotPending(transfer.status);
      await this.assertRolesHold(transfer);
      // In this order: there is never a second owner.
      await this.orgs.changeRole(orgId, transfer.fromUserId, 'admin');
      await this.orgs.changeRole(orgId, transfer.toUserId, 'owner');
      await this.transfers.setStatus(transfer.id, 'accepted');
      await this.journal.record(caller, OWNER_TRANSFERRED, org, factsOf(transfer));
      return { ...transfer, status: 'accepted' };
    });
  }

  /** By the owner or the one it was offered to. Errors: `not_found`, `forbidden`, `conflict` when not pending. */
  async cancel(caller: Principal, orgId: string, rawId: string): Promise<OwnerTransfer> {
    await this.memberships.assertRole(caller, orgId, 'member');
    await this.expireIn(orgId);
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'member');
      const transfer = await this.get(orgId, rawId);
      const own = await this.memberships.assertRole(caller, orgId, 'member');
      if (own.role !== 'owner' && transfer.toUserId !== caller.userId) throw insufficientRole(own.role, 'owner');
      if (transfer.status !== 'pending') throw transferNotPending(transfer.status);
      await this.transfers.setStatus(transfer.id, 'cancelled');
      await this.journal.record(caller, OWNER_TRANSFER_CANCELLED, org, factsOf(transfer));
      return { ...transfer, status: 'cancelled' };
    });
  }

  /** Ends the offers whose time is over. Safe on every node at once. */
  async expireDue(): Promise<void> {
    for (const orgId of await this.transfers.listDue(this.clock.date(), BATCH)) await this.expireIn(orgId);
  }

  /** Kept although what comes next may be refused. */
  private async expireIn(orgId: string): Promise<void> {
    await this.db.transaction(async () => {
      const pending = await this.transfers.findPending(orgId);
      if (pending && this.isDue(pending)) await this.expire(await this.memberships.lockOrg(orgId));
    });
  }

  /** Under the organisation's lock. */
  private async expire(org: Organisation): Promise<void> {
    const pending = await this.transfers.findPending(org.id);
    if (!pending || !this.isDue(pending)) return;
    await this.transfers.setStatus(pending.id, 'expired');
    await this.journal.record(null, OWNER_TRANSFER_EXPIRED, org, factsOf(pending));
  }

  private isDue(transfer: OwnerTransfer): boolean {
    return transfer.expiresAt.getTime() <= this.clock.now();
  }

  private async get(orgId: string, rawId: string): Promise<OwnerTransfer> {
    const id = transferIdOf(rawId);
    const transfer = id === null ? null : await this.transfers.find(orgId, id);
    if (!transfer) throw transferNotFound();
    return transfer;
  }

  private async assertRolesHold({ orgId, fromUserId, toUserId }: OwnerTransfer): Promise<void> {
    const from = await this.memberships.find(orgId, fromUserId);
    const to = await this.memberships.find(orgId, toUserId);
    if (from?.role === 'owner' && to?.role === 'admin') return;
    throw new DomainError('conflict', 'The roles have changed since this owner transfer was offered');
  }
}

function factsOf({ id, fromUserId, toUserId }: OwnerTransfer): Record<string, unknown> {
  return { transfer_id: id, from_user_id: fromUserId, to_user_id: toUserId };
}
