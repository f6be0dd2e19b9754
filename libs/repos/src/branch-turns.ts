import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { RefsRepository } from './refs.repository.js';

/**
 * Gives a branch to one writer of the deployment for a moment: the way out for a node that keeps losing it to others,
 * which happens to whoever is slower by a little. Commits that are published meanwhile wait (RefUpdate.waitsForTurn).
 */
@Injectable()
export class BranchTurns {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly db: Database,
    private readonly refs: RefsRepository,
  ) {}

  /** Runs `work`, which may use transactions of its own. One turn at a time per node, because each holds a connection. */
  take<Result>(repoId: string, name: string, work: () => Promise<Result>): Promise<Result> {
    const turn = this.last.then(() =>
      this.db.transaction(async () => {
        await this.refs.lockTurn(repoId, name);
        return this.db.detached(work);
      }),
    );
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
