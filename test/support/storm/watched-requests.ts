import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../client.js';

/** A request that takes longer hangs. */
const PATIENCE_MS = 30_000;
/** How much of the past is told with a failure. */
const TAIL = 80;
const METHODS = new Set(['get', 'post', 'put', 'patch', 'delete']);

export interface Asked {
  readonly body?: object | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** The client goes away after so many milliseconds, at whatever point that is. */
  readonly leavesAfter?: number;
  /** Of `body`: the second half follows so many milliseconds after the first. */
  readonly pausesFor?: number;
}

/** What came of a request, as far as its client has read. */
export interface Heard {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The client went before the end. */
  readonly isCut: boolean;
}

/** A rule of the storm was broken; the message says which and what happened before. */
export class StormFailure extends Error {}

/**
 * The requests of many at once, each watched: it ends in time, with a status that the OpenAPI document lists for its route,
 * and is no failure of the server's unless the sandbox runner was killed meanwhile.
 */
export class WatchedRequests {
  private readonly routes = documentedRoutes();
  private readonly history: string[] = [];
  private readonly underWay = new Map<number, string>();
  private readonly began = performance.now();
  private readonly counts = new Map<string, number>();
  private sent = 0;
  private killedAt = -Infinity;

  /** Null when the client went before it had a status. */
  async send(by: Client, method: string, path: string, asked: Asked = {}): Promise<Heard | null> {
    const { leavesAfter = Infinity } = asked;
    const number = (this.sent += 1);
    const began = performance.now();
    const what = `#${number} ${method} ${path.slice(0, 120)}${leavesAfter < Infinity ? ` leaving after ${leavesAfter}` : ''}`;
    this.underWay.set(number, `${this.at()} ${what}`);
    const gone = new AbortController();
    const timer = setTimeout(() => gone.abort(), Math.min(leavesAfter, PATIENCE_MS));
    try {
      const heard = await exchange(by, method, path, asked, gone.signal);
      if (heard?.isCut !== false && leavesAfter > PATIENCE_MS) throw this.failure(`${what} hangs`);
      const facts = heard === null ? 'left' : `${heard.status}${heard.isCut ? ' cut' : ''} ${excerpt(heard)}`;
      this.note(`${what}: ${facts} (${Math.round(performance.now() - began)} ms)`);
      if (heard) this.judge(what, method, path, heard, began);
      return heard;
    } finally {
      clearTimeout(timer);
      this.underWay.delete(number);
    }
  }

  /** What is to be read beside the requests. */
  note(text: string): void {
    this.history.push(`${this.at()} ${text}`);
    if (this.history.length > TAIL) this.history.shift();
  }

  noteKill(): void {
    this.killedAt = performance.now();
    this.note('the sandbox runner is killed');
  }

  /** Whether the runner was killed since that moment, or so shortly before that it may still be felt. */
  isKilledSince(moment: number): boolean {
    return this.killedAt > moment - 5_000;
  }

  failure(text: string): StormFailure {
    const past = [...this.history, 'under way:', ...this.underWay.values()].join('\n');
    return new StormFailure(`${text}\n${past}`);
  }

  /** How often each route answered what. */
  get summary(): string {
    return [...this.counts]
      .map(([what, count]) => `${what} ×${count}`)
      .sort()
      .join(', ');
  }

  private judge(what: string, method: string, path: string, { status, bytes }: Heard, began: number): void {
    const route = this.routes.find((one) => one.method === method && one.pattern.test(path.split('?')[0]!));
    if (!route) throw this.failure(`${what}: no such route is documented`);
    const counted = `${route.name} ${status}`;
    this.counts.set(counted, (this.counts.get(counted) ?? 0) + 1);
    const isListed = route.statuses.has(status) && (status < 500 || this.isKilledSince(began));
    if (!isListed || status === 500) throw this.failure(`${what}: ${status} ${bytes.toString().slice(0, 2_000)}`);
  }

  private at(): string {
    return `${((performance.now() - this.began) / 1_000).toFixed(3)} s`;
  }
}

async function exchange(
  by: Client,
  method: string,
  path: string,
  { body, headers, pausesFor }: Asked,
  signal: AbortSignal,
): Promise<Heard | null> {
  const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const chunks: Buffer[] = [];
  let response: Response | undefined;
  try {
    response = await fetch(by.url + path, {
      method,
      signal,
      headers: {
        'x-api-key': by.key ?? '',
        ...(body !== undefined && { 'content-type': bytes === body ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      ...(bytes && {
        body: pausesFor === undefined ? new Uint8Array(bytes) : halves(bytes, pausesFor),
        duplex: 'half',
      }),
    } as RequestInit);
    for await (const chunk of response.body ?? []) chunks.push(Buffer.from(chunk as Uint8Array));
  } catch (error) {
    if (!signal.aborted)
      throw new Error(`${method} ${path} broke off after ${Buffer.concat(chunks).toString()}`, { cause: error });
  }
  if (!response) return null;
  return { status: response.status, headers: response.headers, bytes: Buffer.concat(chunks), isCut: signal.aborted };
}

function halves(bytes: Buffer, pause: number): ReadableStream<Uint8Array> {
  const half = Math.ceil(bytes.length / 2);
  return ReadableStream.from(
    (async function* () {
      yield new Uint8Array(bytes.subarray(0, half));
      await sleep(pause);
      yield new Uint8Array(bytes.subarray(half));
    })(),
  );
}

function excerpt({ status, bytes, headers }: Heard): string {
  const id = headers.get('x-execution-id') ?? headers.get('x-response-id') ?? '';
  return status >= 400 ? bytes.toString().slice(0, 300) : `${id} ${bytes.length} bytes`;
}

interface DocumentedRoute {
  readonly name: string;
  readonly method: string;
  readonly pattern: RegExp;
  readonly statuses: ReadonlySet<number>;
}

/** The literal ones first. */
function documentedRoutes(): DocumentedRoute[] {
  const url = new URL('../../../openapi/roundhouse.json', import.meta.url);
  const { paths } = JSON.parse(readFileSync(url, 'utf8')) as {
    paths: Record<string, Record<string, { responses: object }>>;
  };
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => METHODS.has(method))
      .map(([method, { responses }]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        pattern: new RegExp(`^${path.replace('/{path}', '/.+').replace(/\{\w+\}/g, '[^/]+')}$`),
        statuses: new Set(Object.keys(responses).map(Number)),
      })),
  );
  return routes.sort((a, b) => a.name.split('{').length - b.name.split('{').length);
}
