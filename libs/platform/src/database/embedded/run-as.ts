import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The environment of every program started here: nothing of the caller's, whose PG… variables would be obeyed. */
export const PROGRAM_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

/** How the PostgreSQL programs are run, since they refuse to run as root. */
export interface RunAs {
  readonly kind: 'direct' | 'namespace' | 'os-user';
  /** The user that owns the cluster's files, as seen from this process. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  /** The words that go in front of the program. */
  readonly prefix: readonly string[];
}

/** The OS user that root falls back to. */
export const FALLBACK_USER = 'roundhouse-db';

/**
 * An ordinary user runs PostgreSQL as itself. Root runs it in a user namespace in which root is an unprivileged user:
 * the files stay root's, so a folder inside a 0700 home works. Where user namespaces are forbidden, an OS user is
 * created, which keeps the one capability it needs to reach a folder below such a home.
 *
 * @param allowNamespace false makes the choice as if the machine forbade user namespaces
 */
export function chooseRunAs(allowNamespace = true): RunAs {
  const uid = process.getuid!();
  const gid = process.getgid!();
  const known = knownUids();
  if (uid !== 0 && known.has(uid)) return { kind: 'direct', ownerUid: uid, ownerGid: gid, prefix: [] };

  const prefix = namespacePrefix(known);
  if (allowNamespace && succeeds([...prefix, 'true'])) {
    return { kind: 'namespace', ownerUid: uid, ownerGid: gid, prefix };
  }
  if (uid !== 0) {
    throw new Error(
      `User ${uid} has no entry in /etc/passwd, which PostgreSQL needs, and user namespaces are not allowed here. ` +
        'Add an entry for it, or set DATABASE_URL.',
    );
  }
  return osUser();
}

/** True when an unprivileged user namespace can be created here. */
export function userNamespacesWork(): boolean {
  return succeeds([...namespacePrefix(knownUids()), 'true']);
}

/** True when `setpriv` can make a program receive a signal when its parent dies. */
export function parentDeathSignalWorks(): boolean {
  return succeeds(['setpriv', '--pdeathsig', 'INT', 'true']);
}

/** initdb looks its user up by number, so the namespace maps to a user that this machine knows. */
function namespacePrefix(known: ReadonlySet<number>): string[] {
  const mapped = known.has(1000) ? 1000 : ([...known].find((uid) => uid !== 0) ?? 1000);
  return ['unshare', '--user', `--map-user=${mapped}`, `--map-group=${mapped}`];
}

function osUser(): RunAs {
  if (findUser(FALLBACK_USER) === undefined) {
    const made = spawnSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', FALLBACK_USER],
      { encoding: 'utf8', env: PROGRAM_ENV },
    );
    if (made.status !== 0) {
      throw new Error(
        'PostgreSQL does not run as root, user namespaces are not allowed here, and the user ' +
          `"${FALLBACK_USER}" could not be created (${(made.error?.message ?? made.stderr).trim()}). ` +
          'Start as an ordinary user, allow user namespaces, or set DATABASE_URL.',
      );
    }
  }
  const user = findUser(FALLBACK_USER)!;
  const prefix = [
    'setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  if (!succeeds([...prefix, 'true'])) {
    throw new Error(
      `PostgreSQL cannot be run as the user "${FALLBACK_USER}" (setpriv failed). ` +
        'Start as an ordinary user, allow user namespaces, or set DATABASE_URL.',
    );
  }
  return { kind: 'os-user', ownerUid: user.uid, ownerGid: user.gid, prefix };
}

function passwdEntries(): { name: string; uid: number; gid: number }[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length > 3)
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid), gid: Number(gid) }));
}

function findUser(name: string): { uid: number; gid: number } | undefined {
  return passwdEntries().find((entry) => entry.name === name);
}

function knownUids(): ReadonlySet<number> {
  return new Set(passwdEntries().map((entry) => entry.uid));
}

function succeeds([program, ...args]: readonly string[]): boolean {
  return spawnSync(program!, args, { stdio: 'ignore', env: PROGRAM_ENV }).status === 0;
}
