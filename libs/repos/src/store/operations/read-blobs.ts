import { CorruptObjectError } from '../git-object.js';
import type { ObjectStore } from '../object-store.js';
import { accessor } from '../operation.js';
import { entryAt, treeOf } from '../peeled.js';
import { encodeContent, isBinary } from '../text-content.js';
import type { BlobEncoding } from '../text-content.js';
import { isTreeMode, MODE_SUBMODULE } from '../tree.js';
import { blobBytes } from './read-blob.js';

/** Content one batch may carry; later blobs come back truncated, so that a batch cannot ask for gigabytes. */
const BATCH_BYTES = 96 * 1024 * 1024;

export interface ReadBlobsInput {
  readonly treeish: string;
  readonly paths: readonly string[];
  /** Larger blobs are named without content. */
  readonly maxSize: number;
  /** `auto` chooses per blob (contract §8.5). */
  readonly encoding: 'auto' | BlobEncoding;
}

export interface BatchBlob {
  readonly path: string;
  readonly sha: string;
  readonly size: number;
  readonly encoding: BlobEncoding;
  /** Null when the blob was left out for its size. */
  readonly content: string | null;
}

/** The blobs at `paths`, in that order; null where there is no file. */
export const readBlobs = accessor(({ store }, input: ReadBlobsInput): (BatchBlob | null)[] => {
  const objects = store();
  const root = treeOf(objects, input.treeish);
  let budget = BATCH_BYTES;
  return input.paths.map((path) => {
    const blob = readOne(objects, root, path, Math.min(input.maxSize, budget), input.encoding);
    if (blob !== null && blob.content !== null) budget -= blob.size;
    return blob;
  });
});

function readOne(
  store: ObjectStore,
  root: string,
  path: string,
  maxSize: number,
  wanted: 'auto' | BlobEncoding,
): BatchBlob | null {
  const entry = entryAt(store, root, path);
  if (entry === null || isTreeMode(entry.mode) || entry.mode === MODE_SUBMODULE) return null;
  const info = store.info(entry.oid);
  if (info === null) throw new CorruptObjectError(`blob ${entry.oid} is missing`);
  const facts = { path, sha: entry.oid, size: info.size };
  if (info.size > maxSize) return { ...facts, encoding: 'base64', content: null };
  const bytes = blobBytes(store, entry.oid);
  const encoding = wanted === 'auto' ? (isBinary(bytes) ? 'base64' : 'utf-8') : wanted;
  return { ...facts, encoding, content: encodeContent(bytes, encoding) };
}
