import { DomainError } from '#kernel';
import { illFormedAt, nulAt } from '#platform';

/** What a client keeps with its session, and what agents and tools tell of their progress. */
export type Metadata = Readonly<Record<string, unknown>>;

const MAX_BYTES = 65_536;

/** Errors: `invalid_input` for what is no object, cannot be stored, or is too large. */
export function toMetadata(input: unknown): Metadata {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw refused('must be an object');
  const text = JSON.stringify(input);
  const bad = nulAt(input) ?? illFormedAt(text, input);
  if (bad !== null) throw refused('must not contain NUL, nor half of a character', bad);
  if (Buffer.byteLength(text) > MAX_BYTES) throw refused(`must have at most ${MAX_BYTES} bytes of JSON`);
  return input as Metadata;
}

/** With the members of `change` in place of its own; null takes one away. Errors: `invalid_input` when it grows too large. */
export function changedMetadata(metadata: Metadata, change: Metadata): Metadata {
  return toMetadata(
    Object.fromEntries(Object.entries({ ...metadata, ...change }).filter(([name]) => change[name] !== null)),
  );
}

function refused(rule: string, path: readonly (string | number)[] = []): DomainError {
  const field = ['metadata', ...path].join('.').replaceAll('\0', '').slice(0, 200);
  return new DomainError('invalid_input', `${field} ${rule}`, { field });
}
