import { Injectable } from '@nestjs/common';
import { Clock, DomainError, faultPoint, prefixedId } from '#kernel';
import { Database, Idempotency, type Principal } from '#platform';
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
    private readonly handoffs: HandoffsRepository,
    private readonly parties: HandoffParties,
    private readonly copies: SessionCopies,
    private readonly journal: HandoffJournal,
    private readonly mails: HandoffMails,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /**
   * Of those who claim at once one wins and gets a copy of the session as it is then. Errors: `not_found` for who is no
   * recipient or when the source is gone, `gone` for an expired one, `conflict` (`claim_race_lost` for who came second),
   * `forbidden` (`storage_limit`, `dlp_blocked`).
   */
  async claim<Answer>(caller: Principal, id: string, render: (handoff: Handoff) => Answer): Promise<Answer> {
    const handoff = await this.parties.reachAsRecipient(caller, id);
    assertPending(handoff, 'claim', this.clock.now());
    const { sessionUid: sourceUid } = handoff;
    if (sourceUid === null) throw sourceGone();
    return this.copies.screen(caller, sourceUid, (screened) =>
      this.db.transaction(async (tx) => {
        // The session before the handoff, as a push that takes it out of the trash does.
        if (!(await this.copies.hold(sourceUid))) throw sourceGone();
        const sessionId = prefixedId('ses_');
        const now = this.clock.date();
        if (!(await this.handoffs.claim(id, { by: caller.userId, at: now, sessionId }))) throw await this.lost(id, now);
        await this.copies.copy(caller, { sourceUid, id: sessionId, handoffId: id, screened });
        await this.journal.record(caller, HANDOFF_CLAIMED, handoff, {
          new_session_id: sessionId,
          dropped_attachment_count: 0,
          active_ticket_id: null,
        });
        await this.mails.toSender(caller, 'handoff_claimed', handoff);
        const answer = render(await this.reread(id));
        await this.idempotency.settle(200, answer);
        tx.afterCommit(() => faultPoint('handoff.claimed'));
        return answer;
      }),
    );
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
