import { InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { Clock } from '#kernel';
import { ReposRepository } from './repos.repository.js';
import { RepoStorage } from './repo-storage.js';
import { sweepQuarantines } from './runner/quarantine.js';

export const SWEEPER_QUEUE = 'repos.sweep';
const EVERY_MS = 6 * 3_600_000;
/** No creation or deletion takes this long, so nothing older can still be wanted. */
const AGE_MS = 24 * 3_600_000;
/** With more than these, and most of all, unknown, the database is not the one these directories belong to. */
const MAX_SUSPECT = 20;

/** Keeps the one repeating job of the deployment scheduled. */
@Injectable()
export class SweeperSchedule implements OnApplicationBootstrap {
  constructor(@InjectQueue(SWEEPER_QUEUE) private readonly queue: Queue) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.queue.upsertJobScheduler(SWEEPER_QUEUE, { every: EVERY_MS }, { opts: { removeOnComplete: true } });
  }
}

/**
 * Removes directories without a row: what a crash between directory and row, or during a deletion, left; and the
 * quarantines of crashed pushes where maintenance seldom comes. Idempotent.
 */
@Processor(SWEEPER_QUEUE, { concurrency: 1 })
export class SweeperJobs extends WorkerHost {
  private readonly log = new Logger(SweeperJobs.name);

  constructor(
    private readonly repos: ReposRepository,
    private readonly storage: RepoStorage,
    private readonly clock: Clock,
  ) {
    super();
  }

  async process(): Promise<void> {
    const unknown: string[] = [];
    let known = 0;
    for await (const storageIds of this.storage.untouchedSince(this.clock.now() - AGE_MS)) {
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
