import { createGunzip, createInflate } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { DomainError } from '#kernel';

/** True when the request announces a body. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

/** For routes whose body must be there although nothing in it must (sessionfs-1.md §2.3). Errors: `invalid_input`. */
export function assertBody(request: Request): void {
  if (request.body !== undefined) return;
  throw new DomainError('invalid_input', 'Validation error', {
    details: { errors: [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }] },
  });
}

/**
 * The whole body, inflated, in one buffer. Refused by its announced length before a byte is read, and while reading
 * as soon as it passes `limit` (bytes, after inflation). `onChunk` sees the bytes as they arrive.
 */
export async function readBody(request: Request, limit: number, onChunk?: (chunk: Buffer) => void): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limit) throw bodyTooLarge(limit);
  const source = bodyStream(request);
  const body = new GatheredBody(source === request ? announced : 0);
  try {
    // A refusal must not destroy the request: its connection carries the answer.
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (body.size + chunk.length > limit) throw bodyTooLarge(limit);
      onChunk?.(chunk);
      body.add(chunk);
    }
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError('invalid_input', 'Request body could not be read', { cause: error });
  } finally {
    if (source !== request) source.destroy();
  }
  return body.finish();
}

const STEP_BYTES = 4 * 1_048_576;

/** Puts a body together without ever copying much at once: joining 25 MiB in one go stops the process for 4 ms, up to 19 when busy. */
class GatheredBody {
  /** Memory of its own, not of the pool that small buffers share: a worker can be given it without a copy. */
  private readonly whole: Buffer;
  private readonly chunks: Buffer[] = [];
  size = 0;

  /** `announced` is the exact length when it is known, else 0. */
  constructor(announced: number) {
    this.whole = Buffer.allocUnsafeSlow(announced);
  }

  add(chunk: Buffer): void {
    if (this.whole.length > 0) chunk.copy(this.whole, this.size);
    else this.chunks.push(chunk);
    this.size += chunk.length;
  }

  async finish(): Promise<Buffer> {
    if (this.whole.length > 0) return this.whole.subarray(0, this.size);
    const joined = Buffer.allocUnsafeSlow(this.size);
    let at = 0;
    let step = 0;
    for (const chunk of this.chunks) {
      at += chunk.copy(joined, at);
      step += chunk.length;
      if (step < STEP_BYTES) continue;
      step = 0;
      await nextTurn();
    }
    return joined;
  }
}

/** The body as a stream with its content encoding undone, failing with `invalid_input` where it has another. Tells a waiting client (Expect: 100-continue) to go on. */
export function bodyStream(request: Request): Readable {
  if (request.headers.expect?.toLowerCase() === '100-continue') request.res?.writeContinue();
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity' || encoding === '') return request;
  if (encoding === 'gzip' || encoding === 'x-gzip') return piped(request, createGunzip());
  if (encoding === 'deflate') return piped(request, createInflate());
  throw new DomainError('invalid_input', `Unsupported content encoding: ${encoding.slice(0, 40)}`);
}

function piped(request: Request, inflate: ReturnType<typeof createGunzip>): Readable {
  // Whoever reads learns of a body that is no such thing. One that nobody reads, refused as it is, must not end the process.
  inflate.on('error', () => undefined);
  const destroy = inflate.destroy.bind(inflate);
  inflate.destroy = (error) => destroy(isInflateError(error) ? invalidEncoding(error) : error);
  request.once('error', (error) => inflate.destroy(error));
  const leave = (): unknown => inflate.destroy(new Error('the client went away'));
  request.once('aborted', leave);
  if (request.destroyed) leave();
  return request.pipe(inflate);
}

function isInflateError(error: NodeJS.ErrnoException | undefined): boolean {
  return error?.code?.startsWith('Z_') ?? false;
}

function invalidEncoding(cause: unknown): DomainError {
  return new DomainError('invalid_input', 'The body is not encoded as Content-Encoding says', { cause });
}

/**
 * Called when a request arrives: its body stays with the client until somebody reads it, however long the decision
 * takes. What came with the first packet (at most 64 KB) is all that is ever read of a refused upload.
 */
export function holdBody(request: IncomingMessage): void {
  if (hasBody(request)) request.socket.pause();
}

/**
 * Called before an early answer: the connection is closed after it and the rest of the upload is never read. The
 * client has a moment to read the answer: a socket closed over unread input resets at once.
 */
export function refuseRestOfBody(request: Request, response: Response): void {
  if (request.complete || !hasBody(request)) return;
  response.setHeader('Connection', 'close');
  request.pause();
  request.unpipe();
  const { socket } = request;
  socket.pause();
  // Once the answer is out, Node drains an unread body by resuming the socket, and ends a last connection at once.
  socket.resume = () => socket;
  socket.destroySoon = () => {
    socket.end();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
}

const LINGER_MS = 250;

function bodyTooLarge(limit: number): DomainError {
  return new DomainError('payload_too_large', `Request body exceeds ${limit} bytes`, {
    details: { limit_bytes: limit },
  });
}
