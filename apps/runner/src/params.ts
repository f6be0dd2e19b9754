import { isAbsolute, normalize, sep } from 'node:path';
import { DomainError } from '#kernel';

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
  ) {
    if (typeof values !== 'object' || values === null) throw invalid('params');
    this.values = values as Record<string, unknown>;
  }

  repo(): string {
    const path = this.values['repo'];
    const inRoot =
      typeof path === 'string' &&
      isAbsolute(path) &&
      !path.includes('\0') &&
      normalize(path) === path &&
      path.startsWith(this.root.endsWith(sep) ? this.root : this.root + sep);
    if (!inRoot) throw invalid('repo');
    return path;
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

function invalid(field: string): DomainError {
  return new DomainError('invalid_input', `Invalid ${field}`, { field });
}
