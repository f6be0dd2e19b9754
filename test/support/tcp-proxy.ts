import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way between a client and a server that can stop carrying bytes without closing anything. */
export interface TcpProxy {
  readonly port: number;
  /** From here on nothing arrives on either side, and new connections are taken but lead nowhere. */
  freeze(): void;
  /** What was held back arrives. */
  thaw(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const proxy = new FreezableProxy(target);
  await proxy.listen();
  return proxy;
}

class FreezableProxy implements TcpProxy {
  private readonly sockets = new Set<Socket>();
  private isFrozen = false;
  private readonly server: Server;

  constructor(private readonly target: { readonly host: string; readonly port: number }) {
    this.server = createServer((client) => this.join(client));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  freeze(): void {
    this.isFrozen = true;
    for (const socket of this.sockets) socket.pause();
  }

  thaw(): void {
    this.isFrozen = false;
    for (const socket of this.sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    const upstream = connect(this.target);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', () => to.destroy());
      from.once('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      if (this.isFrozen) from.pause();
    }
  }
}
