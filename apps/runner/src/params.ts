import { isIP } from 'node:net';
import { isAbsolute, normalize, sep } from 'node:path';
import { DomainError } from '#kernel';
import type { CheckOut, CheckOutSource } from '#repos';

const OID = /^[0-9a-f]{40}$/;
const QUARANTINE = /^incoming-[0-9a-f]{24}$/;

/**
 * Reads the parameters of a call. The server is trusted, yet nothing it passes may become an option of git or a path
 * outside the root: a mistake there must not turn into a command.
 */
export class ParamReader {
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(
    values: unknown,
    private readonly root: string,
    private readonly workspaces: string | null = null,
  ) {
    if (typeof values !== 'object' || values === null) throw invalid('params');
    this.values = values as Record<string, unknown>;
  }

  repo(): string {
    return below(this.root, this.values['repo'], 'repo');
  }

  /** Everything `check-out` is told. What becomes an argument of git can be no option of it. */
  checkOut(): CheckOut {
    const { target, source, author } = this.values as unknown as CheckOut;
    if (this.workspaces === null) throw invalid('target');
    if (typeof author?.name !== 'string' || typeof author.email !== 'string') throw invalid('author');
    return {
      target: below(this.workspaces, target, 'target'),
      source: source === null ? null : this.source(source),
      origin: this.values['origin'] === null ? null : webAddress(this.values['origin'], 'origin'),
      branch: this.branch('branch'),
      newBranch: this.branch('newBranch'),
      author: { name: author.name, email: author.email },
      maxBytes: this.count('maxBytes'),
      maxFiles: this.count('maxFiles'),
      seconds: this.count('seconds'),
    };
  }

  private source(source: CheckOutSource): CheckOutSource {
    if (source.kind === 'hosted') return { kind: 'hosted', repo: below(this.root, source.repo, 'source') };
    const { addresses } = source;
    if (!Array.isArray(addresses) || addresses.length === 0 || !addresses.every((address) => isIP(address) !== 0))
      throw invalid('addresses');
    const url = webAddress(source.url, 'source');
    if (new URL(url).protocol !== 'https:') throw invalid('source');
    return { kind: 'remote', url, addresses };
  }

  private branch(name: string): string | null {
    const value = this.values[name];
    if (value === null) return null;
    if (typeof value !== 'string' || !/^[^-\s\0:^~?*[\\][^\s\0:^~?*[\\]{0,250}$/.test(value)) throw invalid(name);
    return value;
  }

  oid(name: string): string {
    const value = this.values[name];
    if (typeof value !== 'string' || !OID.test(value)) throw invalid(name);
    return value;
  }

  oids(name: string): readonly string[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every((oid) => typeof oid === 'string' && OID.test(oid))) throw invalid(name);
    return value as string[];
  }

  flag(name: string): boolean {
    const value = this.values[name];
    if (typeof value !== 'boolean') throw invalid(name);
    return value;
  }

  count(name: string): number {
    const value = this.values[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid(name);
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const found = allowed.find((choice) => choice === this.values[name]);
    if (found === undefined) throw invalid(name);
    return found;
  }

  protocol(): string | null {
    const value = this.values['protocol'];
    return typeof value === 'string' && /^[\w=:.-]{1,64}$/.test(value) ? value : null;
  }

  quarantine(): string | null {
    const value = this.values['quarantine'];
    if (value === null) return null;
    if (typeof value !== 'string' || !QUARANTINE.test(value)) throw invalid('quarantine');
    return value;
  }
}

function below(root: string, path: unknown, field: string): string {
  const isInside =
    typeof path === 'string' &&
    isAbsolute(path) &&
    !path.includes('\0') &&
    normalize(path) === path &&
    path.startsWith(root.endsWith(sep) ? root : root + sep);
  if (!isInside) throw invalid(field);
  return path;
}

function webAddress(text: unknown, field: string): string {
  if (typeof text !== 'string' || !URL.canParse(text)) throw invalid(field);
  const { protocol, username, password, href } = new URL(text);
  if (!['https:', 'http:'].includes(protocol) || username !== '' || password !== '') throw invalid(field);
  return href;
}

function invalid(field: string): DomainError {
  return new DomainError('invalid_input', `Invalid ${field}`, { field });
}
