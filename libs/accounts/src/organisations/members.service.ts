import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { Memberships } from './memberships.js';
import type { Membership, Organisation, OrgRole } from './organisation.js';
import {
  ORG_MEMBER_LEFT,
  ORG_MEMBER_REMOVED,
  ORG_MEMBER_ROLE_CHANGED,
  OWNER_TRANSFER_CANCELLED,
} from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';
import { OwnerTransfersRepository } from './owner-transfers.repository.js';

/** What a removal did besides ending the membership (sessionfs-2.md §14.5). */
export interface Removal {
  readonly userId: string;
  readonly projectsTransferred: number;
  readonly pendingTransfersCancelled: number;
}

/** On routes without an organisation in their path: the caller's home. */
type OrgChoice = string | null;

/**
 * Roles and the end of memberships. An organisation has exactly one owner at any time: the owner is neither demoted nor
 * removed and cannot leave, and no role change makes another one (OwnerTransfersService does both at once).
 */
@Injectable()
export class MembersService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly memberships: Memberships,
    private readonly transfers: OwnerTransfersRepository,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a member an admin or an admin a member; the same role again changes nothing. Errors: `bad_request` for any
   * other role and for one's own, `not_found`, `forbidden`, `conflict` with reason `sole_owner`.
   */
  async changeRole(
    caller: Principal,
    choice: OrgChoice,
    userId: string,
    role: string,
  ): Promise<{ userId: string; role: OrgRole }> {
    return this.db.transaction(async () => {
      const org = await this.lock(caller, choice, 'admin');
      assertAssignable(role, org);
      const target = await this.getMember(org, userId);
      if (target.role === 'owner') throw soleOwner(org);
      if (target.userId === caller.userId) throw new DomainError('bad_request', 'Cannot change your own role');
      if (target.role !== role) {
        await this.orgs.changeRole(org.id, target.userId, role);
        const facts = { user_id: target.userId, old_role: target.role, new_role: role };
        await this.journal.record(caller, ORG_MEMBER_ROLE_CHANGED, org, facts);
      }
      return { userId: target.userId, role };
    });
  }

  /** Errors: `not_found`, `forbidden`, `bad_request` for oneself, `conflict` with reason `sole_owner`. */
  async remove(caller: Principal, choice: OrgChoice, userId: string): Promise<Removal> {
    return this.db.transaction(async () => {
      const org = await this.lock(caller, choice, 'admin');
      const target = await this.getMember(org, userId);
      if (target.role === 'owner') throw soleOwner(org);
      if (target.userId === caller.userId) throw cannotRemoveSelf(org);
      await this.end(caller, org, target);
      await this.journal.record(caller, ORG_MEMBER_REMOVED, org, { user_id: target.userId, role: target.role });
      // Projects come with a later lib; what is theirs to move or to cancel is counted here then.
      return { userId: target.userId, projectsTransferred: 0, pendingTransfersCancelled: 0 };
    });
  }

  /** Ends the caller's own membership. Errors: `not_found`, `conflict` with reason `sole_owner`. */
  async leave(caller: Principal, orgId: string): Promise<void> {
    await this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'member');
      const own = await this.getMember(org, caller.userId);
      if (own.role === 'owner') throw soleOwner(org);
      await this.end(caller, org, own);
      await this.journal.record(caller, ORG_MEMBER_LEFT, org, { user_id: own.userId, role: own.role });
    });
  }

  private async end(caller: Principal, org: Organisation, { userId }: Membership): Promise<void> {
    for (const transferId of await this.transfers.cancelTo(org.id, userId)) {
      await this.journal.record(caller, OWNER_TRANSFER_CANCELLED, org, { transfer_id: transferId, to_user_id: userId });
    }
    await this.orgs.removeMember(org, userId, this.clock.date());
  }

  private async lock(caller: Principal, choice: OrgChoice, needed: OrgRole): Promise<Organisation> {
    const orgId = choice ?? (await this.memberships.assertHomeRole(caller, needed)).orgId;
    return this.memberships.lockWithRole(caller, orgId, needed);
  }

  private async getMember(org: Organisation, userId: string): Promise<Membership> {
    const member = await this.memberships.find(org.id, userId);
    if (!member) throw memberNotFound();
    return member;
  }
}

export function memberNotFound(): DomainError {
  return new DomainError('not_found', 'Member not found in this org');
}

function assertAssignable(role: string, org: Organisation): asserts role is 'admin' | 'member' {
  if (role === 'owner') {
    throw new DomainError('bad_request', `Ownership is handed over: POST ${transferPath(org)}`, { field: 'role' });
  }
  if (role !== 'admin' && role !== 'member') {
    throw new DomainError('bad_request', "Role must be 'admin' or 'member'", { field: 'role' });
  }
}

function soleOwner(org: Organisation): DomainError {
  return new DomainError(
    'conflict',
    `The owner cannot be demoted, be removed or leave. Hand the ownership over first: POST ${transferPath(org)}`,
    { reason: 'sole_owner' },
  );
}

function cannotRemoveSelf(org: Organisation): DomainError {
  return new DomainError('bad_request', `Cannot remove yourself. To leave: POST /api/v1/orgs/${org.id}/leave`);
}

function transferPath(org: Organisation): string {
  return `/api/v1/orgs/${org.id}/owner/transfer`;
}
