import { execFile } from 'node:child_process';
import { arch } from 'node:process';
import { isFilteredMachine } from './seccomp-filter.js';

const NEEDED = ['--disable-userns', '--bind-fd', '--size', '--json-status-fd', '--block-fd', '--args'];
const INSTALL = 'install the package bubblewrap (apt-get install bubblewrap), 0.8 or newer with its security updates';

const ALLOW =
  'set kernel.unprivileged_userns_clone=1, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; in a container, ' +
  'run it with a seccomp profile that allows them';

/** Why sandboxes cannot run on this machine, with what to do about it; null when they can. */
export async function whatBubblewrapLacks(searchPath: string): Promise<string | null> {
  if (!isFilteredMachine(arch)) return `sandboxes run on x86-64 and arm64 only, not on ${arch}`;
  const help = await runBubblewrap(['--help'], searchPath);
  if (help.code === null) return `bubblewrap is missing: ${INSTALL}`;
  const lacking = NEEDED.filter((option) => !new RegExp(`^ *${option} `, 'm').test(help.output));
  if (lacking.length > 0) return `bubblewrap is too old for ${lacking.join(', ')}: ${INSTALL}`;
  const failure = await tryBubblewrap(searchPath);
  return failure === null ? null : `user namespaces are not allowed here (${failure}): ${ALLOW}`;
}

/** Runs nothing in a sandbox, started as the given user, with more options; what went wrong, or null. */
export async function tryBubblewrap(
  searchPath: string,
  uid: number | null = null,
  more: readonly string[] = [],
): Promise<string | null> {
  const trial = ['--unshare-user', '--unshare-pid', '--unshare-net', '--disable-userns', '--ro-bind', '/', '/'];
  const tried = await runBubblewrap([...trial, ...more, '--proc', '/proc', 'true'], searchPath, uid);
  if (tried.code === 0) return null;
  return tried.output.trim().split('\n')[0] || 'bwrap is missing';
}

function runBubblewrap(
  args: readonly string[],
  PATH: string,
  uid: number | null = null,
): Promise<{ code: number | null; output: string }> {
  const as = uid === null ? {} : { uid, gid: uid };
  return new Promise((resolve) => {
    execFile('bwrap', args, { timeout: 10_000, cwd: '/', env: { PATH }, ...as }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, output: stdout + stderr });
    });
  });
}
