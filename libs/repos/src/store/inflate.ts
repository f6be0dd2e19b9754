import { constants, inflateSync } from 'node:zlib';
import { CorruptObjectError, MAX_MATERIALISED_BYTES, ObjectTooLargeError } from './git-object.js';

/** deflate cannot shrink further than this, so a larger claim is a lie about to allocate gigabytes. */
const MAX_DEFLATE_RATIO = 1032;

/** More bytes than deflate needs for `size` bytes of any content, when the encoder behaves normally. */
export function deflateBound(size: number): number {
  return size + Math.ceil(size / 1000) + 64;
}

/** Refuses to allocate for a size that `available` compressed bytes cannot hold or memory should not. */
export function assertPlausibleSize(size: number, available: number): void {
  if (size > available * MAX_DEFLATE_RATIO + 64) throw new CorruptObjectError('impossible size');
  if (size > MAX_MATERIALISED_BYTES) throw new ObjectTooLargeError(size);
}

/**
 * Inflates a zlib stream that must hold exactly `size` bytes; bytes after its end are ignored.
 * Null when the input ends before the stream does.
 */
export function inflateExact(input: Buffer, size: number): Buffer | null {
  try {
    const output = inflateSync(input, { chunkSize: Math.max(64, size + 1), maxOutputLength: size + 1 });
    if (output.length !== size) throw new CorruptObjectError('inflated size differs from the recorded size');
    return output;
  } catch (error) {
    if (error instanceof CorruptObjectError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR') return null;
    throw new CorruptObjectError('cannot inflate', error);
  }
}

/** The first bytes of a zlib stream, as many as the (truncated) input yields, at least up to `limit` if it can. */
export function inflatePrefix(input: Buffer, limit: number): Buffer {
  try {
    return inflateSync(input, { finishFlush: constants.Z_SYNC_FLUSH, chunkSize: Math.max(64, limit) });
  } catch (error) {
    throw new CorruptObjectError('cannot inflate', error);
  }
}
