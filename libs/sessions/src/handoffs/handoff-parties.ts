import { Injectable } from '@nestjs/common';
import { TeamMemberships, UsersService } from '#accounts';
import { assertReachesProject, type Principal } from '#platform';
import { type Handoff, handoffNotFound, isHandoffId } from './handoff.js';
import { HandoffExpiry } from './handoff-expiry.js';
import { HandoffsRepository, type RecipientIdentity } from './handoffs.repository.js';
import { ProvenanceLookup } from './provenance-lookup.js';

/** A handoff with what the caller is to it; at least one of the two. */
export interface ReachedHandoff {
  readonly handoff: Handoff;
  readonly isSender: boolean;
  readonly isRecipient: boolean;
}

/** Who is a party to a handoff (sessionfs-1.md §9.5), and whether a service key may act for them. */
@Injectable()
export class HandoffParties {
  constructor(
    private readonly handoffs: HandoffsRepository,
    private readonly users: UsersService,
    private readonly teams: TeamMemberships,
    private readonly provenance: ProvenanceLookup,
    private readonly expiry: HandoffExpiry,
  ) {}

  /**
   * The handoff, with its expiry stored if that is due. Errors: `not_found` for whoever is no party, before anything of
   * it is told; `forbidden` for a service key that does not reach its project.
   */
  async reach(caller: Principal, id: string): Promise<ReachedHandoff> {
    const found = isHandoffId(id) ? await this.handoffs.find(id) : null;
    if (!found) throw handoffNotFound();
    const isSender = found.senderId === caller.userId && found.accountId === caller.accountId;
    const isRecipient = isHandedTo(found, await this.identityOf(caller));
    if (!isSender && !isRecipient) throw handoffNotFound();
    await this.assertProjectReached(caller, found);
    return { handoff: await this.expiry.settle(found), isSender, isRecipient };
  }

  /** As reach, for what only the sender may do. */
  async reachAsSender(caller: Principal, id: string): Promise<Handoff> {
    const { handoff, isSender } = await this.reach(caller, id);
    if (!isSender) throw handoffNotFound();
    return handoff;
  }

  /** As reach, for what only a recipient may do. */
  async reachAsRecipient(caller: Principal, id: string): Promise<Handoff> {
    const { handoff, isRecipient } = await this.reach(caller, id);
    if (!isRecipient) throw handoffNotFound();
    return handoff;
  }

  async identityOf(caller: Principal): Promise<RecipientIdentity> {
    const user = await this.users.get(caller.userId);
    return {
      userId: user.id,
      verifiedEmail: user.emailVerified ? user.email : null,
      teamIds: await this.teams.reachedBy(caller),
    };
  }

  /** The only projects whose handoffs the caller may list; null for people, who are bound by none. */
  async projectsOf(caller: Principal): Promise<readonly string[] | null> {
    return caller.kind === 'user_key' ? null : this.provenance.projectsReachedBy(caller);
  }

  private async assertProjectReached(caller: Principal, { sessionUid }: Handoff): Promise<void> {
    if (caller.kind === 'user_key') return;
    const anchor = sessionUid === null ? null : await this.handoffs.findAnchor(sessionUid);
    assertReachesProject(caller, anchor === null ? 'required' : await this.provenance.projectOf(anchor));
  }
}

function isHandedTo(handoff: Handoff, { userId, verifiedEmail, teamIds }: RecipientIdentity): boolean {
  return (
    handoff.recipientUserId === userId ||
    (verifiedEmail !== null && handoff.recipientEmail === verifiedEmail) ||
    (handoff.recipientTeamId !== null && teamIds.includes(handoff.recipientTeamId))
  );
}
