import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock, sweepSpools } from '#kernel';
import { Database } from '../database/database.js';
import { BlobStore } from './blob-store.js';
import { BlobsRepository } from './blobs.repository.js';

const UNWANTED_HOURS = 24;
const BATCH = 200;

/** Deletes blobs that nobody has held or put for a day, and clears this node's spools of what a crash left. */
@Injectable()
export class BlobSweeper implements OnApplicationBootstrap {
  private readonly log = new Logger(BlobSweeper.name);

  constructor(
    private readonly db: Database,
    private readonly store: BlobStore,
    private readonly repository: BlobsRepository,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const removed = await sweepSpools(this.store.spoolFolder, this.clock.now() - UNWANTED_HOURS * 3_600_000);
    if (removed > 0) this.log.log({ msg: 'unfinished blobs of a crash removed', removed });
  }

  /** Answers how many were deleted. Idempotent. */
  async sweep(signal?: AbortSignal): Promise<number> {
    let deleted = 0;
    while (!signal?.aborted) {
      const unwanted = await this.repository.findUnwanted(UNWANTED_HOURS, BATCH);
      let gone = 0;
      for (const digest of unwanted) if (await this.sweepOne(digest)) gone += 1;
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
  private sweepOne(digest: string): Promise<boolean> {
    return this.db.transaction(async () => {
      if (!(await this.repository.forget(digest, UNWANTED_HOURS))) return false;
      await this.store.delete(digest);
      return true;
    });
  }
}
