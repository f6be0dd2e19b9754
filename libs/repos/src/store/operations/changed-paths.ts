import type { ObjectStore } from '../object-store.js';
import { accessor } from '../operation.js';
import { treeOf, walkPath } from '../peeled.js';

export interface ChangedPathsInput {
  readonly oldCommit: string;
  readonly newCommit: string;
  readonly paths: readonly string[];
}

/**
 * Which of `paths` mean something else in `newCommit` than in `oldCommit`: another file or mode, appeared, vanished,
 * turned into a directory, changed below, or newly blocked by a file where a parent directory belongs.
 */
export const changedPaths = accessor(({ store }, input: ChangedPathsInput): string[] => {
  const objects = store();
  const before = treeOf(objects, input.oldCommit);
  const after = treeOf(objects, input.newCommit);
  if (before === after) return [];
  return input.paths.filter((path) => stateOf(objects, before, path) !== stateOf(objects, after, path));
});

function stateOf(store: ObjectStore, root: string, path: string): string {
  const found = walkPath(store, root, path);
  if ('entry' in found) return `${found.entry.mode} ${found.entry.oid}`;
  // How many parents exist does not matter to a writer: directories come and go with their files. A file in the way does.
  return found.blocker === null ? 'absent' : `blocked at ${found.depth}`;
}
