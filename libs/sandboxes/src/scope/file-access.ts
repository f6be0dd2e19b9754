import { DomainError } from '#kernel';

/**
 * Which parts of a workspace a sandbox may read and write: workspace-relative directories or files, `''` for all of it.
 * Normalised: no entry lies inside another one of its list, and `read` covers what `write` does.
 */
export interface FileAccess {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export const WHOLE_WORKSPACE: FileAccess = { read: [''], write: [''] };

/** Where every sandbox has a directory of its own, `.sessions/<id>`, which only it ever sees. */
export const OWN_DIRECTORIES = '.sessions';

const MAX_ENTRIES = 100;
const MAX_PATH_BYTES = 4096;
const MAX_COMPONENT_BYTES = 255;

const UNPRINTABLE = /[\u0000-\u001f\u007f\\]/;

/**
 * `file_access` as it takes effect (sandbox-sessions.md §B5.3). A list that is left out is empty when the other one is
 * given: nothing is ever opened by omission. Errors: `invalid_input` naming the entry.
 */
export function toFileAccess(input: unknown): FileAccess {
  if (input === undefined || input === null) return WHOLE_WORKSPACE;
  if (typeof input !== 'object' || Array.isArray(input)) throw refused('file_access', 'must be an object');
  const unknown = Object.keys(input).find((name) => name !== 'read' && name !== 'write');
  if (unknown !== undefined) throw refused('file_access', `has no member '${unknown.slice(0, 100)}'`);
  const { read, write } = input as { read?: unknown; write?: unknown };
  if (read === undefined && write === undefined) return WHOLE_WORKSPACE;
  return normalised(toEntries(read, 'file_access.read'), toEntries(write, 'file_access.write'));
}

/** The scope of these entries, each of them normalised: without those that others cover. */
export function normalised(read: readonly string[], write: readonly string[]): FileAccess {
  return { read: collapsed([...read, ...write]), write: collapsed(write) };
}

function toEntries(list: unknown, field: string): string[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw refused(field, 'must be an array of paths');
  if (list.length > MAX_ENTRIES) throw refused(field, `must have at most ${MAX_ENTRIES} entries`);
  return list.map((entry: unknown, index) => toEntry(entry, `${field}.${index}`));
}

function toEntry(entry: unknown, field: string): string {
  if (typeof entry !== 'string') throw refused(field, 'must be a string');
  if (entry === '') return '';
  if (entry.startsWith('/')) throw refused(field, 'must be relative to the workspace, without a leading slash');
  if (UNPRINTABLE.test(entry)) throw refused(field, 'must not contain control characters or back-slashes');
  if (Buffer.byteLength(entry) > MAX_PATH_BYTES) throw refused(field, `must have at most ${MAX_PATH_BYTES} bytes`);
  const names = entry.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length === 0) throw refused(field, 'must name a path; the whole workspace is the empty string');
  if (names.includes('..')) throw refused(field, "must not contain '..'");
  if (names.some((name) => Buffer.byteLength(name) > MAX_COMPONENT_BYTES))
    throw refused(field, `must not have a name of more than ${MAX_COMPONENT_BYTES} bytes`);
  if (names[0] === OWN_DIRECTORIES) throw refused(field, `must not name ${OWN_DIRECTORIES}: it holds other sessions`);
  return names.join('/');
}

/** Without entries that lie inside another one, in the order they were first named. */
function collapsed(entries: readonly string[]): string[] {
  const all = new Set(entries);
  const isCovered = (entry: string): boolean => {
    if (entry === '') return false;
    if (all.has('')) return true;
    const names = entry.split('/');
    return names.some((_, depth) => depth > 0 && all.has(names.slice(0, depth).join('/')));
  };
  return [...all].filter((entry) => !isCovered(entry));
}

function refused(field: string, rule: string): DomainError {
  return new DomainError('invalid_input', `${field} ${rule}`, { field });
}
