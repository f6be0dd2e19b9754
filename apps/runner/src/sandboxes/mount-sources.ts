import { closeSync, constants, fstatSync, lchownSync, mkdirSync, openSync } from 'node:fs';
import { DomainError } from '#kernel';
import type { Mount, WorkspacePath } from '#sandboxes';

/** Linux's O_PATH, which Node does not name: a place, for which no right to read it is needed. */
const O_PATH = 0o10000000;
const PLACE = O_PATH | constants.O_NOFOLLOW;
const DIRECTORY = PLACE | constants.O_DIRECTORY;

/**
 * The open places that mounts are made of; `close` them once the sandbox has its own. Opened name by name without
 * following links: a sandbox that swaps a directory for a link while another one starts changes nothing.
 */
export class MountSources {
  private constructor(private readonly opened: Map<Mount, number>) {}

  /** Missing entries become directories, as a mount needs something. Errors: `conflict` (`scope_changed`) for links. */
  static open(workspace: string, mounts: readonly Mount[]): MountSources {
    const sources = new MountSources(new Map());
    try {
      const root = openSync(workspace, DIRECTORY);
      try {
        for (const mount of mounts) {
          const place = openPlace(root, mount.path);
          if (mount.kind === 'cover') closeSync(place);
          else sources.opened.set(mount, place);
        }
      } finally {
        closeSync(root);
      }
    } catch (error) {
      sources.close();
      throw error;
    }
    return sources;
  }

  /** The open places with their mounts, in order. */
  entries(): [Mount, number][] {
    return [...this.opened];
  }

  close(): void {
    for (const place of this.opened.values()) closeSync(place);
    this.opened.clear();
  }
}

function openPlace(root: number, path: WorkspacePath): number {
  let place = openSync(`/proc/self/fd/${root}/.`, DIRECTORY);
  for (const [depth, name] of path.entries()) {
    const parent = place;
    try {
      place = openName(parent, name, depth === path.length - 1);
    } catch (error) {
      throw refusal(error, path);
    } finally {
      closeSync(parent);
    }
  }
  return place;
}

function openName(parent: number, name: string, isLast: boolean): number {
  const path = `/proc/self/fd/${parent}/${name}`;
  try {
    return openSync(path, DIRECTORY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A file may be an entry. A link may not.
    if (code === 'ENOTDIR' && isLast) return openFile(path);
    if (code !== 'ENOENT') throw error;
  }
  makeDirectory(path, parent);
  return openSync(path, DIRECTORY);
}

function openFile(path: string): number {
  const place = openSync(path, PLACE);
  if (fstatSync(place).isFile()) return place;
  closeSync(place);
  throw Object.assign(new Error(`no file: ${path}`), { code: 'ELOOP' });
}

/** It belongs to whom its parent belongs: this process may be another user than the sandboxes are. */
function makeDirectory(path: string, parent: number): void {
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return;
  }
  const { uid, gid } = fstatSync(parent);
  // Of the name, whatever a sandbox may have put there since.
  if (uid !== process.geteuid!()) lchownSync(path, uid, gid);
}

/** Sandboxes may do all of this to a scope of another one, and to their own. */
function refusal(error: unknown, path: WorkspacePath): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (['ELOOP', 'ENOTDIR'].includes(code)) return changed(path);
  if (code !== 'EACCES') return error;
  return new DomainError('conflict', `The mode of '${path.join('/')}' does not permit that`, {
    reason: 'not_permitted',
  });
}

function changed(path: WorkspacePath): DomainError {
  return new DomainError('conflict', `'${path.join('/')}' is a link now, which the scope does not follow`, {
    reason: 'scope_changed',
  });
}
