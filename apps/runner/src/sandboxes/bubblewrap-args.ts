import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { DomainError } from '#kernel';
import type { Mount, WorkspacePath } from '#sandboxes';

const VARIABLE = /^[^=\0]+$/;
/** What the kernel takes at the least as one argument; all of them together must do with it. */
const MAX_ARGV_BYTES = 131_000;
/** Where the workspace is inside. */
const INSIDE = '/opt/sandbox/workspace';
const SYSTEM = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
/** Of /etc only what programs need to run and to trust certificates: the rest is about the machine. */
const ETC = [
  'alternatives',
  'ca-certificates',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'ssl/certs',
  'ssl/openssl.cnf',
];

/** Files that every sandbox has of its own; servers for developers listen at `localhost` by that name. */
export const OWN_FILES: readonly (readonly [path: string, content: string])[] = [
  ['/etc/passwd', 'sandbox:x:1000:1000:sandbox:/opt/sandbox/workspace:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n'],
  ['/etc/group', 'sandbox:x:1000:\nnogroup:x:65534:\n'],
  ['/etc/hosts', '127.0.0.1 localhost sandbox\n::1 localhost\n'],
];

/**
 * Of /proc what belongs to the machine and not to a process. bwrap covers the folders that it finds writable, yet a
 * folder nobody can write to may hold files that one can: where the server is root, those in /proc/sys are.
 */
const PROC_READ_ONLY = ['acpi', 'asound', 'bus', 'fs', 'irq', 'mtrr', 'pressure', 'scsi', 'sys', 'sysrq-trigger'];
const PROC_HIDDEN = ['kcore', 'keys', 'kmsg', 'latency_stats', 'sched_debug', 'slabinfo', 'timer_list', 'vmallocinfo'];

/** A folder or link of the machine's root that programs expect. */
export interface SystemEntry {
  readonly path: string;
  /** Null for a folder. */
  readonly linksTo: string | null;
}

export interface SandboxArguments {
  readonly system: readonly SystemEntry[];
  /** Files of the machine over which nothing is laid. */
  readonly hidden: readonly string[];
  /** Each mount with the descriptor that bwrap finds it under; those that cover something have none. */
  readonly mounts: readonly { readonly mount: Mount; readonly fd: number | null }[];
  /** Options that bind the ways out, where there are any. */
  readonly relays: readonly string[];
  readonly fds: Readonly<Record<'seccomp' | 'status' | 'ownFiles' | 'gate', number>>;
  readonly scratchBytes: number;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly argv: readonly string[];
}

/** What of the root is there on this machine: on merged systems links into /usr, else folders. */
export function systemEntries(): SystemEntry[] {
  return SYSTEM.flatMap((path) => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return [];
    return [{ path, linksTo: stat.isSymbolicLink() ? readlinkSync(path) : null }];
  });
}

/** Those of /proc that this kernel has: a cover needs something to lie on. */
export function hiddenFiles(): string[] {
  return PROC_HIDDEN.map((name) => `/proc/${name}`).filter((path) => existsSync(path));
}

export function insidePath(path: WorkspacePath): string {
  return [INSIDE, ...path].join('/');
}

/**
 * The options of bwrap for one command, to be read by `--args`: what `ps` shows names no place and no variable. Errors:
 * `invalid_input` for what no program can be given.
 */
export function bubblewrapArguments(sandbox: SandboxArguments): string[] {
  const { argv, env } = sandbox;
  const options = optionsOf(sandbox);
  // They are separated by NUL: one in a value of the caller's would begin an option of the caller's.
  if (
    [...options, ...argv].some((text) => text.includes('\0')) ||
    Object.keys(env).some((name) => !VARIABLE.test(name))
  )
    throw refused('Arguments and variables must not contain NUL, nor names of variables "="');
  if (argv.length === 0 || argv[0] === '') throw refused('A command begins with the name of a program');
  if (argv.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0) > MAX_ARGV_BYTES)
    throw refused(`The arguments have more than ${MAX_ARGV_BYTES} bytes together; give long ones as input`);
  return options;
}

function refused(rule: string): DomainError {
  return new DomainError('invalid_input', rule, { field: 'argv' });
}

function optionsOf(sandbox: SandboxArguments): string[] {
  const { fds, scratchBytes } = sandbox;
  const scratch = ['--size', String(scratchBytes), '--tmpfs'];
  const covers = sandbox.mounts
    .filter(({ mount }) => mount.kind === 'cover')
    .map(({ mount }) => insidePath(mount.path));
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup', '--unshare-net'],
    ...['--disable-userns', '--die-with-parent', '--new-session'],
    ...['--uid', '1000', '--gid', '1000', '--hostname', 'sandbox'],
    ...['--seccomp', String(fds.seccomp), '--json-status-fd', String(fds.status), '--block-fd', String(fds.gate)],
    ...['--ro-bind', '/usr', '/usr'],
    ...sandbox.system.flatMap(({ path, linksTo }) =>
      linksTo === null ? ['--ro-bind', path, path] : ['--symlink', linksTo, path],
    ),
    ...ETC.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...OWN_FILES.flatMap(([path], index) => ['--ro-bind-data', String(fds.ownFiles + index), path]),
    ...['--proc', '/proc'],
    ...PROC_READ_ONLY.flatMap((name) => ['--ro-bind-try', `/proc/${name}`, `/proc/${name}`]),
    ...sandbox.hidden.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...['--dev', '/dev', ...scratch, '/dev/shm', ...scratch, '/tmp'],
    ...['--dir', INSIDE, ...sandbox.mounts.flatMap(({ mount, fd }) => mountArguments(mount, fd))],
    ...sandbox.relays,
    // After every mount: what is written to these would be in memory, and gone. Links and devices work all the same.
    ...['/dev', '/', ...covers].flatMap((place) => ['--remount-ro', place]),
    ...['--clearenv', ...Object.entries(sandbox.env).flatMap(([name, value]) => ['--setenv', name, value])],
    ...['--chdir', sandbox.cwd],
  ];
}

function mountArguments({ path, kind, place = insidePath(path) }: Mount, fd: number | null): string[] {
  if (kind === 'cover') return ['--tmpfs', place];
  return [kind === 'write' ? '--bind-fd' : '--ro-bind-fd', String(fd), place];
}
