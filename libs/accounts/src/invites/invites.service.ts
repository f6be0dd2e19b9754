import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { Memberships } from '../organisations/memberships.js';
import type { Organisation } from '../organisations/organisation.js';
import { OrgJournal } from '../organisations/org-journal.js';
import { UsersService } from '../users.service.js';
import {
  type Invite,
  INVITE_DAYS,
  type InviteRole,
  isInviteId,
  newInviteId,
  SETTLED_TEXTS,
  stateOf,
} from './invite.js';
import { InviteMails } from './invite-mails.js';
import { ORG_INVITE_RESENT, ORG_INVITE_REVOKED, ORG_MEMBER_INVITED } from './invites.events.js';
import { InvitesRepository } from './invites.repository.js';
import { Seats } from './seats.js';

const DAY_MS = 86_400_000;
const RESEND_MS = 60_000;

export interface NewInvite {
  /** Trimmed and lowercase. */
  readonly email: string;
  readonly role: InviteRole;
}

/** A pending invite with what became of its mail. */
export interface SentInvite {
  readonly invite: Invite;
  readonly mailState: string | null;
}

/**
 * Invites as an organisation's admins deal with them (sessionfs-2.md §14.4). A null organisation is the caller's home.
 * Errors of all: `not_found` for what the caller does not belong to, `forbidden` with `insufficient_role`.
 */
@Injectable()
export class InvitesService {
  constructor(
    private readonly db: Database,
    private readonly invites: InvitesRepository,
    private readonly memberships: Memberships,
    private readonly seats: Seats,
    private readonly users: UsersService,
    private readonly mails: InviteMails,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Promises a seat to an address and queues the mail that says so. An invite that was declined, has expired or whose
   * member has left is replaced: a new id, so that the old link is dead, but the time of the first one. Errors:
   * `forbidden` with `seat_limit`; `conflict` for a live invite and for members; `rate_limited`.
   */
  async invite(caller: Principal, orgId: string | null, input: NewInvite): Promise<Invite> {
    return this.inOrg(caller, orgId, async (org) => {
      await this.seats.assertUnreserved(org);
      const now = this.clock.date();
      const stale = await this.invites.lockByEmail(org.id, input.email);
      if (stale && stateOf(stale, now) === 'pending') {
        throw new DomainError('conflict', 'An active invite already exists for this email');
      }
      if (await this.invites.isMember(org.id, input.email)) {
        throw new DomainError('conflict', 'This user is already a member');
      }
      const invite = await this.mailed(caller, org, freshInvite(org, caller, input, stale, now));
      await (stale ? this.invites.replace(stale.id, invite) : this.invites.insert(invite));
      const facts = { invite_id: invite.id, email: invite.email, role: invite.role, replaced: stale?.id ?? null };
      await this.journal.record(caller, ORG_MEMBER_INVITED, org, facts);
      return invite;
    });
  }

  /** The pending invites, newest first. */
  async list(caller: Principal, orgId: string | null): Promise<SentInvite[]> {
    const membership =
      orgId === null
        ? await this.memberships.assertHomeRole(caller, 'admin')
        : await this.memberships.assertRole(caller, orgId, 'admin');
    const pending = await this.invites.listPending(membership.orgId, this.clock.date());
    const states = await this.mails.statesOf(pending);
    return pending.map((invite, index) => ({ invite, mailState: states[index] ?? null }));
  }

  /** Removes an invite in any state; who accepted it stays a member. Errors: `not_found`. */
  async revoke(caller: Principal, orgId: string | null, inviteId: string): Promise<void> {
    await this.inOrg(caller, orgId, async (org) => {
      const invite = await this.lockIn(org, inviteId);
      await this.mails.withdraw(invite);
      await this.invites.remove(invite.id);
      await this.journal.record(caller, ORG_INVITE_REVOKED, org, { invite_id: invite.id, email: invite.email });
    });
  }

  /**
   * Mails the invite again; `sent` says whether a mail server is to take it. Errors: `not_found`; `conflict` unless it is
   * pending; `rate_limited` within a minute of the last mail, or when the address was mailed too often.
   */
  async resend(caller: Principal, orgId: string | null, inviteId: string): Promise<{ invite: Invite; sent: boolean }> {
    return this.inOrg(caller, orgId, async (org) => {
      const found = await this.lockIn(org, inviteId);
      const state = stateOf(found, this.clock.date());
      if (state !== 'pending') throw new DomainError('conflict', SETTLED_TEXTS[state]);
      this.assertRested(found);
      const invite = await this.mailed(caller, org, found);
      await this.invites.markMailed(invite.id, {
        lastEmailedAt: invite.lastEmailedAt,
        mailId: invite.mailId,
        tokenDigest: invite.tokenDigest,
      });
      await this.journal.record(caller, ORG_INVITE_RESENT, org, { invite_id: invite.id, email: invite.email });
      return { invite, sent: this.mails.reachPeople };
    });
  }

  /** Whether somebody invited this address (trimmed, lowercase) and still waits: it may sign up where invites decide. */
  hasLiveInvite(email: string): Promise<boolean> {
    return this.invites.hasLive(email, this.clock.date());
  }

  private async inOrg<T>(caller: Principal, orgId: string | null, work: (org: Organisation) => Promise<T>): Promise<T> {
    const id = orgId ?? (await this.memberships.assertHomeRole(caller, 'admin')).orgId;
    return this.db.transaction(async () => work(await this.memberships.lockWithRole(caller, id, 'admin')));
  }

  private async lockIn(org: Organisation, inviteId: string): Promise<Invite> {
    const invite = isInviteId(inviteId) ? await this.invites.lock(inviteId, org.id) : null;
    if (!invite) throw inviteNotFound();
    return invite;
  }

  private async mailed(caller: Principal, org: Organisation, invite: Invite): Promise<Invite> {
    const inviter = await this.users.get(caller.userId);
    return { ...invite, ...(await this.mails.queue(invite, org, inviter.email)) };
  }

  private assertRested({ lastEmailedAt }: Invite): void {
    const wait = (lastEmailedAt?.getTime() ?? 0) + RESEND_MS - this.clock.now();
    if (wait <= 0) return;
    throw new DomainError('rate_limited', 'This invite was just e-mailed. Try again later.', {
      headers: { 'Retry-After': String(Math.ceil(wait / 1000)) },
    });
  }
}

export function inviteNotFound(): DomainError {
  return new DomainError('not_found', 'Invite not found');
}

function freshInvite(
  org: Organisation,
  caller: Principal,
  { email, role }: NewInvite,
  stale: Invite | null,
  now: Date,
): Invite {
  return {
    id: newInviteId(),
    orgId: org.id,
    email,
    role,
    invitedBy: caller.userId,
    createdAt: stale?.createdAt ?? now,
    expiresAt: new Date(now.getTime() + INVITE_DAYS * DAY_MS),
    acceptedAt: null,
    declinedAt: null,
    declineReason: null,
    lastEmailedAt: null,
    mailId: stale?.mailId ?? null,
    tokenDigest: null,
  };
}
