import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DomainError } from '#kernel';
import { type EgressHosts, toTarget } from './egress-hosts.js';

export interface EgressProxyOptions {
  readonly hosts: EgressHosts;
  /** The sandbox that has this name and secret; null when none has. */
  readonly sandboxOf: (user: string, password: string) => string | null;
  /** Connects to one of the host's addresses, all of which were looked at. Errors: DomainError. */
  readonly connect: (host: string, port: number, signal: AbortSignal) => Promise<Socket>;
  readonly onDenied: (sandboxId: string, target: string, reason: string) => void;
}

const MAX_TUNNELS = 64;
const CONNECT_MS = 10_000;
const IDLE_MS = 300_000;
/** Of all sandboxes, also such as have not said yet what they want. */
const MAX_CONNECTIONS = 2_048;
const LINGER_MS = 1_000;

/** An HTTP proxy that opens tunnels (CONNECT) to allowed hosts, and does nothing else. */
export class EgressProxy {
  private readonly server: Server;
  private readonly tunnels = new Map<string, number>();
  private readonly open = new Set<Duplex>();

  constructor(private readonly options: EgressProxyOptions) {
    const limits = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 5_000 };
    this.server = createServer({ ...limits, keepAlive: false }, refusePlain);
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.open.add(socket);
      socket.once('close', () => this.open.delete(socket));
      socket.on('error', () => socket.destroy());
      void this.serve(request, socket, head).catch((error: unknown) => refuse(socket, answerTo(error)));
    });
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ path, readableAll: true, writableAll: true }, resolve);
    });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    for (const socket of this.open) socket.destroy();
    await closed;
  }

  private async serve(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const sandboxId = this.sandboxOf(request.headers['proxy-authorization']);
    if (sandboxId === null) return refuse(socket, { status: '407 Proxy Authentication Required', text: '' });
    const authority = request.url ?? '';
    const target = toTarget(authority);
    if (!target || !this.options.hosts.allows(target.host, target.port))
      return this.deny(socket, sandboxId, authority, 'not_allowed');
    const count = this.tunnels.get(sandboxId) ?? 0;
    if (count >= MAX_TUNNELS)
      return refuse(socket, { status: '429 Too Many Requests', text: `More than ${MAX_TUNNELS} connections at once` });
    this.tunnels.set(sandboxId, count + 1);
    socket.once('close', () => this.forget(sandboxId));
    try {
      const upstream = await this.options.connect(target.host, target.port, AbortSignal.timeout(CONNECT_MS));
      join(socket, upstream, head);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'invalid_input') throw error;
      this.deny(socket, sandboxId, authority, error.reason ?? error.code);
    }
  }

  private deny(socket: Duplex, sandboxId: string, authority: string, reason: string): void {
    const shown = /^[\x21-\x7e]{1,260}$/.test(authority) ? authority : 'something that is no host';
    this.options.onDenied(sandboxId, shown, reason);
    refuse(socket, { status: '403 Forbidden', text: `This sandbox may not reach ${shown} (${reason})` });
  }

  private sandboxOf(header: string | undefined): string | null {
    const [, encoded = ''] = /^basic +([A-Za-z0-9+/=]{1,1000})$/i.exec(header ?? '') ?? [];
    const decoded = Buffer.from(encoded, 'base64').toString('latin1');
    const colon = decoded.indexOf(':');
    return colon === -1 ? null : this.options.sandboxOf(decoded.slice(0, colon), decoded.slice(colon + 1));
  }

  private forget(sandboxId: string): void {
    const left = (this.tunnels.get(sandboxId) ?? 1) - 1;
    if (left === 0) this.tunnels.delete(sandboxId);
    else this.tunnels.set(sandboxId, left);
  }
}

/** Both ways, until either side ends or nothing has come for long. */
function join(socket: Duplex, upstream: Socket, head: Buffer): void {
  const end = (): void => {
    socket.destroy();
    upstream.destroy();
  };
  if (socket.destroyed) return end();
  socket.once('close', end);
  upstream.once('close', end);
  upstream.on('error', end);
  upstream.setTimeout(IDLE_MS, end);
  socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
  if (head.length > 0) upstream.write(head);
  socket.pipe(upstream).pipe(socket);
}

function refusePlain(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(405, { 'Content-Type': 'text/plain', Connection: 'close' });
  response.end('Sandboxes reach allowed hosts by https only\n');
}

interface Refusal {
  readonly status: string;
  readonly text: string;
}

function refuse(socket: Duplex, { status, text }: Refusal): void {
  if (socket.destroyed) return;
  const asked = status.startsWith('407') ? 'Proxy-Authenticate: Basic realm="sandbox"\r\n' : '';
  const body = `${text}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\n${asked}Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
  // The other side ought to hang up now.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function answerTo(error: unknown): Refusal {
  if (!(error instanceof DomainError)) return { status: '502 Bad Gateway', text: 'The host could not be reached' };
  const status = error.code === 'timeout' ? '504 Gateway Timeout' : '502 Bad Gateway';
  return { status, text: error.message };
}
