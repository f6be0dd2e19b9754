import { geteuid } from 'node:process';
import { DomainError } from '#kernel';
import { tryBubblewrap } from './bubblewrap-support.js';

/** As whom sandboxes run on this machine; inside they are 1000 whoever that is. */
export interface SandboxIdentity {
  readonly uid: number;
  /** A command that becomes the next one as that user; empty for the user of this process. */
  readonly become: readonly string[];
}

export const OWN_IDENTITY: SandboxIdentity = { uid: geteuid!(), become: [] };

const FIX =
  'install util-linux for setpriv, let the server mount (CAP_SYS_ADMIN) or give everybody the right to enter the ' +
  'folders above DATA_DIR, and allow users name spaces; or start the server as another user than root';

/**
 * The given user when this process is root, else its own. Whoever breaks out of a sandbox of root's is root: where the
 * user cannot start one over `workspaces`, nobody does. Errors: `unavailable` with the cause and the fix.
 */
export async function chooseIdentity(searchPath: string, uid: number, workspaces: string): Promise<SandboxIdentity> {
  if (OWN_IDENTITY.uid !== 0 || uid === 0) return OWN_IDENTITY;
  const become = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all'];
  const failure = await tryBubblewrap(searchPath, become, ['--ro-bind', workspaces, '/tmp']);
  if (failure === null) return { uid, become };
  throw new DomainError('unavailable', `Sandboxes cannot run as user ${uid}: ${failure}: ${FIX}`, {
    reason: 'sandboxes_unavailable',
  });
}
