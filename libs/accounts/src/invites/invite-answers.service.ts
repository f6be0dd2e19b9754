import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import type { User } from '../account.js';
import { Memberships } from '../organisations/memberships.js';
import type { Membership, Organisation } from '../organisations/organisation.js';
import { OrganisationsRepository } from '../organisations/organisations.repository.js';
import { UsersService } from '../users.service.js';
import { type Invite, isInviteId, SETTLED_TEXTS, stateOf } from './invite.js';
import { InviteMails } from './invite-mails.js';
import { InviteRecords } from './invite-records.js';
import { InvitesRepository, type ReceivedInvite } from './invites.repository.js';
import { inviteNotFound } from './invites.service.js';
import { Seats } from './seats.js';

/** The invites of a caller, and whether the caller's address is known to be theirs. */
export interface Received {
  readonly invites: readonly ReceivedInvite[];
  readonly isVerified: boolean;
}

/** Invites as the invited person deals with them (sessionfs-2.md §14.4). */
@Injectable()
export class InviteAnswersService {
  constructor(
    private readonly db: Database,
    private readonly invites: InvitesRepository,
    private readonly memberships: Memberships,
    private readonly orgs: OrganisationsRepository,
    private readonly seats: Seats,
    private readonly users: UsersService,
    private readonly mails: InviteMails,
    private readonly records: InviteRecords,
  ) {}

  /** Live invites to the caller's address, newest first. */
  async listMine(caller: Principal): Promise<Received> {
    const user = await this.users.get(caller.userId);
    return {
      invites: await this.invites.listReceived(user.email, this.records.now()),
      isVerified: user.emailVerified,
    };
  }

  /**
   * Takes the promised seat. Naming the invite's id is enough, whether or not the address is verified; a token from the
   * mail verifies it. Errors: `not_found`; `bad_request` when it was answered or has expired; `forbidden` for another
   * address, or with `seat_limit`; `conflict` for members.
   */
  async accept(caller: Principal, inviteId: string, token: string | null): Promise<Membership> {
    return this.answer(caller, inviteId, async (org, invite, user) => {
      if (await this.memberships.find(org.id, user.id)) {
        throw new DomainError('conflict', 'You are already a member of this organization');
      }
      await this.seats.assertVacant(org);
      const joinedAt = this.records.now();
      if (!(await this.invites.markAccepted(invite.id, joinedAt))) throw changedMeanwhile();
      const membership = { orgId: org.id, userId: user.id, role: invite.role, joinedAt };
      await this.orgs.insertMember(membership);
      if (!user.emailVerified && (await this.mails.provesAddress(invite, token))) await this.verify(caller, user);
      await this.records.joined(caller, org, invite);
      return membership;
    });
  }

  /** Gives the promised seat back; answers when. Errors: as accept, without the seats. */
  async decline(caller: Principal, inviteId: string, reason: string | null): Promise<Date> {
    return this.answer(caller, inviteId, async (org, invite) => {
      const declinedAt = this.records.now();
      if (!(await this.invites.markDeclined(invite.id, declinedAt, reason))) throw changedMeanwhile();
      await this.records.declined(caller, org, invite, reason);
      return declinedAt;
    });
  }

  /** Checks before the lock, to keep strangers from taking it, and again under it, where nothing changes any more. */
  private async answer<T>(
    caller: Principal,
    inviteId: string,
    work: (org: Organisation, invite: Invite, user: User) => Promise<T>,
  ): Promise<T> {
    const user = await this.users.get(caller.userId);
    const found = this.answerable(isInviteId(inviteId) ? await this.invites.find(inviteId) : null, user);
    return this.db.transaction(async () => {
      const org = await this.memberships.lockOrg(found.orgId);
      const current = await this.invites.lockUser(user.id);
      if (!current?.isActive) throw new DomainError('forbidden', 'User account is inactive');
      return work(org, this.answerable(await this.invites.lock(inviteId, org.id), current), current);
    });
  }

  private answerable(invite: Invite | null, user: User): Invite {
    if (!invite) throw inviteNotFound();
    const state = stateOf(invite, this.records.now());
    if (state !== 'pending') throw new DomainError('bad_request', SETTLED_TEXTS[state]);
    if (invite.email !== user.email) {
      throw new DomainError('forbidden', 'This invite is for a different email address');
    }
    return invite;
  }

  private async verify(caller: Principal, user: User): Promise<void> {
    await this.invites.verifyEmail(user.id);
    await this.records.verified(caller, user);
  }
}

function changedMeanwhile(): DomainError {
  return new DomainError('conflict', 'Invite state changed concurrently; reload and retry');
}
