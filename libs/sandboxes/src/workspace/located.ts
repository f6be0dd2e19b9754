import type { BigIntStats } from 'node:fs';
import { DomainError } from '#kernel';
import type { AccessScope } from '../scope/access-scope.js';
import { type AccessMode, type WorkspacePath } from '../scope/access-scope.js';
import { notInScope } from '../scope/requested-path.js';
import type { Directory } from './directory.js';

/** Where the workspace is inside a sandbox: links to absolute paths below it are links inside it. */
export const WORKSPACE_INSIDE = '/opt/sandbox/workspace';

/** As many as the kernel follows. */
const MAX_LINKS = 40;

/** A path whose links were all followed, inside the scope at every step. */
export interface Located {
  readonly path: WorkspacePath;
  readonly mode: AccessMode;
  /** The directory it is in; the workspace itself is in none. */
  readonly parent: Directory | null;
  /** What is there, never a link; null when nothing is. */
  readonly stat: BigIntStats | null;
}

export interface LocateOptions {
  /** As the client named it, for what is said of it. */
  readonly requested: string;
  /** Make the directories on the way, where that is in scope. */
  readonly makeParents?: boolean;
  /** The last name itself is meant, link or not. */
  readonly keepLast?: boolean;
  /** What is missing on the way is taken as it is named: only the path is asked for. */
  readonly mayBeMissing?: boolean;
}

/**
 * Walks from the workspace to a path, name by name, each opened relative to the one before without following links;
 * links are followed here, each new way judged like the first. Gives what was found to `use` and closes it after.
 * Errors: `forbidden` (`not_in_scope`) as soon as a step leaves the scope, whether anything is there or not;
 * `not_found` for a missing directory on the way; `conflict` for a file on the way.
 */
export async function locate<Result>(
  root: Directory,
  scope: AccessScope,
  wanted: WorkspacePath,
  options: LocateOptions,
  use: (located: Located) => Promise<Result>,
): Promise<Result> {
  const walk = new Walk(root, scope, options);
  try {
    return await use(await walk.to(wanted));
  } finally {
    await walk.close();
  }
}

class Walk {
  private directory: Directory | null = null;
  private links = 0;

  constructor(
    private readonly root: Directory,
    private readonly scope: AccessScope,
    private readonly options: LocateOptions,
  ) {}

  async to(wanted: WorkspacePath): Promise<Located> {
    this.assertShown(wanted);
    for (let path = wanted; ;) {
      const found = await this.follow(path);
      if (!isPath(found)) return found;
      path = found;
    }
  }

  close(): Promise<void> {
    return this.directory?.close() ?? Promise.resolve();
  }

  /**
   * The place, or the path to go instead when a link stood in the way. A `..`, which only links bring in, goes back to
   * the directory before: that one is known to be none of them by then.
   */
  private async follow(path: WorkspacePath): Promise<Located | WorkspacePath> {
    if (path.length === 0) return { path, mode: this.scope.modeOf(path), parent: null, stat: null };
    await this.enter(await this.root.again());
    for (const [depth, name] of path.entries()) {
      if (name === '..') return this.back(path, depth);
      const reached = path.slice(0, depth + 1);
      this.assertShown(reached);
      const isLast = depth === path.length - 1;
      const stat = await this.directory!.stat(name);
      if (stat?.isSymbolicLink() && !(isLast && this.options.keepLast)) return this.redirect(path, depth);
      if (isLast) return { path, mode: this.scope.modeOf(path), parent: this.directory, stat };
      if (stat && !stat.isDirectory()) throw notADirectory(reached);
      if (!stat && this.options.mayBeMissing) return { path, mode: this.scope.modeOf(path), parent: null, stat };
      if (!stat) await this.makeMissing(reached);
      await this.enter(await this.directory!.open(name).catch(changedMeanwhile));
    }
    throw new Error('a path has a last name');
  }

  private back(path: WorkspacePath, depth: number): WorkspacePath {
    if (depth === 0) throw notInScope(this.options.requested);
    return [...path.slice(0, depth - 1), ...path.slice(depth + 1)];
  }

  private async redirect(path: WorkspacePath, depth: number): Promise<WorkspacePath> {
    this.links += 1;
    if (this.links > MAX_LINKS)
      throw new DomainError('conflict', 'Too many levels of symbolic links', { reason: 'link_loop', field: 'path' });
    const target = await this.directory!.readLink(path[depth]!).catch(changedMeanwhile);
    const isAbsolute = target.startsWith('/');
    if (isAbsolute && target !== WORKSPACE_INSIDE && !target.startsWith(`${WORKSPACE_INSIDE}/`))
      throw notInScope(this.options.requested);
    const names = (isAbsolute ? target.slice(WORKSPACE_INSIDE.length) : target).split('/');
    const way = names.filter((name) => name !== '' && name !== '.');
    return [...(isAbsolute ? [] : path.slice(0, depth)), ...way, ...path.slice(depth + 1)];
  }

  private async makeMissing(path: WorkspacePath): Promise<void> {
    if (!this.options.makeParents) throw nothingThere();
    if (this.scope.modeOf(path) !== 'write' && !this.isOnTheWay(path)) throw notInScope(this.options.requested);
    if (await this.directory!.makeDirectory(path.at(-1)!)) await this.directory!.sync();
  }

  /** A directory that leads to a writable one: the sandbox sees it whether it is there yet or not. */
  private isOnTheWay(path: WorkspacePath): boolean {
    return this.scope.modeOf(path) === 'ancestor';
  }

  private async enter(next: Directory): Promise<void> {
    const left = this.directory;
    this.directory = next;
    await left?.close();
  }

  private assertShown(path: WorkspacePath): void {
    if (this.scope.modeOf(path) === 'none') throw notInScope(this.options.requested);
  }
}

function isPath(found: Located | WorkspacePath): found is WorkspacePath {
  return Array.isArray(found);
}

const CHANGED = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL', 'EISDIR', 'ENXIO']);

/** For `.catch` of what was looked at just before: it is gone now, or another thing. */
export function changedMeanwhile(error: unknown): never {
  throw CHANGED.has((error as NodeJS.ErrnoException).code ?? '') ? nothingThere() : error;
}

/** A program may lock itself out of what belongs to it; the server, unless it is root, is out then too. */
export function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

export function nothingThere(): DomainError {
  return new DomainError('not_found', 'File not found');
}

export function notADirectory(path: WorkspacePath): DomainError {
  return new DomainError('conflict', `'${path.join('/')}' is not a directory`, { reason: 'not_a_directory' });
}
