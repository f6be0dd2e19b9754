import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { createTransport } from 'nodemailer';
import {
  type AppConfig,
  ConfigError,
  describeMail,
  findRunningDatabase,
  loadConfig,
  locateBinaries,
  smtpOptions,
  userNamespacesWork,
} from '#platform';
import { RunnerSandboxes, whatDoorsLack } from '#sandboxes';

export interface CheckTarget {
  readonly env: NodeJS.ProcessEnv;
  readonly dataDir: string;
}

export interface Finding {
  /** `advice`: the server runs without it, with less. */
  readonly state: 'ok' | 'advice' | 'missing';
  readonly found: string;
  readonly fix?: string;
}

interface MachineCheck {
  readonly name: string;
  check(target: CheckTarget): Finding | Promise<Finding>;
}

const MIN_NODE = 24;
const MIN_GIT = [2, 39] as const;
const MIN_POSTGRES = 15;
const MIN_FREE_BYTES = 1_000_000_000;
const CONNECT_MS = 5_000;

export const CHECKS: readonly MachineCheck[] = [
  { name: 'Node.js', check: checkNode },
  { name: 'git', check: checkGit },
  { name: 'user namespaces', check: checkNamespaces },
  { name: 'sandboxes', check: checkSandboxes },
  { name: 'data folder', check: checkDataDir },
  { name: 'disk space', check: checkDisk },
  { name: 'database', check: checkDatabase },
  { name: 'mail', check: checkMail },
];

function checkNode(): Finding {
  const found = process.version;
  if (Number.parseInt(found.slice(1), 10) >= MIN_NODE) return { state: 'ok', found };
  return { state: 'missing', found, fix: 'npm ci   (the project brings Node 24; "npm start" uses it)' };
}

function checkGit(): Finding {
  const found = versionOf('git');
  const [major = 0, minor = 0] = (found ?? '').match(/\d+/g)?.map(Number) ?? [];
  if (major > MIN_GIT[0] || (major === MIN_GIT[0] && minor >= MIN_GIT[1])) return { state: 'ok', found: found! };
  return {
    state: 'missing',
    found: found ?? 'not installed',
    fix: `apt-get install git   (${MIN_GIT.join('.')} or newer)`,
  };
}

function checkNamespaces(): Finding {
  if (userNamespacesWork()) return { state: 'ok', found: 'allowed' };
  return {
    state: 'advice',
    found: 'not allowed: no sandboxes, and as root the embedded database needs an OS user of its own',
    fix: 'sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000   (in a container: allow unshare)',
  };
}

/** As the server would find it: started the same way, over the same folder if that is there already. */
async function checkSandboxes({ env, dataDir }: CheckTarget): Promise<Finding> {
  try {
    return await offersSandboxes(loadConfig({ DATABASE_URL: 'unused', ...env }), dataDir);
  } catch (error) {
    return misconfigured(error);
  }
}

async function offersSandboxes(config: AppConfig, dataDir: string): Promise<Finding> {
  const own = join(dataDir, 'workspaces');
  const workspaces = existsSync(own) ? own : mkdtempSync(join(tmpdir(), 'roundhouse-doctor-'));
  const sandboxes = new RunnerSandboxes({ workspaces, uid: config.SANDBOX_UID, searchPath: config.SANDBOX_PATH });
  try {
    const support = await sandboxes.support();
    if (!support.isAvailable) return { state: 'advice', found: 'no sandboxes', fix: support.reason };
    const found = `${versionOf('bwrap') ?? 'bubblewrap'}, limits by ${support.level}, as user ${support.uid}`;
    const lacks = [support.lacks, await whatDoorsLack(config)].filter((lack) => lack !== null);
    if (lacks.length > 0) return { state: 'advice', found, fix: lacks.join('; ') };
    if (support.uid !== 0) return { state: 'ok', found };
    return { state: 'advice', found, fix: 'unset SANDBOX_UID: whatever gets out of a sandbox of root is root' };
  } finally {
    await sandboxes.close();
    if (workspaces !== own) rmSync(workspaces, { recursive: true, force: true });
  }
}

