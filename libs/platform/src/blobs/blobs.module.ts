import { join } from 'node:path';
import { BullModule } from '@nestjs/bullmq';
import { Global, Module } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { BlobStore } from './blob-store.js';
import { BlobSweeperJobs, BLOB_SWEEP_QUEUE, BlobSweepSchedule } from './blob-sweeper.jobs.js';
import { Blobs } from './blobs.js';
import { BlobsRepository } from './blobs.repository.js';
import { LocalBlobStore } from './local-blob-store.js';

/** Blobs for every lib, in a bucket or in DATA_DIR. */
@Global()
@Module({
  imports: [BullModule.registerQueue({ name: BLOB_SWEEP_QUEUE })],
  providers: [
    {
      provide: BlobStore,
      inject: [AppConfig],
      useFactory: blobStoreOf,
    },
    BlobsRepository,
    Blobs,
    BlobSweepSchedule,
    BlobSweeperJobs,
  ],
  exports: [Blobs],
})
export class BlobsModule {}

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
