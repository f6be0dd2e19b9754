import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import type { User } from '../account.js';
import { Memberships } from '../organisations/memberships.js';
import { OrganisationsRepository } from '../organisations/organisations.repository.js';
import type { Organisation } from '../organisations/organisation.js';
import { OrgJournal } from '../organisations/org-journal.js';
import { type InviteRole, stateOf } from './invite.js';
import { ORG_MEMBER_JOINED } from './invites.events.js';
import { InvitesRepository } from './invites.repository.js';
import { Seats } from './seats.js';

/** Lets people into an organisation who need not be invited: those its single sign-on brings. */
@Injectable()
export class Admissions {
  constructor(
    private readonly memberships: Memberships,
    private readonly invites: InvitesRepository,
    private readonly seats: Seats,
    private readonly orgs: OrganisationsRepository,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the user a member unless it is one: with the role and the seat of a pending invite to the address, else with
   * `role` and a free seat. The caller holds the organisation's lock (`Memberships.lockOrg`) and has proof of the
   * address. Errors: `forbidden` with reason `seat_limit` or `user_inactive`.
   */
  async admit(org: Organisation, { id: userId, email }: User, role: InviteRole, through: string): Promise<void> {
    const user = await this.invites.lockUser(userId);
    if (!user?.isActive) throw new DomainError('forbidden', 'User account is inactive', { reason: 'user_inactive' });
    if (await this.memberships.find(org.id, userId)) return;
    const joinedAt = this.clock.date();
    const invite = await this.invites.lockByEmail(org.id, email);
    const isInvited = invite !== null && stateOf(invite, joinedAt) === 'pending';
    if (isInvited) {
      await this.seats.assertVacant(org);
      await this.invites.markAccepted(invite.id, joinedAt);
    } else await this.seats.assertUnreserved(org);
    const membership = { orgId: org.id, userId, role: isInvited ? invite.role : role, joinedAt };
    await this.orgs.insertMember(membership);
    await this.journal.record(null, ORG_MEMBER_JOINED, org, { user_id: userId, role: membership.role, through });
  }
}
