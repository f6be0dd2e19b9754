import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { Memberships } from './memberships.js';
import { OrgJournal } from './org-journal.js';
import type { Membership, Organisation } from './organisation.js';
import { ORG_MEMBER_REMOVED, OWNER_TRANSFER_CANCELLED, OWNER_TRANSFERRED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';

/** A person leaves every organisation at once, none of which may be left without an owner. */
@Injectable()
export class Departures {
  constructor(
    private readonly db: Database,
    private readonly memberships: Memberships,
    private readonly orgs: OrganisationsRepository,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Locks the organisations, then `lockUser` is called, then the memberships end. Where the person is the owner, the
   * longest-serving active administrator becomes it. Joins the open transaction. Errors: `conflict` with reason
   * `sole_owner` where there is none (sessionfs-2.md §15), and when the person joins one meanwhile.
   */
  async leaveAll(actor: Principal | null, userId: string, lockUser: () => Promise<void>): Promise<void> {
    const memberships = inLockOrder(await this.memberships.listOf(userId));
    const orgs: Organisation[] = [];
    for (const { orgId } of memberships) orgs.push(await this.memberships.lockOrg(orgId));
    await lockUser();
    const current = inLockOrder(await this.memberships.listOf(userId));
    if (current.map(({ orgId }) => orgId).join() !== memberships.map(({ orgId }) => orgId).join()) {
      throw new DomainError('conflict', 'The memberships of this user have just changed; try again');
    }
    for (const [index, membership] of current.entries()) await this.leave(actor, orgs[index]!, membership);
  }

  private async leave(actor: Principal | null, org: Organisation, { userId, role }: Membership): Promise<void> {
    if (role === 'owner') await this.replaceOwner(actor, org, userId);
    await this.cancelTransfers(actor, org, userId);
    await this.orgs.removeMember(org, userId, this.clock.date());
    await this.journal.record(actor, ORG_MEMBER_REMOVED, org, { user_id: userId, role });
  }

  private async replaceOwner(actor: Principal | null, org: Organisation, userId: string): Promise<void> {
    const [successor] = await this.db.query<{ id: string }>(
      `select u.id from org_member m join app_user u on u.id = m.user_id
        where m.org_id = $1 and m.role = 'admin' and u.is_active order by m.joined_at, u.id limit 1`,
      [org.id],
    );
    if (!successor) {
      throw new DomainError('conflict', `The user is the sole owner of ${org.name}`, {
        reason: 'sole_owner',
        details: { org_id: org.id, org_name: org.name },
      });
    }
    // One owner at a time: the old one steps down first.
    await this.orgs.changeRole(org.id, userId, 'member');
    await this.orgs.changeRole(org.id, successor.id, 'owner');
    const facts = { from_user_id: userId, to_user_id: successor.id, reason: 'owner_deactivated' };
    await this.journal.record(actor, OWNER_TRANSFERRED, org, facts);
  }

  private async cancelTransfers(actor: Principal | null, org: Organisation, userId: string): Promise<void> {
    const cancelled = await this.db.query<{ id: string }>(
      `update owner_transfer set status = 'cancelled'
        where org_id = $1 and status = 'pending' and $2::uuid in (from_user_id, to_user_id) returning id`,
      [org.id, userId],
    );
    for (const { id } of cancelled) {
      await this.journal.record(actor, OWNER_TRANSFER_CANCELLED, org, { transfer_id: Number(id) });
    }
  }
}

/** Everybody who locks several organisations takes them by id. */
function inLockOrder(memberships: readonly Membership[]): Membership[] {
  return [...memberships].sort((a, b) => (a.orgId < b.orgId ? -1 : 1));
}
