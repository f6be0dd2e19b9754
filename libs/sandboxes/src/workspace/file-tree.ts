import type { Directory } from './directory.js';

export interface TreeEntry {
  /** Below the top, names joined by `/`. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'link';
  /** Bytes; of a file. */
  readonly size: number | null;
}

export interface FileTree {
  /** Shallow first, in a directory by name. */
  readonly entries: readonly TreeEntry[];
  /** There is more. */
  readonly isCut: boolean;
}

/** Not what anybody looks for in a list of files, and more than all of it. */
const HIDDEN = '.git';
/** Names that are read of one directory, beyond which its first ones are not known. */
const MAX_NAMES = 10_000;

/**
 * What is below a directory, links as such, without what git keeps. Reads no more than it answers. Null when there is
 * no such directory.
 */
export async function fileTree(from: Directory, top: string, limit: number): Promise<FileTree | null> {
  const entries: TreeEntry[] = [];
  const waiting: string[][] = [[]];
  let isCut = false;
  for (let names = waiting.shift(); names !== undefined && !isCut; names = waiting.shift()) {
    const directory = await below(from, [top, ...names]);
    if (!directory && names.length === 0) return null;
    if (!directory) continue;
    try {
      const found = await firstNames(directory);
      isCut ||= found.isCut;
      for (const name of found.names) {
        if (entries.length === limit) return { entries, isCut: true };
        const entry = await entryOf(directory, [...names, name]);
        if (entry) entries.push(entry);
        if (entry?.type === 'directory') waiting.push([...names, name]);
      }
    } finally {
      await directory.close();
    }
  }
  return { entries, isCut };
}

async function firstNames(directory: Directory): Promise<{ names: string[]; isCut: boolean }> {
  const names: string[] = [];
  for await (const name of directory.names()) {
    if (names.length === MAX_NAMES) return { names: names.sort(), isCut: true };
    if (name !== HIDDEN) names.push(name);
  }
  return { names: names.sort(), isCut: false };
}

async function entryOf(directory: Directory, names: readonly string[]): Promise<TreeEntry | null> {
  const stat = await directory.stat(names.at(-1)!);
  const path = names.join('/');
  if (stat?.isDirectory()) return { path, type: 'directory', size: null };
  if (stat?.isSymbolicLink()) return { path, type: 'link', size: null };
  return stat?.isFile() ? { path, type: 'file', size: Number(stat.size) } : null;
}

/** Step by step, so that a name that has become a link meanwhile leads nowhere. */
async function below(from: Directory, names: readonly string[]): Promise<Directory | null> {
  let at = await from.again();
  for (const name of names) {
    const next = await at.open(name).catch(notThere);
    await at.close();
    if (!next) return null;
    at = next;
  }
  return at;
}

function notThere(error: unknown): null {
  if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
  throw error;
}
