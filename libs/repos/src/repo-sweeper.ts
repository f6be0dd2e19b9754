import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '#kernel';
import { ReposRepository } from './repos.repository.js';
import { RepoStorage } from './repo-storage.js';
import { sweepQuarantines } from './runner/quarantine.js';

/** No creation or deletion takes this long, so nothing older can still be wanted. */
const AGE_MS = 24 * 3_600_000;
/** With more than these, and most of all, unknown, the database is not the one these directories belong to. */
const MAX_SUSPECT = 20;

/**
 * Removes directories without a row: what a crash between directory and row, or during a deletion, left; and the
 * quarantines of crashed pushes where maintenance seldom comes. Idempotent.
 */
@Injectable()
export class RepoSweeper {
  private readonly log = new Logger(RepoSweeper.name);

  constructor(
    private readonly repos: ReposRepository,
    private readonly storage: RepoStorage,
    private readonly clock: Clock,
  ) {}

  async sweep(signal?: AbortSignal): Promise<void> {
    const unknown: string[] = [];
    let known = 0;
    for await (const storageIds of this.storage.untouchedSince(this.clock.now() - AGE_MS)) {
      if (signal?.aborted) return;
      const found = await this.repos.findUnknownStorage(storageIds);
      unknown.push(...found);
      known += storageIds.length - found.length;
      for (const storageId of storageIds) if (!found.includes(storageId)) await this.sweepInside(storageId);
    }
    if (unknown.length > MAX_SUSPECT && unknown.length > known) {
      const facts = { unknown: unknown.length, known, example: unknown[0] };
      this.log.error({ msg: 'most directories have no repository: not removing what looks foreign', ...facts });
      return;
    }
    for (const storageId of unknown) {
      await this.storage.remove({ storageId });
      this.log.log({ msg: 'directory without repository removed', storage: storageId });
    }
  }

  private async sweepInside(storageId: string): Promise<void> {
    try {
      const removed = await sweepQuarantines(this.storage.directoryOf({ storageId }), AGE_MS, this.clock.now());
      if (removed > 0) this.log.log({ msg: 'quarantines of crashed pushes removed', storage: storageId, removed });
    } catch (error) {
      // Deleted meanwhile, or damaged: the other repositories are still to be looked at.
      this.log.warn({ msg: 'quarantines could not be swept', storage: storageId, err: error });
    }
  }
}
