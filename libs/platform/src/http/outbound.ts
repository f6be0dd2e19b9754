import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig } from '../config/app-config.js';
import { NameResolver } from './name-resolver.js';
import { AllowedHosts, isPublicAddress } from './public-addresses.js';

export interface OutboundRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For the whole exchange. */
  readonly timeoutMs?: number;
  /** Largest answer read, in bytes. */
  readonly maxBytes?: number;
  /** How many redirects of a GET are followed, each looked at like a first address. None by default. */
  readonly redirects?: number;
}

/** Why an address may not be called: an answer to whoever named it. */
export const OUTBOUND_REFUSED = 'address_not_allowed';
/** The other side did not answer, or not with HTTP. */
export const OUTBOUND_FAILED = 'no_answer';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 1_048_576;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const WITHOUT_BODY = new Set([101, 204, 205, 304]);

/**
 * The only way to call an address that somebody else chose (identity providers, webhooks, model endpoints). Every
 * address of the host is looked at and the connection goes to one of those looked at: an answer of DNS that changes
 * afterwards changes nothing. What is not the public internet, and HTTP without TLS, needs OUTBOUND_ALLOW_PRIVATE.
 */
@Injectable()
export class Outbound {
  private readonly allowed: AllowedHosts;

  constructor(
    config: AppConfig,
    private readonly names: NameResolver,
  ) {
    this.allowed = new AllowedHosts(config.OUTBOUND_ALLOW_PRIVATE ?? '');
  }

  /**
   * The whole answer. Errors: `invalid_input` (`address_not_allowed`); `upstream_failed` (`no_answer`) for everything
   * between here and there, an answer beyond `maxBytes` included; `timeout`.
   */
  async fetch(url: string | URL, how: OutboundRequest = {}): Promise<Response> {
    const limit = AbortSignal.timeout(how.timeoutMs ?? TIMEOUT_MS);
    const signal = how.signal ? AbortSignal.any([limit, how.signal]) : limit;
    let target = new URL(url);
    for (let left = how.redirects ?? 0; ; left -= 1) {
      const response = await this.once(target, { ...how, signal });
      const location = response.headers.get('location');
      const follows = left > 0 && (how.method ?? 'GET') === 'GET' && REDIRECTS.has(response.status);
      if (!follows || location === null || !URL.canParse(location, target.href)) return response;
      const next = new URL(location, target.href);
      if (next.origin !== target.origin) how = { ...how, headers: withoutCredentials(how.headers ?? {}) };
      target = next;
    }
  }

  /**
   * What can be said of an address before it is called, for who is about to store it. A name that cannot be resolved now
   * passes: each call looks again. Errors: `invalid_input` (`address_not_allowed`).
   */
  async assertNameable(url: URL): Promise<void> {
    assertHttp(url);
    try {
      await within(this.permitted(url), AbortSignal.timeout(TIMEOUT_MS));
    } catch (error) {
      if (error instanceof DomainError && error.reason === OUTBOUND_REFUSED) throw error;
    }
  }

  /**
   * The addresses that a program of ours may connect to in place of asking DNS itself. Errors: `invalid_input`
   * (`address_not_allowed`), `upstream_failed`, `timeout`.
   */
  async addressesOf(url: URL): Promise<readonly string[]> {
    assertHttp(url);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    try {
      return await within(this.permitted(url), signal);
    } catch (error) {
      throw explain(error, signal);
    }
  }

  /** Whether HTTP without TLS may be spoken with the host: only where the operator has allowed it by name or network. */
  async mayBePlain(host: string): Promise<boolean> {
    const bare = host.replace(/^\[|\]$/g, '');
    if (this.allowed.hasName(bare)) return true;
    const addresses = isIP(bare) ? [bare] : await this.resolve(bare);
    return addresses.length > 0 && addresses.every((address) => this.allowed.hasAddress(address));
  }

