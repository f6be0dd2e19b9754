import { InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { Clock, sweepSpools } from '#kernel';
import { Database } from '../database/database.js';
import { BlobStore } from './blob-store.js';
import { BlobsRepository } from './blobs.repository.js';

export const BLOB_SWEEP_QUEUE = 'blobs.sweep';
const EVERY_MS = 6 * 3_600_000;
const UNWANTED_HOURS = 24;
const BATCH = 200;

/** Keeps the one repeating job of the deployment scheduled, and clears this node's spools of what a crash left. */
@Injectable()
export class BlobSweepSchedule implements OnApplicationBootstrap {
  private readonly log = new Logger(BlobSweepSchedule.name);

  constructor(
    @InjectQueue(BLOB_SWEEP_QUEUE) private readonly queue: Queue,
    private readonly store: BlobStore,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.queue.upsertJobScheduler(BLOB_SWEEP_QUEUE, { every: EVERY_MS }, { opts: { removeOnComplete: true } });
    const removed = await sweepSpools(this.store.spoolFolder, this.clock.now() - UNWANTED_HOURS * 3_600_000);
    if (removed > 0) this.log.log({ msg: 'unfinished blobs of a crash removed', removed });
  }
}

/** Deletes blobs that nobody has held or put for a day. Idempotent. */
@Processor(BLOB_SWEEP_QUEUE, { concurrency: 1 })
export class BlobSweeperJobs extends WorkerHost {
  private readonly log = new Logger(BlobSweeperJobs.name);

  constructor(
    private readonly db: Database,
    private readonly store: BlobStore,
    private readonly repository: BlobsRepository,
  ) {
    super();
  }

  /** Returns how many were deleted. */
  async process(): Promise<number> {
    let deleted = 0;
    for (;;) {
      const unwanted = await this.repository.findUnwanted(UNWANTED_HOURS, BATCH);
      let gone = 0;
      for (const digest of unwanted) if (await this.sweep(digest)) gone += 1;
      deleted += gone;
      // A batch of which none could go would come again and again.
      if (unwanted.length < BATCH || gone === 0) break;
    }
    if (deleted > 0) this.log.log({ msg: 'unwanted blobs deleted', deleted });
    return deleted;
  }

  /**
   * The bytes go before the row's removal commits: a put of the same content waits for that row, and so never takes
   * bytes for stored that are about to go. Deleting one object is the only thing done outside inside a transaction.
   */
  private sweep(digest: string): Promise<boolean> {
    return this.db.transaction(async () => {
      if (!(await this.repository.forget(digest, UNWANTED_HOURS))) return false;
      await this.store.delete(digest);
      return true;
    });
  }
}
