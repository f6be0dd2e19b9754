import { DomainError } from '#kernel';
import { handOver } from '../hand-over.js';
import type { OwnedBytes } from '../hand-over.js';
import type { ObjectStore } from '../object-store.js';
import { accessor } from '../operation.js';
import { encodeContent, isBinary } from '../text-content.js';
import type { BlobEncoding } from '../text-content.js';

/** Byte positions [start, end) of a blob; `end` may lie beyond it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface BlobRequest {
  readonly oid: string;
  readonly range?: ByteRange | undefined;
}

/** Blob bytes. Throws not_found for an unknown id and invalid_input for an object of another type. */
export function blobBytes(store: ObjectStore, oid: string): Buffer {
  const object = store.find(oid);
  if (object === null) throw new DomainError('not_found', 'Blob not found');
  if (object.type !== 'blob') throw new DomainError('invalid_input', 'Object is not a blob');
  return object.data;
}

function slice(bytes: Buffer, range: ByteRange | undefined): Buffer {
  return range === undefined ? bytes : bytes.subarray(range.start, range.end);
}

export const readBlob = accessor(({ store }, { oid, range }: BlobRequest): { readonly bytes: OwnedBytes } => ({
  bytes: handOver(slice(blobBytes(store(), oid), range)),
}));

export interface BlobText {
  /** Decided from the whole blob, also for a range. */
  readonly encoding: BlobEncoding;
  readonly content: string;
  /** Bytes of the whole blob. */
  readonly size: number;
}

/** A blob (or a range of it) as the API's JSON carries it (contract §8.3). */
export const readBlobText = accessor(({ store }, { oid, range }: BlobRequest): BlobText => {
  const bytes = blobBytes(store(), oid);
  const encoding: BlobEncoding = isBinary(bytes) ? 'base64' : 'utf-8';
  return { encoding, content: encodeContent(slice(bytes, range), encoding), size: bytes.length };
});
