import { AccessScope, type WorkspacePath } from '../scope/access-scope.js';
import { toFileAccess } from '../scope/file-access.js';

/** Below the sandbox's own directory, which is its home too: what programs keep there is no part of the work. */
export const CHECKOUT = 'work';

/** What a coding session sees: its own directory, nothing else of the workspace. */
export function codingScope(sandboxId: string): AccessScope {
  return new AccessScope(sandboxId, toFileAccess({ read: [], write: [] }));
}

/** Where a coding session's repository is checked out, and where its commands start. */
export function checkoutOf(scope: AccessScope): WorkspacePath {
  return [...scope.ownDirectory, CHECKOUT];
}
