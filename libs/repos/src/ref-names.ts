/** Longest short name, in characters (contract 4.6). */
export const MAX_NAME = 256;
/** A ref is a file in the bare repository and git locks it as `<name>.lock`, so 255 bytes less that suffix. */
const MAX_COMPONENT_BYTES = 250;

const KINDS = ['refs/heads/', 'refs/tags/'] as const;

/** Whether `name` may be a branch: short form, contract 4.6 and `git check-ref-format --branch`. */
export function isValidBranchName(name: string): boolean {
  return isValidShortName(name) && name !== 'HEAD';
}

/** Whether `full` names a branch (`refs/heads/…`) or tag (`refs/tags/…`) this server would store. */
export function isValidRefName(full: string): boolean {
  if (full.startsWith('refs/heads/')) return isValidBranchName(full.slice('refs/heads/'.length));
  if (full.startsWith('refs/tags/')) return isValidShortName(full.slice('refs/tags/'.length));
  return false;
}

/** The names that, if they are refs, make `name` impossible: `refs/heads/a/b/c` → `refs/heads/a/b`, `refs/heads/a`. */
export function refParents(name: string): string[] {
  const kind = KINDS.find((prefix) => name.startsWith(prefix)) ?? '';
  const parts = name.slice(kind.length).split('/');
  const parents: string[] = [];
  for (let count = parts.length - 1; count > 0; count -= 1) parents.push(kind + parts.slice(0, count).join('/'));
  return parents;
}

/** The prefix of all refs that make `name` impossible because they live below it. */
export function refChildPrefix(name: string): string {
  return `${name}/`;
}

/** The first of `existing` that clashes with `name` as file against directory, or null. Equal names do not clash. */
export function conflictingRef(existing: Iterable<string>, name: string): string | null {
  const parents = new Set(refParents(name));
  const below = refChildPrefix(name);
  for (const other of existing) if (parents.has(other) || other.startsWith(below)) return other;
  return null;
}

function isValidShortName(name: string): boolean {
  if (name === '' || name.length > MAX_NAME || !name.isWellFormed() || name.startsWith('-')) return false;
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{/.test(name)) return false;
  return !name.endsWith('.') && name.split('/').every(isValidComponent);
}

function isValidComponent(component: string): boolean {
  return (
    component !== '' &&
    !component.startsWith('.') &&
    !component.endsWith('.lock') &&
    Buffer.byteLength(component) <= MAX_COMPONENT_BYTES
  );
}
