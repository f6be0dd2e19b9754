import { DomainError } from '#kernel';

/** Hosts that sandboxes may clone from. */
export class CloneHosts {
  private readonly hosts: ReadonlySet<string>;

  /** `setting` is a list with commas, of hosts with the port unless it is that of https; `own` is where this server's repositories are. */
  constructor(
    setting: string,
    private readonly own: string,
  ) {
    this.hosts = new Set(setting.split(',').map((host) => host.trim().toLowerCase().replace(/:443$/, '')));
  }

  /**
   * The address in its usual form. https only, except to this server itself; never with a password in it, nor with
   * anything git would take for an option. Errors: `invalid_input`.
   */
  check(text: string, field: string): string {
    const refused = (rule: string): DomainError =>
      new DomainError('invalid_input', `Invalid clone URL: ${rule}`, { field });
    if (text.length > 2_000 || !URL.canParse(text)) throw refused('not a URL');
    const url = new URL(text);
    if (url.username !== '' || url.password !== '') throw refused('it must not hold credentials');
    if (url.search !== '' || url.hash !== '') throw refused('it must not have a query or a fragment');
    const names = url.pathname.split('/').filter((name) => name !== '').length;
    if (names < (url.hostname === 'github.com' ? 2 : 1)) throw refused('it names no repository');
    if (url.origin === new URL(this.own).origin) return url.href;
    if (url.protocol !== 'https:') throw refused('it must begin with https://');
    if (!this.hosts.has(url.host)) throw refused(`sandboxes may not clone from ${url.host}`);
    return url.href;
  }
}
