import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/** Sends a stream with backpressure. A client that goes away ends it quietly; a source that fails breaks the connection. */
export async function sendStream(source: AsyncIterable<Uint8Array>, response: Response): Promise<void> {
  try {
    await pipeline(source instanceof Readable ? source : Readable.from(source, { objectMode: false }), response);
  } catch (error) {
    if (response.closed || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    throw error;
  }
}
