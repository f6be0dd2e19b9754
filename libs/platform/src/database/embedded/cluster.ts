import { execFile, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  lchownSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './binaries.js';
import type { EmbeddedConnection } from './connection-file.js';
import { PROGRAM_ENV, type RunAs } from './run-as.js';

const run = promisify(execFile);
const DRAFT_PREFIX = 'init-';

/**
 * True when `cluster` holds data these binaries can serve, false when there is none yet. Anything else there is
 * refused: it is never initialised over and never upgraded in place.
 */
export function clusterExists(cluster: string, major: number): boolean {
  const versionFile = join(cluster, 'PG_VERSION');
  if (!existsSync(versionFile)) {
    if (!existsSync(cluster) || readdirSync(cluster).length === 0) return false;
    throw new Error(`${cluster} has files but no PG_VERSION: it is not a whole PostgreSQL data folder. Move it away.`);
  }
  const version = readFileSync(versionFile, 'utf8').trim();
  if (version === String(major)) return true;
  throw new Error(
    `${cluster} was written by PostgreSQL ${version}, this release brings PostgreSQL ${major}. ` +
      `Dump it with a release that has PostgreSQL ${version}, or serve it yourself and set DATABASE_URL.`,
  );
}

/**
 * Makes a new cluster with checksums. It is built beside its place and renamed into it, so a start that dies half-way
 * leaves a draft for `removeDrafts` and never a broken cluster.
 */
export async function initialise(
  pgDir: string,
  cluster: string,
  binaries: PostgresBinaries,
  runAs: RunAs,
  connection: EmbeddedConnection,
): Promise<void> {
  const draft = mkdtempSync(join(pgDir, DRAFT_PREFIX));
  const passwordFile = join(draft, 'password');
  const data = join(draft, 'data');
  writeFileSync(passwordFile, connection.password + '\n', { mode: 0o600 });
  const [program, ...args] = [
    ...runAs.prefix,
    binaries.initdb,
    ...['-D', data, '-U', connection.user, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--data-checksums'],
    // Byte order everywhere: refs and paths sort as git sorts them, and no system update can change an index's order.
    ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'],
  ];
  try {
    await run(program!, args, { env: PROGRAM_ENV });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`PostgreSQL could not create its data folder: ${stderr?.trim() ?? String(error)}`, {
      cause: error,
    });
  }
  rmSync(cluster, { recursive: true, force: true });
  renameSync(data, cluster);
  syncFolder(pgDir);
  rmSync(draft, { recursive: true });
}

/** Removes what a first start left that died while it made the cluster. */
export function removeDrafts(pgDir: string): void {
  for (const name of readdirSync(pgDir)) {
    if (name.startsWith(DRAFT_PREFIX)) rmSync(join(pgDir, name), { recursive: true });
  }
}

/** PostgreSQL insists on owning its folder, and a folder may come from a start as another user or from a copy. */
export function ensureOwner(cluster: string, runAs: RunAs): void {
  const { uid } = statSync(cluster);
  if (uid === runAs.ownerUid) return;
  if (process.getuid!() !== 0) {
    throw new Error(`${cluster} belongs to user ${uid}. Start as that user, or give it to this one: chown -R`);
  }
  for (const entry of readdirSync(cluster, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(cluster, entry), runAs.ownerUid, runAs.ownerGid);
  }
  lchownSync(cluster, runAs.ownerUid, runAs.ownerGid);
}

/** Sets the role's password without knowing the old one, for a cluster whose connection file was lost. */
export async function resetPassword(
  cluster: string,
  binaries: PostgresBinaries,
  runAs: RunAs,
  { user, password }: EmbeddedConnection,
): Promise<void> {
  const [program, ...args] = [...runAs.prefix, binaries.postgres, '--single', '-D', cluster, 'postgres'];
  const child = spawn(program!, args, { env: PROGRAM_ENV, stdio: ['pipe', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  child.stdin.end(`ALTER ROLE ${user} PASSWORD '${password}'\n`);
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0 || /\b(ERROR|FATAL|PANIC):/.test(complaints)) {
    throw new Error(`The database password could not be set anew: ${complaints.trim()}`);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
