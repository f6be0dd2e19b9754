import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig, Outbound } from '#platform';
import { hasRelayProgram, newDoorFolder, RELAY_PROGRAM } from './door-folder.js';
import type { EgressDoor } from './egress-door.js';
import { EgressDenials } from './egress-denials.js';
import { EgressHosts } from './egress-hosts.js';
import { EgressProxy } from './egress-proxy.js';

/**
 * The network of sandboxes: none, unless SANDBOX_EGRESS_HOSTS names hosts. Then each sandbox can reach a proxy through a
 * socket, and the proxy those hosts. The proxy is opened when first needed.
 */
@Injectable()
export class Egress implements OnApplicationShutdown {
  private readonly log = new Logger(Egress.name);
  private readonly hosts: EgressHosts;
  private readonly secret = randomBytes(32);
  private opened: Promise<{ proxy: EgressProxy; folder: string } | null> | null = null;

  constructor(
    config: AppConfig,
    private readonly outbound: Outbound,
    private readonly denials: EgressDenials,
  ) {
    this.hosts = new EgressHosts(config.SANDBOX_EGRESS_HOSTS ?? '');
  }

  /** What programs in sandboxes reach, as agents are told it. */
  async inWords(): Promise<string> {
    if (this.hosts.isEmpty || !(await hasRelayProgram())) return 'There is no network.';
    const names = this.hosts.names.join(', ');
    return `Of the network, programs reach ${names} by https through the proxy in HTTPS_PROXY, and nothing else.`;
  }

  /** Null where sandboxes have no network. */
  async doorOf(sandboxId: string): Promise<EgressDoor | null> {
    if (this.hosts.isEmpty) return null;
    this.opened ??= this.open().catch((error: unknown) => {
      this.opened = null;
      throw error;
    });
    const opened = await this.opened;
    if (!opened) return null;
    const { folder } = opened;
    return { socket: socketIn(folder), user: sandboxId, password: this.passwordOf(sandboxId) };
  }

  /** After the sandboxes: they keep their connections until they end. */
  async onApplicationShutdown(): Promise<void> {
    const opened = await this.opened;
    if (!opened) return;
    await opened.proxy.close();
    await rm(opened.folder, { recursive: true, force: true });
  }

  private async open(): Promise<{ proxy: EgressProxy; folder: string } | null> {
    if (!(await hasRelayProgram())) {
      this.log.error({ msg: `sandboxes have no network: SANDBOX_EGRESS_HOSTS needs ${RELAY_PROGRAM}; install perl` });
      return null;
    }
    const folder = await newDoorFolder('egress');
    const proxy = new EgressProxy({
      hosts: this.hosts,
      sandboxOf: (user, password) => (this.isPassword(user, password) ? user : null),
      connect: (host, port, signal) => this.outbound.connect(host, port, signal),
      onDenied: (sandboxId, target, reason) => void this.denials.record(sandboxId, target, reason),
    });
    await proxy.listen(socketIn(folder));
    return { proxy, folder };
  }

  private passwordOf(sandboxId: string): string {
    return createHmac('sha256', this.secret).update(sandboxId).digest('hex');
  }

  private isPassword(user: string, password: string): boolean {
    const [given, right] = [Buffer.from(password), Buffer.from(this.passwordOf(user))];
    return given.length === right.length && timingSafeEqual(given, right);
  }
}

function socketIn(folder: string): string {
  return join(folder, 'proxy.sock');
}
