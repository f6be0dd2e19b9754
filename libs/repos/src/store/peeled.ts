import { DomainError } from '#kernel';
import { parseCommit, parseTagTarget } from './commit.js';
import { CorruptObjectError, readRequired } from './git-object.js';
import type { ObjectType } from './git-object.js';
import type { ObjectStore } from './object-store.js';
import { isTreeMode, MODE_TREE, pathComponents } from './tree.js';

const MAX_TAG_CHAIN = 32;

export interface Peeled {
  /** Type of the object itself. */
  readonly type: ObjectType;
  /** The first object that is not a tag. */
  readonly peeled: string;
  readonly peeledType: Exclude<ObjectType, 'tag'>;
}

/** Follows annotated tags to what they mean; null when `oid` does not exist. */
export function peelObject(store: ObjectStore, oid: string): Peeled | null {
  const first = store.info(oid);
  if (first === null) return null;
  let at = oid;
  let { type } = first;
  for (let depth = 0; type === 'tag'; depth += 1) {
    if (depth === MAX_TAG_CHAIN) throw new CorruptObjectError('tag chain');
    at = parseTagTarget(readRequired(store, at, 'tag')).oid;
    const next = store.info(at);
    if (next === null) throw new CorruptObjectError(`tagged object ${at} is missing`);
    ({ type } = next);
  }
  return { type: first.type, peeled: at, peeledType: type };
}

/** The root tree of a commit, of a tag of one, or a tree itself. Throws not_found or invalid_input. */
export function treeOf(store: ObjectStore, treeish: string): string {
  const target = peelObject(store, treeish);
  if (target === null) throw new DomainError('not_found', 'Object not found');
  if (target.peeledType === 'tree') return target.peeled;
  if (target.peeledType === 'blob') throw new DomainError('invalid_input', 'Object is not a commit');
  return parseCommit(readRequired(store, target.peeled, 'commit')).tree;
}

export interface PathEntry {
  readonly mode: number;
  readonly oid: string;
}

/**
 * The entry at `path` (UTF-8, '' for the root) below `rootTree`; or what stands in its way: `depth` counts the
 * components that exist, `blocker` is the file found where a directory was needed.
 */
export function walkPath(
  store: ObjectStore,
  rootTree: string,
  path: string,
): { readonly entry: PathEntry } | { readonly depth: number; readonly blocker: PathEntry | null } {
  let entry: PathEntry = { mode: MODE_TREE, oid: rootTree };
  const names = pathComponents(path);
  for (const [depth, name] of names.entries()) {
    if (!isTreeMode(entry.mode)) return { depth, blocker: entry };
    const tree = store.tree(entry.oid);
    const at = tree.find(name);
    if (at < 0) return { depth, blocker: null };
    entry = { mode: tree.mode(at), oid: tree.oid(at) };
  }
  return { entry };
}

/** The entry at `path` below `rootTree`, or null. */
export function entryAt(store: ObjectStore, rootTree: string, path: string): PathEntry | null {
  const found = walkPath(store, rootTree, path);
  return 'entry' in found ? found.entry : null;
}
