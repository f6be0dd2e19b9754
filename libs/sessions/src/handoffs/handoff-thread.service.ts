import { Injectable } from '@nestjs/common';
import { Clock, prefixedId } from '#kernel';
import { Database, type Principal } from '#platform';
import type { HandoffComment, HandoffEvent } from './handoff.js';
import { HandoffJournal } from './handoff-journal.js';
import { HandoffMails } from './handoff-mails.js';
import { HandoffParties } from './handoff-parties.js';
import { HandoffThreadRepository } from './handoff-thread.repository.js';
import { HANDOFF_COMMENTED } from './handoffs.events.js';

/** What parties say about a handoff, in whatever state it is, and its history. Errors of all: `not_found`. */
@Injectable()
export class HandoffThreadService {
  constructor(
    private readonly db: Database,
    private readonly thread: HandoffThreadRepository,
    private readonly parties: HandoffParties,
    private readonly journal: HandoffJournal,
    private readonly mails: HandoffMails,
    private readonly clock: Clock,
  ) {}

  /** The text is kept as it is written; whoever puts it into HTML escapes it. */
  async comment(caller: Principal, id: string, content: string): Promise<HandoffComment> {
    const { handoff, isSender } = await this.parties.reach(caller, id);
    const comment: HandoffComment = {
      id: prefixedId('hcm_'),
      handoffId: id,
      authorId: caller.userId,
      content,
      createdAt: this.clock.date(),
    };
    await this.db.transaction(async () => {
      await this.thread.insertComment(comment);
      await this.journal.record(caller, HANDOFF_COMMENTED, handoff, { comment_id: comment.id });
      if (isSender) await this.mails.toRecipient(caller, 'handoff_commented', handoff, content);
      else await this.mails.toSender(caller, 'handoff_commented', handoff, content);
    });
    return comment;
  }

  /** Oldest first, those after the comment `after`. */
  async comments(caller: Principal, id: string, limit: number, after: string | null): Promise<HandoffComment[]> {
    await this.parties.reach(caller, id);
    return this.thread.comments(id, limit, after);
  }

  /** Oldest first, those after the event `after`. */
  async events(caller: Principal, id: string, limit: number, after: string | null): Promise<HandoffEvent[]> {
    await this.parties.reach(caller, id);
    return this.thread.events(id, limit, after);
  }
}
