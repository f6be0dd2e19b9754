import { DomainError } from '#kernel';
import { EMPTY_TREE } from './oid.js';
import type { PackWriter } from './pack-writer.js';
import { compareKeys, isTreeMode, MODE_TREE, pathComponents, serialiseEntry, sortKey } from './tree.js';
import type { Tree, TreeReader } from './tree.js';

interface Leaf {
  readonly mode: number;
  readonly oid: string;
}

/** One touched directory: its stored bytes plus what changed. */
interface Folder {
  readonly stored: Tree | null;
  /** New or replaced files; null marks a removed entry. */
  readonly edits: Map<string, Leaf | null>;
  /** Subdirectories looked into for writing. */
  readonly folders: Map<string, Folder>;
  /** Id while nothing below changed. */
  readonly oid: string;
  /** Entries left, so that an emptied directory is noticed without counting. */
  entries: number;
  changed: boolean;
}

/** A piece of a rewritten directory: skip `skip` stored bytes at `at`, and put `insert` there. */
interface Splice {
  readonly at: number;
  readonly skip: number;
  readonly key: string;
  readonly insert: Buffer | null;
}

/**
 * Edits a directory tree by paths and writes only the directories that changed. Paths are slash-separated UTF-8 text
 * and already validated; conflicts between files and directories are refused here.
 */
export class TreeEditor {
  private readonly root: Folder;

  /** `reader` may be the PackWriter itself, so that commits not yet on disk can be built upon. */
  constructor(
    private readonly reader: TreeReader,
    rootTree: string | null,
  ) {
    this.root = rootTree === null ? newFolder() : this.load(rootTree);
  }

  /** The file, link, submodule or directory at `path`. `oid` is '' for a directory changed by this editor. */
  find(path: string): { mode: number; oid: string } | null {
    const names = pathComponents(path);
    const name = names.pop();
    if (name === undefined) return { mode: MODE_TREE, oid: this.root.changed ? '' : this.root.oid };
    let folder: Folder | null = this.root;
    for (const step of names) {
      folder = this.subfolder(folder, step);
      if (folder === null) return null;
    }
    return this.lookUp(folder, name);
  }

  /** Creates or replaces a file, link or submodule and the directories above it. */
  put(path: string, mode: number, oid: string): void {
    const names = pathComponents(path);
    const name = names.pop();
    if (name === undefined) throw conflict(path);
    const trail = [this.root];
    let folder = this.root;
    for (const step of names) {
      folder = this.subfolder(folder, step) ?? this.createFolder(folder, step, path);
      trail.push(folder);
    }
    const present = this.lookUp(folder, name);
    if (present !== null && isTreeMode(present.mode)) throw conflict(path);
    if (present === null) folder.entries += 1;
    folder.edits.set(name, { mode, oid });
    for (const touched of trail) touched.changed = true;
  }

  /** Removes a file, link or submodule, and the directories that became empty. False if there is none. */
  remove(path: string): boolean {
    const names = pathComponents(path);
    const name = names.pop();
    if (name === undefined) return false;
    const trail = [this.root];
    let folder: Folder | null = this.root;
    for (const step of names) {
      folder = this.subfolder(folder, step);
      if (folder === null) return false;
      trail.push(folder);
    }
    const present = this.lookUp(folder, name);
    if (present === null || isTreeMode(present.mode)) return false;
    folder.edits.set(name, null);
    folder.entries -= 1;
    for (const touched of trail) touched.changed = true;
    for (let depth = names.length; depth > 0 && trail[depth]?.entries === 0; depth -= 1) {
      const parent = trail[depth - 1] as Folder;
      const emptied = names[depth - 1] as string;
      parent.folders.delete(emptied);
      parent.edits.set(emptied, null);
      parent.entries -= 1;
    }
    return true;
  }

  /** Adds every changed directory to `pack` and returns the id of the root. */
  write(pack: PackWriter): string {
    // A repository that begins with no file at all has its empty tree nowhere yet.
    return this.root.changed || this.root.stored === null ? this.writeFolder(this.root, pack) : this.root.oid;
  }

