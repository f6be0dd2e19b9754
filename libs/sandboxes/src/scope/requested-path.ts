import { DomainError } from '#kernel';
import type { WorkspacePath } from './access-scope.js';

const MAX_PATH_BYTES = 4096;
const MAX_COMPONENT_BYTES = 255;

const CONTROL = /[\u0001-\u001f\u007f]/;

/**
 * A path as a file request names it, already percent-decoded once. `..` and absolute paths are never resolved: they are
 * outside of every scope (sandbox-sessions.md §B5.2). Errors: `invalid_input` for what no file can be called,
 * `forbidden` (`not_in_scope`) for what points out of the workspace.
 */
export function toWorkspacePath(requested: string): WorkspacePath {
  if (requested.includes('\0') || CONTROL.test(requested) || !requested.isWellFormed())
    throw new DomainError('invalid_input', 'The path contains characters that no file name has', { field: 'path' });
  if (Buffer.byteLength(requested) > MAX_PATH_BYTES)
    throw new DomainError('invalid_input', `The path has more than ${MAX_PATH_BYTES} bytes`, { field: 'path' });
  const names = requested.split('/');
  if (requested.startsWith('/') || names.includes('..')) throw notInScope(requested);
  const path = names.filter((name) => name !== '' && name !== '.');
  if (path.some((name) => Buffer.byteLength(name) > MAX_COMPONENT_BYTES))
    throw new DomainError('invalid_input', `A name in the path has more than ${MAX_COMPONENT_BYTES} bytes`, {
      field: 'path',
    });
  return path;
}

/** The same answer for everything out of scope, whether it exists or not. */
export function notInScope(requested: string): DomainError {
  return new DomainError('forbidden', `'${requested}' not in session scope`, { reason: 'not_in_scope' });
}
