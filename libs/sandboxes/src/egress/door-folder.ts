import { access, chmod } from 'node:fs/promises';
import { geteuid } from 'node:process';
import { type AppConfig, newSocketFolder } from '#platform';

/** What the runner brings programs in a sandbox to a door with. */
export const RELAY_PROGRAM = '/usr/bin/perl';

/** Whether doors can be reached from inside. */
export async function hasRelayProgram(program = RELAY_PROGRAM): Promise<boolean> {
  return access(program).then(
    () => true,
    () => false,
  );
}

/** What is configured but does not work on this machine because its doors cannot be reached; null when all does. */
export async function whatDoorsLack(
  config: Pick<AppConfig, 'SANDBOX_EGRESS_HOSTS' | 'AGENT_COMMAND' | 'CODE_EDITOR_COMMAND'>,
  program = RELAY_PROGRAM,
): Promise<string | null> {
  const { SANDBOX_EGRESS_HOSTS, AGENT_COMMAND, CODE_EDITOR_COMMAND } = config;
  const given = Object.entries({ SANDBOX_EGRESS_HOSTS, AGENT_COMMAND, CODE_EDITOR_COMMAND });
  const settings = given.filter(([, value]) => value !== undefined);
  if (settings.length === 0 || (await hasRelayProgram(program))) return null;
  return `${settings.map(([name]) => name).join(', ')}: needs ${program}; install perl (apt-get install perl)`;
}

/** A folder for a door's socket. */
export async function newDoorFolder(name: string): Promise<string> {
  const folder = newSocketFolder(name);
  // Sandboxes of root's run as another user, who has to come by. Whoever else does so has no password.
  if (geteuid!() === 0) await chmod(folder, 0o711);
  return folder;
}
