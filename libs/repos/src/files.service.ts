import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { assertFilePath } from './path-rules.js';
import { RefResolver, type ResolvedPath } from './ref-resolver.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { GitStore, STREAM_ABOVE_BYTES } from './store/git-store.js';
import type { TreeListing } from './store/operations/list-tree.js';
import type { BlobText, ByteRange } from './store/operations/read-blob.js';
import type { BatchBlob } from './store/operations/read-blobs.js';
import { looksBinary, SNIFF_BYTES } from './store/text-content.js';

/** Largest blob served whole; above it a range is needed (coregit.md §8.3). */
export const MAX_WHOLE_BLOB = 52_428_800;
const MAX_BATCH = 100;

export interface FoundBlob {
  readonly target: ResolvedPath;
  readonly sha: string;
  readonly size: number;
}

export interface BlobBatch {
  readonly blobs: readonly BatchBlob[];
  readonly missing: readonly string[];
  /** Weak validator over the blobs' ids and how they are asked for; null without blobs. */
  readonly etag: string | null;
}

export interface BatchQuery {
  readonly ref: string | null;
  readonly paths: readonly unknown[];
  readonly encoding: 'auto' | 'utf-8' | 'base64';
  readonly maxSize: number;
}

/** Trees and blobs by ref and path (coregit.md §8). */
@Injectable()
export class FilesService {
  constructor(
    private readonly resolver: RefResolver,
    private readonly store: GitStore,
    private readonly storage: RepoStorage,
  ) {}

  /** Errors: `not_found` (`Ref not found`, `Path not found`), `bad_request` for a path that breaks the rules. */
  async tree(repo: Repo, rest: string, recursive: boolean): Promise<{ target: ResolvedPath; listing: TreeListing }> {
    const target = await this.resolver.resolvePath(repo, rest);
    if (target.path !== '') assertFilePath(target.path);
    const listing = await this.store.listTree(this.storage.directoryOf(repo), target.commit, target.path, {
      recursive,
    });
    if (!listing) throw new DomainError('not_found', 'Path not found');
    return { target, listing };
  }

  /** The blob `<ref>/<path>` names. Errors: `not_found` (`File not found`), also for a directory. */
  async findBlob(repo: Repo, rest: string): Promise<FoundBlob> {
    const target = await this.resolver.resolvePath(repo, rest);
    assertFilePath(target.path);
    const entry = await this.store.findEntry(this.storage.directoryOf(repo), target.commit, target.path);
    if (!entry || entry.type !== 'blob' || entry.size === null) throw new DomainError('not_found', 'File not found');
    return { target, sha: entry.oid, size: entry.size };
  }

  /** Content as JSON carries it; `encoding` is decided on the whole file, also for a range. */
  readText(repo: Repo, blob: FoundBlob, range: ByteRange | null): Promise<BlobText> {
    return this.store.readBlobText(this.storage.directoryOf(repo), blob.sha, range ?? undefined);
  }

  /** Content as bytes: one buffer up to 8 MB, a stream above. */
  async readRaw(repo: Repo, blob: FoundBlob, range: ByteRange | null): Promise<Buffer | Readable> {
    const directory = this.storage.directoryOf(repo);
    const length = (range?.end ?? blob.size) - (range?.start ?? 0);
    if (blob.size <= STREAM_ABOVE_BYTES && length <= STREAM_ABOVE_BYTES)
      return this.store.readBlob(directory, blob.sha, range ?? undefined);
    return (await this.store.openBlobStream(directory, blob.sha, range ?? undefined)).stream;
  }

  /** True without a commit on the default branch, and for an empty tree there (coregit.md §5.3). */
  async isEmpty(repo: Repo): Promise<boolean> {
    const head = await this.resolver.findHead(repo);
    if (head === null) return true;
    const listing = await this.store.listTree(this.storage.directoryOf(repo), head, '', { cap: 1 });
    return listing === null || listing.entries.length === 0;
  }

  /** Whether the file is not text (coregit.md §8.4); one that is streamed is judged by its beginning alone. */
  async isBinary(repo: Repo, blob: FoundBlob): Promise<boolean> {
    const directory = this.storage.directoryOf(repo);
    if (blob.size > STREAM_ABOVE_BYTES) {
      const { stream } = await this.store.openBlobStream(directory, blob.sha, { start: 0, end: SNIFF_BYTES });
      return looksBinary(Buffer.concat((await stream.toArray()) as Buffer[]));
    }
    const { encoding } = await this.store.readBlobText(directory, blob.sha, { start: 0, end: 0 });
    return encoding === 'base64';
  }

  /** Up to 100 files of one ref, in the order asked (coregit.md §8.5). */
  async batch(repo: Repo, query: BatchQuery): Promise<BlobBatch> {
    const paths = query.paths.map(assertBatchPath);
    if (paths.length > MAX_BATCH)
      throw new DomainError('bad_request', `paths array exceeds max ${MAX_BATCH}`, { field: 'paths' });
    if (paths.length === 0) return { blobs: [], missing: [], etag: null };
    const target = await this.resolver.resolve(repo, query.ref);
    const maxSize = Math.min(query.maxSize, MAX_WHOLE_BLOB);
    const found = await this.store.readBlobs(
      this.storage.directoryOf(repo),
      target.commit,
      paths,
      maxSize,
      query.encoding,
    );
    const blobs = found.filter((blob) => blob !== null);
    const missing = paths.filter((_, index) => found[index] === null);
    return { blobs, missing, etag: batchTag(blobs, missing, query) };
  }
}

function assertBatchPath(path: unknown): string {
  if (typeof path !== 'string' || path === '') {
    throw new DomainError('bad_request', 'paths must contain non-empty strings', { field: 'paths' });
  }
  try {
    return assertFilePath(path);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw new DomainError('bad_request', `${error.message}: ${path.slice(0, 200)}`, { field: 'paths' });
  }
}

function batchTag(blobs: readonly BatchBlob[], missing: readonly string[], query: BatchQuery): string {
  const facts = JSON.stringify([blobs.map((blob) => [blob.path, blob.sha]), missing, query.encoding, query.maxSize]);
  return `W/"batch-${createHash('sha256').update(facts).digest('hex').slice(0, 16)}"`;
}
