import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { DomainError, fromWireError, type WireDomainError } from '#kernel';

/** How long a call keeps knocking at a runner that is just being restarted, before anything of it is sent. */
const CONNECT_MS = 20_000;
const CONNECT_PAUSE_MS = 25;
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/** Where the runner is to be found. */
export interface RunnerEndpoint {
  readonly name: string;
  /** The path of the living runner's socket. */
  socket(signal?: AbortSignal): Promise<string>;
  /** Resolves once it is clear whether the runner has died; called after a connection broke. */
  settle(): Promise<void>;
}

/** Speaks to the runner's unix socket: one connection per call, so that ending it is what cancels the call. */
export class RunnerConnection {
  constructor(private readonly endpoint: RunnerEndpoint) {}

  /** An operation whose body is its parameters. */
  async ask<Result>(name: string, params: unknown, signal?: AbortSignal): Promise<Result> {
    const call = await this.open(name, {}, signal);
    const answered = this.answerOf(call);
    call.end(JSON.stringify(params));
    return this.readJson(await answered);
  }

  /** A stream in, a result out. Waits until `body` is read to its end, or the runner has refused to read on. */
  async upload<Result>(name: string, params: unknown, body: Readable, signal?: AbortSignal): Promise<Result> {
    return this.readJson(await this.stream(name, params, body, signal));
  }

  /** A stream in, a stream out; breaking off the returned stream ends what runs behind it. */
  converse(name: string, params: unknown, body: Buffer | Readable, signal?: AbortSignal): Promise<Readable> {
    return this.stream(name, params, Buffer.isBuffer(body) ? Readable.from([body]) : body, signal);
  }

  private async stream(name: string, params: unknown, body: Readable, signal?: AbortSignal): Promise<IncomingMessage> {
    const call = await this.open(name, { 'X-Params': encodeURIComponent(JSON.stringify(params)) }, signal);
    const answered = this.answerOf(call);
    // Otherwise they wait for the first bytes of a body that may only come after an answer.
    call.flushHeaders();
    const sent = pipeline(body, call, { end: true });
    // The answer tells why a body was not taken. A body that fails by itself ends the call, which fails the answer.
    sent.catch((cause: Error) => call.destroy(cause));
    return answered;
  }

  private async open(name: string, headers: Record<string, string>, signal?: AbortSignal): Promise<ClientRequest> {
    const socket = await this.connect(signal);
    const call = request({
      createConnection: () => socket,
      path: `/${name}`,
      method: 'POST',
      // The runner is to read on after an early refusal: a connection closed under a body loses the answer.
      headers: { ...headers, Connection: 'keep-alive' },
      ...(signal && { signal }),
    });
    call.on('error', () => undefined);
    call.once('response', (response) => response.once('end', () => socket.destroy()));
    return call;
  }

  private async connect(signal: AbortSignal | undefined): Promise<Socket> {
    const until = Date.now() + CONNECT_MS;
    for (;;) {
      const socket = connect(await this.endpoint.socket(signal));
      try {
        await once(socket, 'connect', signal && { signal });
        return socket;
      } catch (cause) {
        socket.destroy();
        if (signal?.aborted || Date.now() > until) throw this.unavailable(cause);
        await pause(CONNECT_PAUSE_MS);
      }
    }
  }

  private async answerOf(call: ClientRequest): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      call.on('response', resolve);
      // A caller who tries again at once is to meet the next runner, not the rest of this one.
      call.on('error', (cause) => {
        const settled = cause.name === 'AbortError' ? Promise.resolve() : this.endpoint.settle();
        void settled.then(() => reject(this.unavailable(cause)));
      });
    });
    if (response.statusCode === 200) return response;
    const wire = await this.readJson<{ error: WireDomainError }>(response);
    throw fromWireError(wire.error);
  }

  private async readJson<T>(response: Readable): Promise<T> {
    const parts: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > MOST_ANSWER_BYTES) throw new Error('The answer of the runner is too large');
        parts.push(chunk);
      }
    } catch (cause) {
      throw this.unavailable(cause);
    }
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as T;
  }

  private unavailable(cause: unknown): DomainError {
    return runnerUnavailable(this.endpoint.name, cause);
  }
}

export function runnerUnavailable(name: string, cause?: unknown): DomainError {
  return new DomainError('unavailable', `The ${name} service is not available, try again`, { cause });
}
