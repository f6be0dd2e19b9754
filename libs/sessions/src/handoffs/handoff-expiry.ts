import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, PeriodicTasks } from '#platform';
import { type Handoff, shownStatus } from './handoff.js';
import { HandoffJournal } from './handoff-journal.js';
import { type ExpiredHandoff, HandoffsRepository } from './handoffs.repository.js';

const BATCH = 200;
/** Nobody waits for it: what is due is shown as expired already. */
const EVERY_MS = 60_000;

/** Stores that handoffs have expired, each once with its event: by the clock, at a reader's hand, or with their session. */
@Injectable()
export class HandoffExpiry {
  constructor(
    private readonly db: Database,
    private readonly handoffs: HandoffsRepository,
    private readonly journal: HandoffJournal,
    private readonly clock: Clock,
    tasks: PeriodicTasks,
  ) {
    tasks.register({ name: 'handoffs.expire', everyMs: EVERY_MS, run: (signal) => this.expireDue(signal) });
  }

  /** All that are due; answers how many. Nodes that do it at once share them. */
  async expireDue(signal: AbortSignal): Promise<number> {
    let total = 0;
    for (let count = BATCH; count === BATCH && !signal.aborted; total += count) {
      count = await this.store(() => this.handoffs.expireDue(this.clock.date(), BATCH));
    }
    return total;
  }

  /** The handoff as it is now. Stored apart from any open transaction: what a reader is refused because of it stays. */
  async settle(handoff: Handoff): Promise<Handoff> {
    const now = this.clock.date();
    if (handoff.status !== 'pending' || shownStatus(handoff, now.getTime()) === 'pending') return handoff;
    await this.db.detached(() => this.store(() => this.handoffs.expireOne(handoff.id, now)));
    return (await this.handoffs.find(handoff.id)) ?? handoff;
  }

  /** In the transaction that takes a session out of the trash by a push: what was offered before is offered no more. */
  async expireOf(sessionUid: string): Promise<void> {
    await this.store(() => this.handoffs.expireOf(sessionUid));
  }

  private store(expire: () => Promise<ExpiredHandoff[]>): Promise<number> {
    return this.db.transaction(async () => {
      const expired = await expire();
      await this.journal.recordExpired(expired);
      return expired.length;
    });
  }
}
