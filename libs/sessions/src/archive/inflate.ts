import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DomainError } from '#kernel';
import { bufferPassed } from './passing-buffers.js';
import { CEILINGS, invalidArchive, refusedArchive } from './archive-limits.js';

const CHUNK_BYTES = 64 * 1024;
const GZIP = 0x1f8b;

/** How many bytes went by, and how many of the last of them were zero. */
export class ByteCount {
  bytes = 0;
  trailingZeros = 0;
  /** The first two bytes as a number, once they are there. */
  magic = 0;

  add(chunk: Uint8Array): void {
    for (let at = 0; this.bytes + at < 2 && at < chunk.byteLength; at += 1)
      this.magic = this.magic * 256 + (chunk[at] ?? 0);
    this.bytes += chunk.byteLength;
    let zeros = 0;
    while (zeros < chunk.byteLength && chunk[chunk.byteLength - 1 - zeros] === 0) zeros += 1;
    this.trailingZeros = zeros === chunk.byteLength ? this.trailingZeros + zeros : zeros;
  }
}

/**
 * The inflated bytes of a gzip stream, under the caps on size and ratio. A stream that is none, ends early, is damaged
 * or is followed by anything but zeros is refused. Errors of `source` come through as they are.
 */
export async function* inflate(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const received = new ByteCount();
  const inflated = new ByteCount();
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  let failure: unknown;
  // Its error arrives through the iteration below as well; without a callback it would be unhandled.
  pipeline(Readable.from(counted(source, received), { objectMode: false }), gunzip, (error) => (failure = error));
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      inflated.bytes += chunk.length;
      bufferPassed(chunk.length);
      assertBounded(received.bytes, inflated.bytes);
      yield chunk;
    }
  } catch (error) {
    throw gzipFailure(failure ?? error, received);
  } finally {
    gunzip.destroy();
  }
  // Padding by zeros is as old as tapes; zlib stops reading there.
  if (received.bytes - gunzip.bytesWritten > received.trailingZeros) throw invalidArchive('data after the gzip stream');
}

async function* counted(source: AsyncIterable<Uint8Array>, count: ByteCount): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    count.add(chunk);
    yield chunk;
  }
}

function assertBounded(received: number, inflated: number): void {
  if (inflated > CEILINGS.totalBytes) {
    throw refusedArchive(`Archive expands to more than ${CEILINGS.totalBytes / 1_048_576}MB`);
  }
  if (inflated > CEILINGS.ratioFromBytes && inflated > received * CEILINGS.ratio) {
    throw refusedArchive(`Archive expands to more than ${CEILINGS.ratio} times its size`);
  }
}

/** zlib's complaints in the contract's form; anything else is not about the archive. */
function gzipFailure(error: unknown, received: ByteCount): unknown {
  if (error instanceof DomainError) return error;
  const code = String((error as NodeJS.ErrnoException | null)?.code);
  if (!code.startsWith('Z_')) return error;
  if (received.bytes === 0) return invalidArchive('empty file', error);
  if (code === 'Z_BUF_ERROR') return invalidArchive('truncated gzip stream', error);
  if ((error as Error).message !== 'incorrect header check') return invalidArchive('damaged gzip stream', error);
  return invalidArchive(received.magic === GZIP ? 'data after the gzip stream' : 'not a gzip file', error);
}
