import { join } from 'node:path';
import { BullModule } from '@nestjs/bullmq';
import { Global, Module } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { BlobStore } from './blob-store.js';
import { BlobSweeperJobs, BLOB_SWEEP_QUEUE, BlobSweepSchedule } from './blob-sweeper.jobs.js';
import { Blobs } from './blobs.js';
import { BlobsRepository } from './blobs.repository.js';
import { LocalBlobStore } from './local-blob-store.js';

/** Blobs for every lib, in DATA_DIR. */
@Global()
@Module({
  imports: [BullModule.registerQueue({ name: BLOB_SWEEP_QUEUE })],
  providers: [
    {
      provide: BlobStore,
      inject: [AppConfig],
      useFactory: (config: AppConfig): BlobStore => new LocalBlobStore(join(config.DATA_DIR, 'blobs')),
    },
    BlobsRepository,
    Blobs,
    BlobSweepSchedule,
    BlobSweeperJobs,
  ],
  exports: [Blobs],
})
export class BlobsModule {}
