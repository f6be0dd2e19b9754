import { accessSync, constants, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';
import { locateBinaries, type PostgresBinaries } from './binaries.js';
import { BoundedLog } from './bounded-log.js';
import { clusterExists, ensureOwner, initialise, removeDrafts, resetPassword } from './cluster.js';
import {
  describeConnection,
  type EmbeddedConnection,
  freePort,
  readConnection,
  writeConnection,
} from './connection-file.js';
import { DataDirLock } from './data-dir-lock.js';
import { stopOrphans } from './orphans.js';
import { PostgresProcess } from './postgres-process.js';
import { chooseRunAs, FALLBACK_USER, parentDeathSignalWorks, type RunAs } from './run-as.js';

const SOCKET_PREFIX = 'rh-pg-';
/** A unix socket's address holds 107 bytes, and PostgreSQL adds a name of its own to the folder. */
const MAX_SOCKET_PARENT = 60;
const PORT_TRIES = 3;

const SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  unix_socket_permissions: '0700',
  max_connections: '200',
  max_wal_size: '512MB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // A refused statement is the application's to report, and its text may hold what must not reach a log.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
};

export interface EmbeddedPostgresOptions {
  /** DATA_DIR; everything of the database is in its folder `pg`. */
  readonly dataDir: string;
  /** Called once when PostgreSQL ends after it had started and without `stop`. */
  readonly onUnexpectedExit?: (reason: string) => void;
  /** Receives one-line messages for the operator. */
  readonly report?: (line: string) => void;
  /** Server settings that replace or join ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether PostgreSQL shuts down by itself when this process dies. Default true. */
  readonly endsWithParent?: boolean;
  /** False behaves as on a machine that forbids user namespaces. Default true. */
  readonly allowNamespace?: boolean;
}

/**
 * Runs the PostgreSQL that npm installed on `DATA_DIR/pg`: one live owner per folder, recovery after any kind of
 * death, a clean stop. It knows nothing of the application's schema.
 */
export class EmbeddedPostgres {
  private readonly report: (line: string) => void;
  private lock: DataDirLock | undefined;
  private process: PostgresProcess | undefined;
  private socketDir: string | undefined;
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: EmbeddedPostgresOptions) {
    this.report = options.report ?? (() => undefined);
  }

  /**
   * Creates the cluster when there is none, clears up after a killed predecessor, and resolves once the database
   * accepts connections. Fails with a text for the operator: folder in use, other major version, no permission.
   */
  async start(): Promise<{ url: string }> {
    const pgDir = prepareFolder(join(this.options.dataDir, 'pg'));
    this.lock = await DataDirLock.acquire(pgDir);
    try {
      const { url } = await this.startOwned(pgDir);
      return { url };
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends all connections, writes a checkpoint and waits until the process is gone. Safe to call twice. */
  stop(): Promise<void> {
    this.stopped ??= this.shutDown();
    return this.stopped;
  }

  private async startOwned(pgDir: string): Promise<EmbeddedConnection> {
    const cluster = join(pgDir, 'data');
    const binaries = locateBinaries();
    const runAs = chooseRunAs(this.options.allowNamespace);
    if (runAs.kind === 'os-user') {
      this.report(`User namespaces are not allowed here: PostgreSQL runs as the OS user "${FALLBACK_USER}".`);
    }
    removeDrafts(pgDir);
    const exists = clusterExists(cluster, binaries.major);
    if (exists) {
      await stopOrphans(cluster, this.report);
      ensureOwner(cluster, runAs);
    }
    const previous = readConnection(pgDir);
    removeSocketDir(previous?.socketDir);
    this.socketDir = mkdtempSync(join(socketParent(), SOCKET_PREFIX));

    const connection = describeConnection(previous?.port ?? 0, this.socketDir, previous?.password);
    // Written before the cluster exists: whenever there is a cluster, its password is known.
    writeConnection(pgDir, connection);
    if (!exists) {
      this.report('Creating the embedded database.');
      await initialise(pgDir, cluster, binaries, runAs, connection);
    } else if (previous === undefined) {
      await resetPassword(cluster, binaries, runAs, connection);
    }
    const running = await this.launch(pgDir, cluster, binaries, runAs, connection);
    await createDatabase(running);
    return running;
  }

  /** Starts PostgreSQL; the port may be taken between the look and the start, so it tries more than one. */
  private async launch(
    pgDir: string,
    cluster: string,
    binaries: PostgresBinaries,
    runAs: RunAs,
    { port: preferred, socketDir, password }: EmbeddedConnection,
  ): Promise<EmbeddedConnection> {
    const log = new BoundedLog(join(pgDir, 'log'), 'postgres.log');
    const prefix = [...runAs.prefix];
    if (this.options.endsWithParent !== false && parentDeathSignalWorks()) prefix.push('setpriv', '--pdeathsig', 'INT');
    for (let tries = 1; ; tries += 1) {
      const connection = describeConnection(await freePort(tries === 1 ? preferred : 0), socketDir, password);
      writeConnection(pgDir, connection);
      const command = [...prefix, binaries.postgres, '-D', cluster, ...this.serverArguments(connection)];
      const child = new PostgresProcess(cluster, command, (text) => log.append(text));
      this.process = child;
      if (await child.becameReady(this.report)) {
        void child.ended.then((reason) => this.noticeEnd(reason));
        return connection;
      }
      const reason = await child.ended;
      if (tries === PORT_TRIES || !log.tail().includes('could not bind')) {
        throw new Error(`PostgreSQL did not start (${reason}). Its last lines:\n${log.tail()}`);
      }
    }
  }

  private serverArguments({ port, host, socketDir }: EmbeddedConnection): string[] {
    const settings = {
      ...SETTINGS,
      ...this.options.settings,
      port: String(port),
      listen_addresses: host,
      unix_socket_directories: socketDir,
    };
    return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  }

  private noticeEnd(reason: string): void {
    if (this.stopped === undefined) this.options.onUnexpectedExit?.(`PostgreSQL ended by itself (${reason}).`);
  }

  private async shutDown(): Promise<void> {
    await this.process?.stop();
    removeSocketDir(this.socketDir);
    this.lock?.release();
  }
}

/** How to reach the embedded database of a server that runs now; undefined when none does. */
export async function findRunningDatabase(pgDir: string): Promise<EmbeddedConnection | undefined> {
  const connection = readConnection(pgDir);
  if (connection === undefined) return undefined;
  return (await DataDirLock.findOwner(realpathSync(pgDir))) === undefined ? undefined : connection;
}

/** The folder's absolute path without links, as PostgreSQL itself reports it. */
function prepareFolder(pgDir: string): string {
  try {
    mkdirSync(pgDir, { recursive: true, mode: 0o700 });
    accessSync(pgDir, constants.W_OK | constants.X_OK);
    return realpathSync(pgDir);
  } catch (error) {
    throw new Error(`The data folder ${pgDir} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

function socketParent(): string {
  const folder = tmpdir();
  return Buffer.byteLength(folder) <= MAX_SOCKET_PARENT ? folder : '/tmp';
}

/** The path may come from a file, so only a folder that we could have made is removed. */
function removeSocketDir(folder: string | undefined): void {
  if (folder !== undefined && basename(folder).startsWith(SOCKET_PREFIX))
    rmSync(folder, { recursive: true, force: true });
}

async function createDatabase({ url, database }: EmbeddedConnection): Promise<void> {
  const client = new pg.Client({ connectionString: new URL('/postgres', url).href });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}
