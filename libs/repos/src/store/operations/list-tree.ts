import type { ObjectStore } from '../object-store.js';
import { accessor } from '../operation.js';
import { entryAt, treeOf } from '../peeled.js';
import { displayName, isTreeMode } from '../tree.js';

export interface ListTreeInput {
  readonly treeish: string;
  /** Directory to list, '' for the root. */
  readonly path: string;
  readonly recursive: boolean;
  /** Most entries to return. */
  readonly cap: number;
}

export interface ListedEntry {
  readonly name: string;
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly sha: string;
  /** Octal digits as stored, e.g. `100644`, `40000`. */
  readonly mode: string;
}

export interface TreeListing {
  readonly treeSha: string;
  readonly entries: ListedEntry[];
  readonly truncated: boolean;
}

/** A directory's entries, folders before their content when recursive; null for a missing path or a file. */
export const listTree = accessor(({ store }, input: ListTreeInput): TreeListing | null => {
  const objects = store();
  const folder = entryAt(objects, treeOf(objects, input.treeish), input.path);
  if (folder === null || !isTreeMode(folder.mode)) return null;
  const entries: ListedEntry[] = [];
  const prefix = input.path === '' ? '' : `${input.path}/`;
  const complete = collect(objects, folder.oid, prefix, input, entries);
  return { treeSha: folder.oid, entries, truncated: !complete };
});

/** Appends the entries of `treeSha`; false when the cap cut them short. */
function collect(
  store: ObjectStore,
  treeSha: string,
  prefix: string,
  input: ListTreeInput,
  into: ListedEntry[],
): boolean {
  const tree = store.tree(treeSha);
  for (let i = 0; i < tree.count; i += 1) {
    if (into.length >= input.cap) return false;
    const name = displayName(tree.name(i));
    const sha = tree.oid(i);
    const isFolder = isTreeMode(tree.mode(i));
    const path = prefix + name;
    into.push({ name, path, type: isFolder ? 'folder' : 'file', sha, mode: tree.modeText(i) });
    if (isFolder && input.recursive && !collect(store, sha, `${path}/`, input, into)) return false;
  }
  return true;
}
