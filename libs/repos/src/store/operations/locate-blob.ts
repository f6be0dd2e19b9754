import { DomainError } from '#kernel';
import { accessor } from '../operation.js';

/** How a blob can be streamed. Positions are bytes of `path`; `skip` inflated bytes precede the content. */
export interface BlobLocation {
  readonly size: number;
  /** Null when the blob is stored as a delta and must be materialised. */
  readonly stored: {
    readonly path: string;
    readonly start: number;
    readonly end: number;
    readonly skip: number;
  } | null;
}

/** Where a blob's compressed bytes lie. Throws not_found for an unknown id, invalid_input for another type. */
export const locateBlob = accessor(({ store }, input: { readonly oid: string }): BlobLocation => {
  const objects = store();
  const info = objects.info(input.oid);
  const found = info && objects.extent(input.oid);
  if (info === null || found === null) throw new DomainError('not_found', 'Blob not found');
  if (info.type !== 'blob') throw new DomainError('invalid_input', 'Object is not a blob');
  if (found.extent === null) return { size: info.size, stored: null };
  const { path, start, end, size, skip } = found.extent;
  return { size, stored: { path, start, end, skip } };
});
