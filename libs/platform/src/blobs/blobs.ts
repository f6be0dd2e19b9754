import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { BlobSpool, faultPoint, type SpooledBlob } from '#kernel';
import { Database } from '../database/database.js';
import { type BlobRange, BlobStore } from './blob-store.js';
import { type BlobHolder, BlobsRepository } from './blobs.repository.js';

/** What was stored: its content's SHA-256 in hex, and its length. */
export interface StoredBlob {
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Content-addressed storage of large things. Put first, then hold in the transaction that refers to it: what nobody
 * holds goes a day after it was last put or released (blob-sweeper.ts).
 *
 * The row comes before the bytes: once it says `wanted now`, no sweep touches the bytes for a day, however the put and
 * the sweep interleave; and whatever is in the store has a row that leads the sweep to it.
 */
@Injectable()
export class Blobs {
  constructor(
    private readonly db: Database,
    private readonly store: BlobStore,
    private readonly repository: BlobsRepository,
  ) {}

  /** Folder for `BlobSpool.create`, for whoever writes a blob in a thread of its own. */
  get spoolFolder(): string {
    return this.store.spoolFolder;
  }

  /** Stores a stream; durable when it resolves. The source is not destroyed on failure. Errors: `unavailable` (`disk_full`). */
  async put(source: Readable): Promise<StoredBlob> {
    const spool = await BlobSpool.create(this.spoolFolder);
    try {
      for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        await spool.write(chunk);
      }
      return await this.keep(await spool.finish());
    } finally {
      await spool.discard();
    }
  }

  /** Stores what was spooled and takes the spool; durable when it resolves. */
  async keep(spooled: SpooledBlob): Promise<StoredBlob> {
    // An uncommitted row would not stop the sweep.
    if (this.db.inTransaction) throw new Error('Blobs are kept before the transaction that holds them');
    const { digest, bytes } = spooled;
    try {
      await this.repository.want(digest, bytes);
      faultPoint('blob.row-written');
      await this.store.publish(spooled);
    } finally {
      await this.drop(spooled);
    }
    return { digest, bytes };
  }

  /** Takes away a spool that is not wanted after all. */
  async drop({ path }: SpooledBlob): Promise<void> {
    await rm(path, { force: true });
  }

  /**
   * In the transaction that refers to the blob: it stays until released. Only for what was kept within the day, or what
   * another holder is known to hold meanwhile.
   */
  async hold(digest: string, holder: BlobHolder): Promise<void> {
    await this.repository.hold(digest, holder);
  }

  /** As `hold`, for many blobs of one holder. */
  async holdAll(digests: readonly string[], holder: BlobHolder): Promise<void> {
    await this.repository.holdAll(digests, holder);
  }

  /** As `hold`, for everything that another holder has. It must keep it until the transaction ends. */
  async holdAsWell(from: BlobHolder, holder: BlobHolder): Promise<void> {
    await this.repository.copyHolds(from, holder);
  }

  /** In the transaction that no longer refers to it; without a digest all blobs of the holder. */
  async release(holder: BlobHolder, digest?: string): Promise<void> {
    await this.repository.release(holder.kind, [holder.ownerId], digest ?? null);
  }

  /** As `release`, for all blobs of many holders of a kind. */
  async releaseAll(kind: string, ownerIds: readonly string[]): Promise<void> {
    await this.repository.release(kind, ownerIds, null);
  }

  /** Errors: `not_found`. */
  open(digest: string, range?: BlobRange): Promise<Readable> {
    return this.store.open(digest, range);
  }

  /** Length in bytes, or null when the store does not have it. */
  stat(digest: string): Promise<number | null> {
    return this.store.stat(digest);
  }
}
