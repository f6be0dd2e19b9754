import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DomainError } from '#kernel';

/** Largest fetch request after inflating, in bytes (contract 15.3). */
export const MAX_UPLOAD_PACK_BODY = 32 * 1024 * 1024;

/**
 * The body as sent, inflated when `Content-Encoding` says gzip. Errors of either surface on the returned stream.
 * @throws invalid_input for another encoding
 */
export function inflatedBody(body: Readable, encoding: string | undefined): Readable {
  switch ((encoding ?? 'identity').trim().toLowerCase()) {
    case '':
    case 'identity':
      return body;
    case 'gzip':
    case 'x-gzip': {
      const inflated = createGunzip();
      // Not `pipeline`: it would destroy the request, and its socket, before a refusal could be answered.
      body.once('error', (error) => inflated.destroy(error));
      const leave = (): unknown => body.readableEnded || inflated.destroy(new Error('The request was broken off'));
      body.once('close', leave);
      if (body.closed) leave();
      return body.pipe(inflated);
    }
    default:
      throw new DomainError('invalid_input', 'Unsupported Content-Encoding');
  }
}

/**
 * The chunks of a whole request, inflated.
 * @throws payload_too_large `Request body too large` beyond `limit` bytes inflated; invalid_input for bad gzip data
 */
export async function* bodyChunks(
  body: Readable,
  encoding: string | undefined,
  limit = MAX_UPLOAD_PACK_BODY,
): AsyncGenerator<Buffer> {
  let size = 0;
  try {
    for await (const chunk of inflatedBody(body, encoding).iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > limit) throw tooLarge(limit);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw isZlibError(error) ? new DomainError('invalid_input', 'Invalid gzip body', { cause: error }) : error;
  }
}

function tooLarge(limit: number): DomainError {
  return new DomainError('payload_too_large', 'Request body too large', { details: { limit_bytes: limit } });
}

function isZlibError(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException).code).startsWith('Z_');
}
