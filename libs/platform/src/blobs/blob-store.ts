import type { Readable } from 'node:stream';
import { DomainError, type SpooledBlob } from '#kernel';

/** Bytes [start, end) of a blob. */
export interface BlobRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the bytes of blobs lie, by the SHA-256 of their content: a folder or a bucket. It knows nothing of who needs
 * them; `Blobs` does, and is the only one that publishes and deletes.
 */
export abstract class BlobStore {
  /** Local folder in which blobs are written before their digest is known. */
  abstract readonly spoolFolder: string;

  /** Stores a finished spool; durable when it resolves. Storing what is there already is harmless. Errors: `unavailable` (`disk_full`). */
  abstract publish(spooled: SpooledBlob): Promise<void>;

  /** A stream of the blob or of a range of it, whose memory is constant. Errors: `not_found`. */
  abstract open(digest: string, range?: BlobRange): Promise<Readable>;

  /** Its length in bytes, or null when it is not there. */
  abstract stat(digest: string): Promise<number | null>;

  /** Removes it; streams that are open read on. Removing what is not there is no error. */
  abstract delete(digest: string): Promise<void>;
}

export const blobNotFound = (cause?: unknown): DomainError => new DomainError('not_found', 'Blob not found', { cause });

const DIGEST = /^[0-9a-f]{64}$/;

/** The key below which both adapters store it. A digest that is none never reaches a path. */
export function blobKey(digest: string): string {
  if (!DIGEST.test(digest)) throw new Error(`not a digest: ${digest.slice(0, 80)}`);
  return `${digest.slice(0, 2)}/${digest.slice(2, 4)}/${digest}`;
}
