import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { DomainError } from '#kernel';
import { streamBytes, streamStored } from './blob-stream.js';
import type { Signature } from './commit.js';
import type { InitialCommit } from './operations/write-initial-commit.js';
import type { ObjectInfo } from './git-object.js';
import { received } from './hand-over.js';
import type { FoundEntry } from './operations/find-entry.js';
import type { ForbiddenEntry } from './operations/forbidden-tree-entries.js';
import type { TreeListing } from './operations/list-tree.js';
import type { BlobLocation } from './operations/locate-blob.js';
import type { LogPage } from './operations/log.js';
import type { BlobText, ByteRange } from './operations/read-blob.js';
import type { BatchBlob } from './operations/read-blobs.js';
import type { CommitFacts } from './operations/read-commit.js';
import type { Peeled } from './peeled.js';
import type { StorePool } from './store-pool.js';
import type { BlobEncoding } from './text-content.js';

/** Entries of one tree listing (contract §8.2). */
export const TREE_CAP = 10_000;
/** Larger blobs are streamed and never pass through a worker's queue. */
export const STREAM_ABOVE_BYTES = 8 * 1024 * 1024;
const LOCATE_ATTEMPTS = 4;

export interface BlobStream {
  /** Bytes of the whole blob. */
  readonly size: number;
  readonly stream: Readable;
}

/**
 * The git objects of repositories, for the main thread: every method runs in a store worker. `dir` is always the
 * absolute path of a bare repository; a missing repository is not_found, damaged storage is internal with reason
 * `object_corrupt`, a dead worker is unavailable.
 */
export class GitStore {
  constructor(private readonly pool: StorePool) {}

  /** Creates an empty bare repository, durably; idempotent. */
  async init(dir: string, defaultBranch = 'main'): Promise<void> {
    await this.pool.call('initRepository', dir, { defaultBranch });
  }

  /** Writes a root commit of the empty tree, durably; moves no ref. */
  writeInitialCommit(dir: string, author: Signature, message: string): Promise<InitialCommit> {
    return this.pool.call('writeInitialCommit', dir, { author, message });
  }

  /** Throws not_found `Commit not found` or invalid_input `Object is not a commit`. */
  readCommit(dir: string, oid: string): Promise<CommitFacts> {
    return this.pool.call('readCommit', dir, { oid });
  }

  /** Type of the object, and the object and type behind its annotated tags; null when it does not exist. */
  peel(dir: string, oid: string): Promise<Peeled | null> {
    return this.pool.call('peel', dir, { oid });
  }

  /** Type and size in bytes, or null. */
  objectInfo(dir: string, oid: string): Promise<ObjectInfo | null> {
    return this.pool.call('objectInfo', dir, { oid });
  }

  /** The id an abbreviation of 4 or more hex digits stands for (any object type), null, or 'ambiguous'. */
  resolvePrefix(dir: string, prefix: string): Promise<string | null> {
    return this.pool.call('resolvePrefix', dir, { prefix });
  }

  /** First-parent history from `start`, or from its first parent with `skipStart` (contract §4.8). */
  log(dir: string, start: string, options: { limit: number; skipStart?: boolean }): Promise<LogPage> {
    return this.pool.call('log', dir, { start, limit: options.limit, skipStart: options.skipStart ?? false });
  }

  /** Entries of the directory `path` ('' is the root) in git's order; null when missing or a file. */
  listTree(
    dir: string,
    treeish: string,
    path: string,
    options: { recursive?: boolean; cap?: number } = {},
  ): Promise<TreeListing | null> {
    const { recursive = false, cap = TREE_CAP } = options;
    return this.pool.call('listTree', dir, { treeish, path, recursive, cap });
  }

  /** The entry at `path`, or null. */
  findEntry(dir: string, treeish: string, path: string): Promise<FoundEntry | null> {
    return this.pool.call('findEntry', dir, { treeish, path });
  }

  /** Bytes [start, end) of a blob, or all of it. Not for blobs above STREAM_ABOVE_BYTES. */
  async readBlob(dir: string, oid: string, range?: ByteRange): Promise<Buffer> {
    const { bytes } = await this.pool.call('readBlob', dir, { oid, range });
    return received(bytes);
  }

  /** A blob as the API's JSON carries it, decoded in the worker (contract §8.3). */
  readBlobText(dir: string, oid: string, range?: ByteRange): Promise<BlobText> {
    return this.pool.call('readBlobText', dir, { oid, range });
  }

  /**
   * A blob (or bytes [start, end) of it) as a stream. Memory stays constant unless the blob is stored as a delta,
   * which is put together in the worker first. Destroy the stream to stop early.
   */
  async openBlobStream(dir: string, oid: string, range?: ByteRange): Promise<BlobStream> {
    for (let attempt = 1; ; attempt += 1) {
      const { size, stored }: BlobLocation = await this.pool.call('locateBlob', dir, { oid });
      const wanted = { start: range?.start ?? 0, end: Math.min(range?.end ?? size, size) };
      if (stored === null) return { size, stream: streamBytes(await this.readBlob(dir, oid, wanted)) };
      const file = await openIfPresent(stored.path);
      if (file !== null) return { size, stream: streamStored(file, { oid, size, stored }, wanted) };
      // A repack moved the object between locating and opening it.
      if (attempt === LOCATE_ATTEMPTS) throw new DomainError('unavailable', 'Blob is being moved, try again');
    }
  }

  /** The blobs at `paths`, in order; null where there is no file, content null above `maxSize` (contract §8.5). */
  readBlobs(
    dir: string,
    treeish: string,
    paths: readonly string[],
    maxSize: number,
    encoding: 'auto' | BlobEncoding = 'auto',
  ): Promise<(BatchBlob | null)[]> {
    return this.pool.call('readBlobs', dir, { treeish, paths, maxSize, encoding });
  }

  /** Those of `paths` that mean something else in `newCommit` than in `oldCommit`, clashing parents included. */
  changedPaths(dir: string, oldCommit: string, newCommit: string, paths: readonly string[]): Promise<string[]> {
    return this.pool.call('changedPaths', dir, { oldCommit, newCommit, paths });
  }

  /** Refused names among the trees in a quarantine object directory, at most about 20 of them. */
  async forbiddenTreeEntries(dir: string, quarantineDir: string): Promise<ForbiddenEntry[]> {
    const found: ForbiddenEntry[] = [];
    let from: number | null = 0;
    // In slices, so that a push of a million objects does not keep a worker from everyone else.
    while (from !== null && found.length < 20) {
      const page: { found: ForbiddenEntry[]; next: number | null } = await this.pool.call('forbiddenTreeEntries', dir, {
        quarantineDir,
        from,
      });
      found.push(...page.found);
      from = page.next;
    }
    return found;
  }
}

async function openIfPresent(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
