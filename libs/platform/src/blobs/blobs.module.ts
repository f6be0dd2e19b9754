import { join } from 'node:path';
import { Global, Module } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { PeriodicTasks } from '../jobs/periodic-tasks.js';
import { BlobStore } from './blob-store.js';
import { BlobSweeper } from './blob-sweeper.js';
import { Blobs } from './blobs.js';
import { BlobsRepository } from './blobs.repository.js';
import { LocalBlobStore } from './local-blob-store.js';

const SWEEP_MS = 6 * 3_600_000;

/** Blobs for every lib, in a bucket or in DATA_DIR. */
@Global()
@Module({
  providers: [
    {
      provide: BlobStore,
      inject: [AppConfig],
      useFactory: blobStoreOf,
    },
    BlobsRepository,
    Blobs,
    BlobSweeper,
  ],
  exports: [Blobs],
})
export class BlobsModule {
  constructor(tasks: PeriodicTasks, sweeper: BlobSweeper) {
    tasks.register({ name: 'blobs.sweep', everyMs: SWEEP_MS, run: (signal) => sweeper.sweep(signal) });
  }
}

async function blobStoreOf(config: AppConfig): Promise<BlobStore> {
  const folder = join(config.DATA_DIR, 'blobs');
  const { S3_BUCKET, S3_REGION, S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = config;
  if (S3_BUCKET === undefined) return new LocalBlobStore(folder);
  // The SDK is large: who has no bucket does without it.
  const { S3BlobStore } = await import('./s3-blob-store.js');
  const credentials =
    S3_ACCESS_KEY_ID !== undefined && S3_SECRET_ACCESS_KEY !== undefined
      ? { accessKeyId: S3_ACCESS_KEY_ID, secretAccessKey: S3_SECRET_ACCESS_KEY }
      : undefined;
  return new S3BlobStore(
    { bucket: S3_BUCKET, region: S3_REGION, endpoint: S3_ENDPOINT, credentials },
    join(folder, 'tmp'),
  );
}
