import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { DomainError, type SpooledBlob } from '#kernel';
import { blobKey, blobNotFound, type BlobRange, BlobStore } from './blob-store.js';

export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Of another S3 than Amazon's; buckets are addressed by path there. */
  readonly endpoint?: string | undefined;
  /** Where the SDK looks (environment, profile, role of the machine) when absent. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const ignore = (): void => undefined;
const ATTEMPTS = 3;
const PAUSE_MS = 200;

/** Blobs as objects `blobs/aa/bb/<sha256>` of a bucket. They are spooled to the local disk first. */
export class S3BlobStore extends BlobStore {
  private readonly client: S3Client;
  private readonly bucket: string;

  constructor(
    settings: S3Settings,
    readonly spoolFolder: string,
  ) {
    super();
    this.bucket = settings.bucket;
    this.client = new S3Client({
      region: settings.region,
      maxAttempts: ATTEMPTS,
      // What fails is thrown; the SDK would also write to the console.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      ...(settings.endpoint !== undefined && { endpoint: settings.endpoint, forcePathStyle: true }),
      ...(settings.credentials && { credentials: settings.credentials }),
    });
  }

  /** The bucket itself compares the bytes with the digest. */
  async publish(spooled: SpooledBlob): Promise<void> {
    for (let attempt = 1; (await this.stat(spooled.digest)) !== spooled.bytes; attempt += 1) {
      try {
        await this.upload(spooled);
        break;
      } catch (error) {
        // The SDK repeats everything but streams, of which it has only one.
        if (attempt >= ATTEMPTS || isOurFault(error)) throw failure(error);
        await pause(PAUSE_MS * attempt);
      }
    }
    await rm(spooled.path, { force: true });
  }

  async open(digest: string, range?: BlobRange): Promise<Readable> {
    const Key = keyOf(digest);
    if (range !== undefined && range.start >= range.end) return Readable.from([]);
    // The last byte is named, not the one after it.
    const bytes = range && { Range: `bytes=${range.start}-${range.end - 1}` };
    try {
      const { Body } = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key, ...bytes }));
      return Body as Readable;
    } catch (error) {
      if (statusOf(error) === 416) return Readable.from([]);
      throw error instanceof NoSuchKey ? blobNotFound(error) : failure(error);
    }
  }

  async stat(digest: string): Promise<number | null> {
    const Key = keyOf(digest);
    try {
      return (await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key }))).ContentLength ?? 0;
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw failure(error);
    }
  }

  async delete(digest: string): Promise<void> {
    const Key = keyOf(digest);
    try {
      await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key }));
    } catch (error) {
      throw failure(error);
    }
  }

  private async upload({ path, digest, bytes }: SpooledBlob): Promise<void> {
    const body = createReadStream(path);
    try {
      await this.client.send(
        new PutObjectCommand({
          Bucket: this.bucket,
          Key: keyOf(digest),
          Body: body,
          ContentLength: bytes,
          ChecksumSHA256: Buffer.from(digest, 'hex').toString('base64'),
        }),
      );
    } finally {
      body.destroy();
    }
  }
}

const keyOf = (digest: string): string => `blobs/${blobKey(digest)}`;

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

/** A refusal (of the credentials, of the bucket) that will be the same the next time. */
function isOurFault(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500;
}

const failure = (cause: unknown): DomainError =>
  new DomainError('unavailable', 'The object store cannot be reached', { reason: 'blob_store_unavailable', cause });
