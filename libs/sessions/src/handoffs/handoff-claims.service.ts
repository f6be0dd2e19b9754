import { Injectable } from '@nestjs/common';
import { Clock, DomainError, faultPoint, prefixedId } from '#kernel';
import { Database, type Principal } from '#platform';
import { SessionsRepository } from '../sessions.repository.js';
import { assertPending, type Handoff, handoffNotFound, sourceGone } from './handoff.js';
import { HandoffJournal } from './handoff-journal.js';
import { HandoffMails } from './handoff-mails.js';
import { HandoffParties } from './handoff-parties.js';
import { HANDOFF_CLAIMED } from './handoffs.events.js';
import { HandoffsRepository } from './handoffs.repository.js';
import { SessionCopies } from './session-copies.js';

/** Takes handed sessions over (sessionfs-1.md §9.6). */
@Injectable()
export class HandoffClaimsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly handoffs: HandoffsRepository,
    private readonly parties: HandoffParties,
    private readonly copies: SessionCopies,
    private readonly journal: HandoffJournal,
    private readonly mails: HandoffMails,
    private readonly clock: Clock,
  ) {}

  /**
   * Of those who claim at once one wins and gets a copy of the session as it is then. Errors: `not_found` for who is no
   * recipient or when the source is gone, `gone` for an expired one, `conflict` (`claim_race_lost` for who came second),
   * `forbidden` (`storage_limit`).
   */
  async claim(caller: Principal, id: string): Promise<Handoff> {
    const handoff = await this.parties.reachAsRecipient(caller, id);
    const now = this.clock.date();
    assertPending(handoff, 'claim', now.getTime());
    return this.db.transaction(async (tx) => {
      // The session before the handoff, as a push that takes it out of the trash does.
      const { sessionUid } = handoff;
      if (sessionUid === null || !(await this.sessions.holdLive(sessionUid))) throw sourceGone();
      const sessionId = prefixedId('ses_');
      if (!(await this.handoffs.claim(id, { by: caller.userId, at: now, sessionId }))) throw await this.lost(id, now);
      await this.copies.copy(caller, sessionUid, sessionId, id);
      await this.journal.record(caller, HANDOFF_CLAIMED, handoff, {
        new_session_id: sessionId,
        dropped_attachment_count: 0,
        active_ticket_id: null,
      });
      await this.mails.toSender(caller, 'handoff_claimed', handoff);
      tx.afterCommit(() => faultPoint('handoff.claimed'));
      return this.reread(id);
    });
  }

  private async lost(id: string, now: Date): Promise<DomainError> {
    const current = await this.reread(id);
    if (current.status !== 'claimed') assertPending(current, 'claim', now.getTime());
    return new DomainError('conflict', 'Somebody else claimed this handoff first', {
      reason: 'claim_race_lost',
      details: {
        winner_user_id: current.claimedBy,
        winner_email: current.claimerEmail,
        current_status: current.status,
      },
    });
  }

  private async reread(id: string): Promise<Handoff> {
    const handoff = await this.handoffs.find(id);
    if (!handoff) throw handoffNotFound();
    return handoff;
  }
}
