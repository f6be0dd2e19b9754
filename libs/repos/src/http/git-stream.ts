import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { DomainError } from '#kernel';
import { bodyStream, clientGone } from '#platform';

/** The inflated body of a push; one that announces more than `limit` bytes is refused before a byte is read. */
export function pushBody(request: Request, limit: number): Readable {
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    throw new DomainError('payload_too_large', `Pack exceeds ${Math.floor(limit / 1_048_576)} MB limit`, {
      details: { limit_bytes: limit },
    });
  }
  return bodyStream(request);
}

/**
 * Streams what `open` makes of `body` to the client and answers the number of bytes. The signal fires when the client
 * leaves, so that no git works for nobody; a client that has left is no error.
 */
export async function streamReply(
  response: Response,
  type: string,
  body: Readable,
  open: (body: Readable, signal: AbortSignal) => Promise<AsyncIterable<Buffer>>,
): Promise<number> {
  const gone = clientGone(response);
  let bytes = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    const reply = await open(body, gone);
    response.status(200).setHeader('Content-Type', type).setHeader('Cache-Control', 'no-cache');
    await pipeline(reply, counter, response);
  } catch (error) {
    if (!gone.aborted) throw body.errored instanceof DomainError ? body.errored : error;
  }
  return bytes;
}
