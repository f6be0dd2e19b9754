import { type FileAccess, OWN_DIRECTORIES } from './file-access.js';

/**
 * What a sandbox may do with a path. `ancestor`: a directory on the way to something in scope, of which only that way is
 * shown. `none`: the path does not exist for the sandbox.
 */
export type AccessMode = 'write' | 'read' | 'ancestor' | 'none';

/** Whose scope it is before there is a sandbox: one without an own directory. */
export const NOBODY = '';

/** A path below the workspace, name by name; empty for the workspace itself. */
export type WorkspacePath = readonly string[];

/**
 * The one answer to "may this sandbox touch that path", asked by the mounts and by the file API alike, so that they
 * cannot drift (sandbox-sessions.md §B5.4). Names only: links are the business of whoever opens the path.
 */
export class AccessScope {
  private readonly readable: PathTree;
  private readonly writable: PathTree;

  constructor(
    readonly sandboxId: string,
    readonly access: FileAccess,
  ) {
    this.readable = new PathTree(access.read);
    this.writable = new PathTree(access.write);
  }

  /** `.sessions/<id>`: always there, always writable, never anyone else's. */
  get ownDirectory(): WorkspacePath {
    return [OWN_DIRECTORIES, this.sandboxId];
  }

  modeOf(path: WorkspacePath): AccessMode {
    if (path[0] === OWN_DIRECTORIES) return this.modeBesideOthers(path);
    if (this.writable.covers(path)) return 'write';
    if (this.readable.covers(path)) return 'read';
    return path.length === 0 || this.readable.leadsThrough(path) ? 'ancestor' : 'none';
  }

  /** Whether a listing of `directory` shows `name`. */
  shows(directory: WorkspacePath, name: string): boolean {
    return this.modeOf([...directory, name]) !== 'none';
  }

  private modeBesideOthers(path: WorkspacePath): AccessMode {
    if (path.length === 1) return 'ancestor';
    return path[1] === this.sandboxId ? 'write' : 'none';
  }
}

/** A set of paths that answers for their descendants and ancestors by whole names: `p1` says nothing of `p10`. */
class PathTree {
  private readonly root: Node;

  constructor(paths: readonly string[]) {
    this.root = { isEntry: paths.includes(''), children: new Map() };
    for (const path of paths) if (path !== '') this.add(path.split('/'));
  }

  /** Whether the path is an entry or lies inside one. */
  covers(path: WorkspacePath): boolean {
    let node: Node | undefined = this.root;
    for (const name of path) {
      if (node.isEntry) return true;
      node = node.children.get(name);
      if (!node) return false;
    }
    return node.isEntry;
  }

  /** Whether an entry lies inside the path. */
  leadsThrough(path: WorkspacePath): boolean {
    let node: Node | undefined = this.root;
    for (const name of path) {
      node = node.children.get(name);
      if (!node) return false;
    }
    return true;
  }

  private add(path: WorkspacePath): void {
    let node = this.root;
    for (const name of path) {
      const next: Node = node.children.get(name) ?? { isEntry: false, children: new Map() };
      node.children.set(name, next);
      node = next;
    }
    node.isEntry = true;
  }
}

interface Node {
  isEntry: boolean;
  readonly children: Map<string, Node>;
}