function checkDataDir({ dataDir }: CheckTarget): Finding {
  const folder = nearestExisting(dataDir);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return { state: 'ok', found: folder === dataDir ? dataDir : `${dataDir} (will be created)` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return {
      state: 'missing',
      found: `${folder} cannot be written (${code})`,
      fix: `chown -R ${process.getuid!()}:${process.getgid!()} ${folder}   (or set DATA_DIR)`,
    };
  }
}

function checkDisk({ dataDir }: CheckTarget): Finding {
  const { bavail, bsize } = statfsSync(nearestExisting(dataDir));
  const found = `${((bavail * bsize) / 1e9).toFixed(1)} GB free`;
  if (bavail * bsize >= MIN_FREE_BYTES) return { state: 'ok', found };
  return { state: 'missing', found, fix: 'free some space, or set DATA_DIR to a folder on a larger disk' };
}

async function checkDatabase({ env, dataDir }: CheckTarget): Promise<Finding> {
  if (env['DATABASE_URL']) return connects(env['DATABASE_URL'], 'check DATABASE_URL and that the server runs');
  const pgDir = join(dataDir, 'pg');
  const running = existsSync(pgDir) ? await findRunningDatabase(pgDir) : undefined;
  if (running !== undefined) return connects(running.url, 'restart the Roundhouse server');
  return embeddedCanStart(join(pgDir, 'data'));
}

function embeddedCanStart(cluster: string): Finding {
  try {
    const { major } = locateBinaries();
    const versionFile = join(cluster, 'PG_VERSION');
    const version = existsSync(versionFile) ? readFileSync(versionFile, 'utf8').trim() : undefined;
    if (version === undefined || version === String(major)) {
      return { state: 'ok', found: `embedded PostgreSQL ${major}, not running` };
    }
    const found = `${cluster} is of PostgreSQL ${version}, the embedded one is ${major}`;
    return { state: 'missing', found, fix: `serve it with PostgreSQL ${version} and set DATABASE_URL` };
  } catch (error) {
    return { state: 'missing', found: (error as Error).message, fix: 'npm ci   (or set DATABASE_URL)' };
  }
}

async function connects(url: string, fix: string): Promise<Finding> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    const version = rows[0]!.server_version;
    if (Number.parseInt(version, 10) >= MIN_POSTGRES) return { state: 'ok', found: `PostgreSQL ${version}` };
    return { state: 'missing', found: `PostgreSQL ${version}`, fix: `use PostgreSQL ${MIN_POSTGRES} or newer` };
  } catch (error) {
    return { state: 'missing', found: `not reachable: ${(error as Error).message}`, fix };
  } finally {
    await client.end();
  }
}

/** Advice at most: the server runs without mail, and what it promised waits for the mail server. */
async function checkMail({ env, dataDir }: CheckTarget): Promise<Finding> {
  try {
    const config = loadConfig({ DATABASE_URL: 'unused', ...env, DATA_DIR: dataDir });
    const smtp = smtpOptions(config);
    const found = describeMail(config);
    if (!smtp) return { state: 'advice', found, fix: 'set SMTP_URL   (smtp://user:password@host:587)' };
    return await greets(smtp, found);
  } catch (error) {
    return misconfigured(error);
  }
}

function misconfigured(error: unknown): Finding {
  if (!(error instanceof ConfigError)) throw error;
  return { state: 'missing', found: error.problems.join('; '), fix: 'correct the settings named here' };
}

async function greets(smtp: NonNullable<ReturnType<typeof smtpOptions>>, found: string): Promise<Finding> {
  try {
    await createTransport({ ...smtp, connectionTimeout: CONNECT_MS, greetingTimeout: CONNECT_MS }).verify();
    return { state: 'ok', found };
  } catch (error) {
    return { state: 'advice', found: `${found}: ${(error as Error).message}`, fix: 'check SMTP_* and the mail server' };
  }
}

function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function nearestExisting(folder: string): string {
  return existsSync(folder) ? folder : nearestExisting(dirname(folder));
}
