import { type IncomingMessage, request as ask, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { SandboxLifecycle } from '../lifecycle/sandbox-lifecycle.js';
import type { Preview } from './preview.js';
import { type AskedPreview, PreviewAddresses } from './preview-addresses.js';
import { headersForBrowser, headersForInside } from './preview-headers.js';
import { RunningPreviews } from './running-previews.js';

/** Without a byte either way. */
const IDLE_MS = 120_000;
const SOCKET_IDLE_MS = 900_000;
const NO_ACCESS = 'There is no such preview, or its address is not right';

/** Brings browsers to the servers in sandboxes: HTTP and WebSockets, for who has an address that was signed here. */
@Injectable()
export class PreviewDoor {
  private readonly log = new Logger(PreviewDoor.name);
  private readonly upgraded = new Set<Duplex>();
  private isClosing = false;

  constructor(
    private readonly addresses: PreviewAddresses,
    private readonly running: RunningPreviews,
    private readonly lifecycle: SandboxLifecycle,
  ) {}

  /** Whether the server's own routes have nothing to do with it. */
  isFor(request: IncomingMessage): boolean {
    return this.addresses.asked(request) !== null;
  }

  /** A stage before all others: theirs are not for what a sandbox answers. */
  serve(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    const asked = this.addresses.asked(request);
    if (!asked) return next();
    this.answer(asked, request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return void response.destroy();
      const { status, text } = this.refusalOf(error);
      response.writeHead(status, { ...PLAIN, Connection: 'close' }).end(`${text}\n`);
    });
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.upgraded.add(socket);
    socket.once('close', () => this.upgraded.delete(socket));
    socket.on('error', () => socket.destroy());
    this.join(request, socket, head).catch((error: unknown) => {
      const { status, text } = this.refusalOf(error);
      socket.end(headOf(status, text, { ...PLAIN, Connection: 'close' }) + `${text}\n`);
    });
  }

  /** For a server that drains: what was upgraded would never end by itself. */
  hangUp(): void {
    this.isClosing = true;
    for (const socket of this.upgraded) socket.destroy();
  }

  private async answer(asked: AskedPreview, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const preview = this.admit(asked);
    const apart = this.addresses.apart(asked, request);
    if (apart !== null) return void response.writeHead(303, { ...MOVED, Location: apart }).end();
    if (asked.isFirst) {
      const cookie = this.addresses.cookie(asked.token!);
      return void response.writeHead(303, { ...MOVED, Location: asked.path, 'Set-Cookie': cookie }).end();
    }
    this.noteUse(preview);
    if (request.headers.expect !== undefined) response.writeContinue();
    const inside = await this.ask(preview, asked, request);
    response.once('close', () => inside.destroy());
    if (response.destroyed) inside.destroy();
    const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0;
    const answered = answerOf(inside);
    if (hasBody) request.pipe(inside);
    else inside.end();
    const answer = await answered;
    const headers = headersForBrowser(answer.headers, { ...asked, port: preview.port });
    // The rest of a body that was answered before it had come is not read.
    response.writeHead(statusOf(answer), { ...headers, ...(!request.complete && { connection: 'close' }) });
    await pipeline(answer, response);
  }

  private async join(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const asked = this.addresses.asked(request);
    if (!asked || request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket')
      throw new DomainError('bad_request', 'WebSockets only');
    const preview = this.admit(asked);
    if (this.isClosing) throw new DomainError('unavailable', 'The server is shutting down');
    this.noteUse(preview);
    const inside = await this.ask(preview, asked, request, { connection: 'Upgrade', upgrade: 'websocket' });
    socket.once('close', () => inside.destroy());
    if (socket.destroyed) inside.destroy();
    const upgraded = new Promise<{ answer: IncomingMessage; far: Duplex; rest: Buffer }>((resolve, reject) => {
      inside.once('upgrade', (answer: IncomingMessage, far: Duplex, rest: Buffer) => resolve({ answer, far, rest }));
      inside.once('response', ({ statusCode }) => {
        inside.destroy();
        reject(new DomainError('upstream_failed', `The server in the sandbox answered ${statusCode} to a WebSocket`));
      });
      failing(inside, reject);
    });
    inside.end();
    const { answer, far, rest } = await upgraded;
    socket.write(
      headOf(101, 'Switching Protocols', { ...webSocketHeaders(answer), Connection: 'Upgrade', Upgrade: 'websocket' }),
    );
    this.carry(preview, { socket, head }, { socket: far, head: rest });
  }

  private carry(preview: Preview, near: End, far: End): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.socket.on('error', () => one.socket.destroy());
      one.socket.once('close', () => other.socket.destroy());
      (one.socket as { setTimeout?: (ms: number, then: () => void) => void }).setTimeout?.(SOCKET_IDLE_MS, () =>
        one.socket.destroy(),
      );
      if (one.head.length > 0) other.socket.write(one.head);
    }
    near.socket.on('data', () => this.noteUse(preview));
    near.socket.pipe(far.socket).pipe(near.socket);
  }

  /** Errors: `forbidden`. Which of its reasons is told to nobody but who once had a right address. */
  private admit({ id, token }: AskedPreview): Preview {
    const verdict = id !== null && token !== null ? this.addresses.judge(id, token) : 'forged';
    if (verdict === 'expired') throw new DomainError('forbidden', 'The address has expired; ask for a new one');
    if (verdict === 'forged') throw new DomainError('forbidden', NO_ACCESS);
    const preview = this.running.find(id!);
    if (!preview?.isReady) throw new DomainError('not_found', 'The preview has ended; start it again');
    return preview;
  }

  private async ask(
    { entrance, port }: Preview,
    { rest, isApart }: AskedPreview,
    { method, headers }: IncomingMessage,
    more: Readonly<Record<string, string>> = {},
  ): Promise<ReturnType<typeof ask>> {
    const socket = await entrance.connect(port);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    try {
      return ask({
        createConnection: () => socket,
        method,
        path: rest,
        headers: { ...headersForInside(headers, port, isApart), ...more },
        setHost: false,
      });
    } catch (error) {
      socket.destroy();
      throw new DomainError('bad_request', 'The request cannot be passed on', { cause: error });
    }
  }

  /** Looking at it keeps a sandbox awake. */
  private noteUse({ sandboxId }: Preview): void {
    this.lifecycle
      .touch({ id: sandboxId })
      .catch((error: unknown) => this.log.warn({ msg: 'a sign of life could not be written', sandboxId, err: error }));
  }

  private refusalOf(error: unknown): { readonly status: number; readonly text: string } {
    if (error instanceof DomainError) return { status: error.status, text: error.message };
    this.log.error({ msg: 'a preview could not be shown', err: error });
    return { status: 500, text: 'Internal server error' };
  }
}

interface End {
  readonly socket: Duplex;
  /** What had been read of it already. */
  readonly head: Buffer;
}

const MOVED = { 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' };
const PLAIN = {
  'Content-Type': 'text/plain; charset=utf-8',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'",
};

function answerOf(inside: ReturnType<typeof ask>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    inside.once('response', resolve);
    failing(inside, reject);
  });
}

/** It may also be closed without an error: where something else than an answer has come. */
function failing(inside: ReturnType<typeof ask>, reject: (error: Error) => void): void {
  inside.on('error', () => reject(noAnswer()));
  inside.once('close', () => reject(noAnswer()));
}

/** Errors: `upstream_failed` for what no answer has. */
function statusOf({ statusCode = 0 }: IncomingMessage): number {
  if (statusCode >= 200 && statusCode <= 599) return statusCode;
  throw noAnswer();
}

function noAnswer(): DomainError {
  return new DomainError('upstream_failed', 'The server in the sandbox gave no answer');
}

function webSocketHeaders({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions'].flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

/** Values come from a parsed head, so none has a line end. */
function headOf(status: number, text: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${text.replace(/[^\x20-\x7e]/g, ' ')}\r\n${lines.join('')}\r\n`;
}
