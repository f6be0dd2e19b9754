import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createInflate } from 'node:zlib';
import { CorruptObjectError } from './git-object.js';
import type { BlobLocation } from './operations/locate-blob.js';
import type { ByteRange } from './operations/read-blob.js';

/** A blob that is stored whole, i.e. not as a delta. */
export interface StoredBlob {
  readonly oid: string;
  readonly size: number;
  readonly stored: NonNullable<BlobLocation['stored']>;
}

const CHUNK_BYTES = 64 * 1024;

/**
 * Streams [start, end) of a stored blob from its open file, with constant memory and inflating outside the main
 * thread. A whole blob is checked against its id before its last chunk is let go, so a receiver that knows the length
 * never takes damaged bytes for complete ones. Closes `file`.
 */
export function streamStored(file: FileHandle, blob: StoredBlob, range: ByteRange): Readable {
  return Readable.from(storedContent(file, blob, range), { objectMode: false });
}

/** Bytes already in memory as a stream of small chunks. */
export function streamBytes(bytes: Buffer): Readable {
  function* chunks(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
  }
  return Readable.from(chunks(), { objectMode: false });
}

async function* storedContent(file: FileHandle, blob: StoredBlob, range: ByteRange): AsyncGenerator<Buffer> {
  const { start, end } = range;
  const hash = createHash('sha1').update(`blob ${blob.size}\0`);
  let position = 0;
  let held: Buffer | undefined;
  for await (const chunk of inflated(file, blob)) {
    hash.update(chunk);
    const part = chunk.subarray(Math.max(0, start - position), Math.max(0, end - position));
    position += chunk.length;
    if (position > blob.size) throw new CorruptObjectError('blob is longer than recorded');
    if (part.length > 0) {
      if (held !== undefined) yield held;
      held = part;
    }
    if (position >= end && end < blob.size) break;
  }
  if (position < Math.min(end, blob.size)) throw new CorruptObjectError('blob ends early');
  if (position === blob.size && hash.digest('hex') !== blob.oid) {
    throw new CorruptObjectError('content does not match its id');
  }
  if (held !== undefined) yield held;
}

/** The blob's content in chunks, without what precedes it in a loose object. */
async function* inflated(file: FileHandle, { stored }: StoredBlob): AsyncGenerator<Buffer> {
  const compressed = file.createReadStream({ start: stored.start, end: stored.end - 1, highWaterMark: CHUNK_BYTES });
  // Bytes after the end of the deflate stream (the next object of a pack) are ignored by zlib.
  const inflate = createInflate({ chunkSize: CHUNK_BYTES });
  compressed.on('error', (error) => inflate.destroy(error));
  compressed.pipe(inflate);
  let toSkip = stored.skip;
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      if (toSkip < chunk.length) yield chunk.subarray(toSkip);
      toSkip = Math.max(0, toSkip - chunk.length);
    }
  } catch (error) {
    const isZlib = String((error as NodeJS.ErrnoException).code).startsWith('Z_');
    throw isZlib ? new CorruptObjectError('cannot inflate', error) : error;
  } finally {
    inflate.destroy();
    compressed.destroy();
    await file.close();
  }
}
