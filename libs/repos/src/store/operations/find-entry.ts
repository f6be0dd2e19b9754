import { CorruptObjectError } from '../git-object.js';
import type { ObjectType } from '../git-object.js';
import { accessor } from '../operation.js';
import { entryAt, treeOf } from '../peeled.js';
import { isTreeMode, MODE_SUBMODULE } from '../tree.js';

export interface FoundEntry {
  readonly mode: number;
  readonly oid: string;
  /** `commit` for a submodule, whose commit lives elsewhere. */
  readonly type: ObjectType;
  /** Bytes of a blob; null for directories and submodules. */
  readonly size: number | null;
}

/** The file, link, submodule or directory ('' is the root) at `path`, or null. */
export const findEntry = accessor(
  ({ store }, input: { readonly treeish: string; readonly path: string }): FoundEntry | null => {
    const objects = store();
    const entry = entryAt(objects, treeOf(objects, input.treeish), input.path);
    if (entry === null) return null;
    if (isTreeMode(entry.mode)) return { ...entry, type: 'tree', size: null };
    if (entry.mode === MODE_SUBMODULE) return { ...entry, type: 'commit', size: null };
    const info = objects.info(entry.oid);
    if (info === null) throw new CorruptObjectError(`blob ${entry.oid} is missing`);
    return { ...entry, type: info.type, size: info.size };
  },
);
