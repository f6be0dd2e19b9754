import { lookup, Resolver } from 'node:dns/promises';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';

const TIMEOUT_MS = 3_000;
const TRIES = 2;
/** What DNS says when there is simply nothing, as opposed to no answer. */
const NOTHING = new Set(['ENODATA', 'ENOTFOUND']);

/** Asks DNS: the machine's own resolver, or the server named by DNS_SERVER. */
@Injectable()
export class NameResolver {
  private readonly server: string | undefined;

  constructor(config: AppConfig) {
    this.server = config.DNS_SERVER;
  }

  /** All addresses of a host, IPv4 first; empty when it has none. @throws the resolver's error when there is no answer */
  async addressesOf(host: string): Promise<string[]> {
    if (this.server === undefined) {
      const found = await orNone(lookup(host, { all: true, order: 'ipv4first' }));
      return found.map(({ address }) => address);
    }
    const resolver = this.open();
    const [v4, v6] = await Promise.all([orNone(resolver.resolve4(host)), orNone(resolver.resolve6(host))]);
    return [...v4, ...v6];
  }

  /** The TXT records of a name, each put together; empty when it has none. @throws as addressesOf */
  async textsOf(name: string): Promise<string[]> {
    const records = await orNone(this.open().resolveTxt(name));
    return records.map((parts) => parts.join(''));
  }

  private open(): Resolver {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (this.server !== undefined) resolver.setServers([this.server]);
    return resolver;
  }
}

async function orNone<Record>(work: Promise<Record[]>): Promise<Record[]> {
  try {
    return await work;
  } catch (error) {
    if (NOTHING.has((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
