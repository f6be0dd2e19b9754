const ENTRY = /^(\*\.)?([a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)(?::(\d{1,5}))?$/;
const HTTPS = 443;

interface Entry {
  readonly host: string;
  readonly isSuffix: boolean;
  readonly port: number;
}

/** The hosts that sandboxes may reach: by name, or all below a domain (`*.example.com`), each at one port. */
export class EgressHosts {
  private readonly entries: readonly Entry[];

  /** @param setting comma-separated; https unless an entry names a port. @throws Error naming the entry that is none */
  constructor(setting: string) {
    this.entries = setting
      .split(',')
      .map((part) => part.trim().toLowerCase())
      .filter((part) => part !== '')
      .map(toEntry);
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** As the setting names them. */
  get names(): string[] {
    return this.entries.map(
      ({ host, isSuffix, port }) => `${isSuffix ? '*.' : ''}${host}${port === HTTPS ? '' : `:${port}`}`,
    );
  }

  /** `host` as `toHost` gives it. */
  allows(host: string, port: number): boolean {
    return this.entries.some(
      (entry) => entry.port === port && (entry.isSuffix ? host.endsWith(`.${entry.host}`) : host === entry.host),
    );
  }
}

function toEntry(text: string): Entry {
  const [, star, host, port] = ENTRY.exec(text) ?? [];
  if (host === undefined || Number(port ?? HTTPS) > 65_535) throw new Error(`is no host: ${text}`);
  return { host, isSuffix: star !== undefined, port: Number(port ?? HTTPS) };
}

/** Where a CONNECT request wants to go; null for what is no host with a port. */
export function toTarget(authority: string): { readonly host: string; readonly port: number } | null {
  const [, host, port] = /^([a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?)\.?:(\d{1,5})$/i.exec(authority) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return null;
  return { host: host.toLowerCase(), port: Number(port) };
}
