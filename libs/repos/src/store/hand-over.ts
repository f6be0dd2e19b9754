import { MAX_CACHED_OBJECT_BYTES } from './git-object.js';

/** Bytes in memory of their own, which a thread may give away without pulling them from under a cache or a pool. */
export type OwnedBytes = Uint8Array<ArrayBuffer>;

/**
 * `bytes` ready to be transferred to another thread. Large buffers are never cached and are given away as they are;
 * the rest may be shared with a cache or Node's buffer pool and is copied.
 */
export function handOver(bytes: Buffer): OwnedBytes {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteLength > MAX_CACHED_OBJECT_BYTES && byteOffset === 0 && buffer instanceof ArrayBuffer) {
    // A few bytes of slack behind a large object are not worth copying all of it.
    if (buffer.byteLength - byteLength <= 4096) return new Uint8Array(buffer, 0, byteLength);
  }
  const copy = new Uint8Array(byteLength);
  copy.set(bytes);
  return copy;
}

/** The array buffers of every owned byte array inside a value of plain objects and arrays. */
export function transferList(value: unknown, found: Set<ArrayBuffer> = new Set(), depth = 0): Set<ArrayBuffer> {
  if (value instanceof Uint8Array) {
    // Only views that start their buffer are owned; a slice of Node's pool is not ours to give away.
    if (value.buffer instanceof ArrayBuffer && value.byteOffset === 0 && !Buffer.isBuffer(value))
      found.add(value.buffer);
  } else if (depth < 4 && Array.isArray(value)) {
    for (const item of value) transferList(item, found, depth + 1);
  } else if (depth < 4 && typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) transferList(item, found, depth + 1);
  }
  return found;
}

/** A Buffer over bytes that arrived from another thread, without copying. */
export function received(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
