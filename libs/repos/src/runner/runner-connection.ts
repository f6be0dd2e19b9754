import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DomainError, fromWireError, type WireDomainError } from '#kernel';
import type { GitOperation, GitOperations } from './operations.js';

const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/** Speaks to the runner's unix socket: one connection per call, so that ending it is what cancels the call. */
export class RunnerConnection {
  constructor(private readonly socket: (signal: AbortSignal | undefined) => Promise<string>) {}

  /** An operation whose body is its parameters. */
  async ask<N extends GitOperation>(
    name: N,
    params: GitOperations[N]['params'],
    signal?: AbortSignal,
  ): Promise<GitOperations[N]['result']> {
    const call = await this.open(name, {}, signal);
    const answered = answerOf(call);
    call.end(JSON.stringify(params));
    return readJson(await answered);
  }

  /** A stream in, a result out. Waits until `body` is read to its end, or the runner has refused to read on. */
  async upload<N extends GitOperation>(
    name: N,
    params: GitOperations[N]['params'],
    body: Readable,
    signal?: AbortSignal,
  ): Promise<GitOperations[N]['result']> {
    return readJson(await this.stream(name, params, body, signal));
  }

  /** A stream in, a stream out; breaking off the returned stream kills git. */
  converse<N extends GitOperation>(
    name: N,
    params: GitOperations[N]['params'],
    body: Buffer | Readable,
    signal?: AbortSignal,
  ): Promise<Readable> {
    return this.stream(name, params, Buffer.isBuffer(body) ? Readable.from([body]) : body, signal);
  }

  private async stream(name: string, params: unknown, body: Readable, signal?: AbortSignal): Promise<IncomingMessage> {
    const call = await this.open(name, { 'X-Params': encodeURIComponent(JSON.stringify(params)) }, signal);
    const answered = answerOf(call);
    const sent = pipeline(body, call, { end: true });
    // The answer tells why a body was not taken. A body that fails by itself ends the call, which fails the answer.
    sent.catch((cause: Error) => call.destroy(cause));
    return answered;
  }

  private async open(name: string, headers: Record<string, string>, signal?: AbortSignal): Promise<ClientRequest> {
    const socketPath = await this.socket(signal);
    return request({ socketPath, path: `/${name}`, method: 'POST', agent: false, headers, ...(signal && { signal }) });
  }
}

async function answerOf(call: ClientRequest): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    call.on('response', resolve);
    call.on('error', (cause) => reject(unavailable(cause)));
  });
  if (response.statusCode === 200) return response;
  const wire = (await readJson(response)) as { error: WireDomainError };
  throw fromWireError(wire.error);
}

async function readJson<T>(response: Readable): Promise<T> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MOST_ANSWER_BYTES) throw new Error('The answer of the git runner is too large');
      parts.push(chunk);
    }
  } catch (cause) {
    throw unavailable(cause);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as T;
}

function unavailable(cause: unknown): DomainError {
  return new DomainError('unavailable', 'The git service is not available, try again', { cause });
}
