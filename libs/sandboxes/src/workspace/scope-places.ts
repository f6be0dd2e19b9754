import { DomainError } from '#kernel';
import { AccessScope, NOBODY, type WorkspacePath } from '../scope/access-scope.js';
import { type FileAccess, normalised, OWN_DIRECTORIES, WHOLE_WORKSPACE } from '../scope/file-access.js';
import type { Directory } from './directory.js';
import { isDenied, locate } from './located.js';

/**
 * A scope with the places that its entries lead to now, for good: whoever makes a link of one later changes nothing of it
 * (sandbox-sessions.md §B5.3). What is missing becomes a directory, as mounts need one. Errors: `invalid_input` for what
 * leads out of the workspace, to other sandboxes' directories, nowhere, or below a file.
 */
export async function settlePlaces(root: Directory, { read, write }: FileAccess): Promise<FileAccess> {
  const places = new Map<string, string>();
  for (const entry of new Set([...read, ...write])) places.set(entry, await placeOf(root, entry));
  const all = (entries: readonly string[]): string[] => entries.map((entry) => places.get(entry)!);
  return normalised(all(read), all(write));
}

const EVERYTHING = new AccessScope(NOBODY, WHOLE_WORKSPACE);

async function placeOf(root: Directory, entry: string): Promise<string> {
  if (entry === '') return entry;
  const options = { requested: entry, mayBeMissing: true };
  try {
    const found = await locate(root, EVERYTHING, entry.split('/'), options, (at) => Promise.resolve(at));
    const { path, stat } = found;
    if (path[0] !== OWN_DIRECTORIES && !path.includes('..')) {
      if (path.length > 0 && !stat) await makeDirectories(root, path);
      return path.join('/');
    }
  } catch (error) {
    const isRefused = isDenied(error) || (error instanceof DomainError && error.code !== 'internal');
    if (!isRefused) throw error;
  }
  throw new DomainError('invalid_input', `file_access: '${entry}' leads to no place in the workspace`, {
    field: 'file_access',
  });
}

/** All of them are on the way to whatever will be in the last one. */
async function makeDirectories(root: Directory, path: WorkspacePath): Promise<void> {
  const options = { requested: path.join('/'), makeParents: true };
  await locate(root, EVERYTHING, [...path, 'x'], options, () => Promise.resolve());
}