  /**
   * A bare connection, to an address that was looked at like those of `fetch`; for what is encrypted by who speaks over
   * it. Errors: as `fetch`.
   */
  async connect(host: string, port: number, signal: AbortSignal): Promise<Socket> {
    try {
      const addresses = await within(this.permitted(new URL(`https://${host}:${port}`)), signal);
      return await within(connected(host, port, addresses, signal), signal);
    } catch (error) {
      throw explain(error, signal);
    }
  }

  private async once(url: URL, how: OutboundRequest & { signal: AbortSignal }): Promise<Response> {
    assertHttp(url);
    try {
      const addresses = await within(this.permitted(url), how.signal);
      const message = await send(url, how, addresses);
      return await toResponse(message, how.maxBytes ?? MAX_BYTES);
    } catch (error) {
      throw explain(error, how.signal);
    }
  }

  /** The addresses the connection may go to. All must be good: a host that mixes them is after something. */
  private async permitted(url: URL): Promise<readonly string[]> {
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    const addresses = isIP(host) ? [host] : await this.resolve(host);
    if (addresses.length === 0) throw failed(`${url.hostname} has no address`);
    if (this.allowed.hasName(host)) return addresses;
    const isAllowed = (address: string): boolean => this.allowed.hasAddress(address);
    if (url.protocol === 'http:' && !addresses.every(isAllowed)) throw refused('The address must be https');
    if (addresses.every((address) => isAllowed(address) || isPublicAddress(address))) return addresses;
    throw refused('The address is not on the public internet');
  }

  private async resolve(host: string): Promise<string[]> {
    try {
      return await this.names.addressesOf(host);
    } catch (cause) {
      throw failed(`${host} could not be resolved`, cause);
    }
  }
}

function assertHttp(url: URL): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused('Only http and https can be called');
  if (url.username !== '' || url.password !== '') throw refused('The address must not contain credentials');
}

function send(
  url: URL,
  { method = 'GET', headers = {}, body, signal }: OutboundRequest,
  addresses: readonly string[],
): Promise<IncomingMessage> {
  const options: RequestOptions = {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
    lookup: pinnedTo(addresses),
    // A connection of its own: one kept alive was looked at for another name.
    agent: false,
    ...(signal && { signal }),
  };
  return new Promise((resolve, reject) => {
    const call = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options, resolve);
    call.on('error', reject);
    call.end(body);
  });
}

function connected(host: string, port: number, addresses: readonly string[], signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: pinnedTo(addresses) });
    const giveUp = (): void => void socket.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', giveUp);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** In place of a second question to DNS, whose answer could be another one. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  return (_host, options, done) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (options.all) done(null, found);
    else done(null, found[0]!.address, found[0]!.family);
  };
}

async function toResponse(message: IncomingMessage, maxBytes: number): Promise<Response> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      message.destroy();
      throw failed(`The answer is larger than ${maxBytes} bytes`);
    }
    parts.push(chunk);
  }
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  const status = message.statusCode ?? 0;
  if (status < 200 || status > 599) throw failed(`The answer has the status ${status}`);
  return new Response(WITHOUT_BODY.has(status) ? null : Buffer.concat(parts), { status, headers });
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !['authorization', 'cookie', 'x-api-key'].includes(name.toLowerCase())),
  );
}

/** The work, or the end of the time it has: DNS cannot be told to stop. */
function within<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}

function explain(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof DomainError) return error;
  const isTimeout = signal.aborted && (signal.reason as Error).name === 'TimeoutError';
  if (isTimeout) return new DomainError('timeout', 'The other side took too long to answer', { cause: error });
  return failed('The other side could not be reached', error);
}

function refused(message: string): DomainError {
  return new DomainError('invalid_input', message, { reason: OUTBOUND_REFUSED });
}

function failed(message: string, cause?: unknown): DomainError {
  return new DomainError('upstream_failed', message, { reason: OUTBOUND_FAILED, cause });
}
