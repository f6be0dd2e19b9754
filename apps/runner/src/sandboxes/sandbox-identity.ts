import { geteuid } from 'node:process';
import { DomainError } from '#kernel';
import { tryBubblewrap } from './bubblewrap-support.js';

/** As whom sandboxes run on this machine; inside they are 1000 whoever that is. */
export interface SandboxIdentity {
  readonly uid: number;
  /** Started as that user and its group, without further ones; null for the user of this process. */
  readonly startedAs: number | null;
}

export const OWN_IDENTITY: SandboxIdentity = { uid: geteuid!(), startedAs: null };

const FIX =
  'let the server mount (CAP_SYS_ADMIN) or give everybody the right to enter the ' +
  'folders above DATA_DIR, and allow users name spaces; or start the server as another user than root';

/**
 * The given user when this process is root, else its own. Whoever breaks out of a sandbox of root's is root: where the
 * user cannot start one over `workspaces`, nobody does. Errors: `unavailable` with the cause and the fix.
 */
export async function chooseIdentity(searchPath: string, uid: number, workspaces: string): Promise<SandboxIdentity> {
  if (OWN_IDENTITY.uid !== 0 || uid === 0) return OWN_IDENTITY;
  const failure = await tryBubblewrap(searchPath, uid, ['--ro-bind', workspaces, '/tmp']);
  if (failure === null) return { uid, startedAs: uid };
  throw new DomainError('unavailable', `Sandboxes cannot run as user ${uid}: ${failure}: ${FIX}`, {
    reason: 'sandboxes_unavailable',
  });
}
