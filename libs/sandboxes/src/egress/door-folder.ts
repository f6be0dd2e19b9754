import { access, chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';

/** What the runner brings programs in a sandbox to a door with. */
export const RELAY_PROGRAM = '/usr/bin/perl';

/** Whether doors can be reached from inside. */
export async function hasRelayProgram(): Promise<boolean> {
  return access(RELAY_PROGRAM).then(
    () => true,
    () => false,
  );
}

/** A folder for a door's socket, whose path has at most 107 bytes: DATA_DIR may be too deep. */
export async function newDoorFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `roundhouse-${name}-`));
  // Sandboxes of root's run as another user, who has to come by. Whoever else does so has no password.
  if (geteuid!() === 0) await chmod(folder, 0o711);
  return folder;
}