  private writeFolder(folder: Folder, pack: PackWriter): string {
    const inserts = new Map<string, Leaf | null>(folder.edits);
    for (const [name, below] of folder.folders) {
      if (below.changed) inserts.set(name, { mode: MODE_TREE, oid: this.writeFolder(below, pack) });
    }
    return pack.add('tree', folder.stored === null ? fromScratch(inserts) : rewrite(folder.stored, inserts));
  }

  private lookUp(folder: Folder, name: string): Leaf | null {
    const below = folder.folders.get(name);
    if (below !== undefined) return { mode: MODE_TREE, oid: below.changed ? '' : below.oid };
    const edit = folder.edits.get(name);
    if (edit !== undefined) return edit;
    const at = folder.stored?.find(name) ?? -1;
    return at < 0 || folder.stored === null ? null : { mode: folder.stored.mode(at), oid: folder.stored.oid(at) };
  }

  /** The directory `name`, loaded once; null when it is absent or not a directory. */
  private subfolder(folder: Folder, name: string): Folder | null {
    const known = folder.folders.get(name);
    if (known !== undefined) return known;
    const entry = this.lookUp(folder, name);
    if (entry === null || !isTreeMode(entry.mode)) return null;
    const loaded = this.load(entry.oid);
    folder.folders.set(name, loaded);
    return loaded;
  }

  private createFolder(parent: Folder, name: string, path: string): Folder {
    if (this.lookUp(parent, name) !== null) throw conflict(path);
    const created = newFolder();
    // A removed file of this name stays removed in `edits`; the directory written later overrides it by name.
    parent.folders.set(name, created);
    parent.entries += 1;
    return created;
  }

  private load(oid: string): Folder {
    const stored = this.reader.tree(oid);
    return { stored, edits: new Map(), folders: new Map(), oid, entries: stored.count, changed: false };
  }
}

function newFolder(): Folder {
  return { stored: null, edits: new Map(), folders: new Map(), oid: EMPTY_TREE, entries: 0, changed: false };
}

function conflict(path: string): DomainError {
  return new DomainError('unprocessable', `Path conflicts with an existing file or directory: ${path}`, {
    field: 'changes',
  });
}

function fromScratch(inserts: ReadonlyMap<string, Leaf | null>): Buffer {
  const entries = [...inserts].flatMap(([name, leaf]) => (leaf === null ? [] : [{ name, ...leaf }]));
  return serialiseSorted(entries);
}

function serialiseSorted(entries: { name: string; mode: number; oid: string }[]): Buffer {
  entries.sort((a, b) => compareKeys(sortKey(a.name, a.mode), sortKey(b.name, b.mode)));
  return Buffer.concat(entries.map(serialiseEntry));
}

/** The stored directory with `changes` applied, copying the untouched stretches between them as they are. */
function rewrite(stored: Tree, changes: ReadonlyMap<string, Leaf | null>): Buffer {
  if (!stored.isSorted()) {
    const kept = [...stored.entries()].filter((entry) => !changes.has(entry.name));
    const added = [...changes].flatMap(([name, leaf]) => (leaf === null ? [] : [{ name, ...leaf }]));
    return serialiseSorted([...kept, ...added]);
  }
  const splices: Splice[] = [];
  for (const [name, leaf] of changes) {
    const present = stored.find(name);
    if (present >= 0) {
      const at = stored.startOf(present);
      const key = sortKey(name, stored.mode(present));
      splices.push({ at, skip: stored.startOf(present + 1) - at, key, insert: null });
    }
    if (leaf !== null) {
      const key = sortKey(name, leaf.mode);
      splices.push({
        at: stored.startOf(stored.lowerBound(key)),
        skip: 0,
        key,
        insert: serialiseEntry({ name, ...leaf }),
      });
    }
  }
  // Insertions before an entry sort below its key, an insertion replacing it has the same key and comes first.
  splices.sort((a, b) => a.at - b.at || compareKeys(a.key, b.key) || a.skip - b.skip);
  const parts: Buffer[] = [];
  let copied = 0;
  for (const { at, skip, insert } of splices) {
    if (at > copied) parts.push(stored.raw.subarray(copied, at));
    if (insert !== null) parts.push(insert);
    copied = Math.max(copied, at + skip);
  }
  parts.push(stored.raw.subarray(copied));
  return Buffer.concat(parts);
}
