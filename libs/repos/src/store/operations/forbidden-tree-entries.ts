import { DomainError } from '#kernel';
import { readRequired } from '../git-object.js';
import { accessor } from '../operation.js';
import { displayName, Tree } from '../tree.js';
import { forbiddenComponent } from '../../path-rules.js';

export interface ForbiddenEntriesInput {
  /** Object directory with the pushed objects, not yet part of the repository. */
  readonly quarantineDir: string;
  /** Objects already examined by earlier calls. */
  readonly from: number;
}

export interface ForbiddenEntry {
  readonly tree: string;
  readonly name: string;
  readonly reason: string;
}

export interface ForbiddenEntriesPage {
  readonly found: ForbiddenEntry[];
  /** Where the next call continues, or null at the end. */
  readonly next: number | null;
}

/** How long one call may hold its worker. */
const SLICE_MS = 25;
const MAX_FOUND = 20;

/** One slice of the search for refused names among the trees of a quarantine directory. */
export const forbiddenTreeEntries = accessor(
  ({ dir, stores }, { quarantineDir, from }: ForbiddenEntriesInput): ForbiddenEntriesPage => {
    const store = stores.openWithQuarantine(dir, quarantineDir);
    try {
      const found: ForbiddenEntry[] = [];
      const deadline = performance.now() + SLICE_MS;
      let position = 0;
      for (const oid of store.quarantinedOids()) {
        if (position++ < from) continue;
        const info = store.info(oid);
        if (info === null) throw new DomainError('internal', 'Quarantined object vanished');
        if (info.type === 'tree') found.push(...refusedIn(oid, new Tree(readRequired(store, oid, 'tree'))));
        if (found.length >= MAX_FOUND) return { found: found.slice(0, MAX_FOUND), next: null };
        if (performance.now() > deadline) return { found, next: position };
      }
      return { found, next: null };
    } finally {
      store.close();
    }
  },
);

function refusedIn(tree: string, content: Tree): ForbiddenEntry[] {
  const refused: ForbiddenEntry[] = [];
  for (let i = 0; i < content.count; i += 1) {
    const reason = forbiddenComponent(content.nameBytes(i));
    if (reason !== null) refused.push({ tree, name: displayName(content.name(i)), reason });
  }
  return refused;
}
