import { Injectable } from '@nestjs/common';
import { Clock, faultPoint } from '#kernel';
import { Blobs, Database, type Principal } from '#platform';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_DESTROYED } from '../sandboxes.events.js';
import { SandboxesRepository } from '../sandboxes.repository.js';
import { LifecycleRepository } from './lifecycle.repository.js';
import { LifeTimes } from './life-times.js';
import { SandboxStopper } from './sandbox-stopper.js';

/** Who holds the blobs of a sandbox's snapshot. */
export const SNAPSHOT_HOLDER = 'sandbox_snapshot';

/** How sandboxes end: hidden at once, cleared away durably (sandbox-sessions.md §B3.5, W1 row 14). */
@Injectable()
export class SandboxEnds {
  constructor(
    private readonly db: Database,
    private readonly sandboxes: SandboxesRepository,
    private readonly lives: LifecycleRepository,
    private readonly stopper: SandboxStopper,
    private readonly blobs: Blobs,
    private readonly journal: SandboxJournal,
    private readonly times: LifeTimes,
    private readonly clock: Clock,
  ) {}

  /** In a transaction: hides sandboxes of an account from everybody. Answers how many were not hidden before. */
  async destroy(
    caller: Principal | null,
    accountId: string,
    ids: readonly string[],
    facts: Readonly<Record<string, unknown>> = {},
  ): Promise<number> {
    const gone = await this.sandboxes.markDestroying(accountId, ids, this.clock.date());
    const what = { event: SANDBOX_DESTROYED, action: 'sandbox.destroy' };
    for (const id of gone) await this.journal.record(caller, { id, accountId }, what, facts);
    return gone.length;
  }

  /** Destroys agent sessions whose end has come. */
  async endOverdue(now: Date, limit: number): Promise<void> {
    await this.db.transaction(async () => {
      const ended = Map.groupBy(await this.lives.findEnded(now, limit), ({ accountId }) => accountId);
      for (const [accountId, sessions] of ended) {
        const ids = sessions.map(({ id }) => id);
        await this.destroy(null, accountId, ids, { reason: 'expired' });
      }
    });
  }

  /**
   * Ends what runs and forgets the sandbox, once what was said in it is recorded; its directory goes when the retention is
   * over. Idempotent.
   */
  async clearAway(id: string): Promise<void> {
    faultPoint('sandbox.destroying');
    await this.stopper.stop(id);
    faultPoint('sandbox.destroyed');
    await this.db.transaction(async () => {
      // Nobody begins to say anything in it while it is held.
      await this.lives.hold(id);
      // Its lease ends soon, and a later round looks again.
      if (await this.journal.isUnrecorded(id)) return;
      await this.blobs.release({ kind: SNAPSHOT_HOLDER, ownerId: id });
      await this.lives.delete(id, this.times.removeAfter());
    });
  }
}
