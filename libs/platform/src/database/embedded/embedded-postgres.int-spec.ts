import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { compiledEntry } from '#kernel';
import type { EmbeddedConnection } from './connection-file.js';
import { EmbeddedPostgres, type EmbeddedPostgresOptions, findRunningDatabase } from './embedded-postgres.js';
import { isPostgresOn, readPostmasterPid } from './orphans.js';

/** A server stand-in: it owns the database until it is killed. */
const OWNER = `
  const [entry, dataDir, endsWithParent] = process.argv.slice(1);
  const { EmbeddedPostgres } = await import(entry);
  await new EmbeddedPostgres({ dataDir, endsWithParent: endsWithParent === 'true' }).start();
  process.send('ready');
  setInterval(() => {}, 1e6);
`;

const dataDir = realpathSync(mkdtempSync(join(tmpdir(), 'rh-embedded-')));
const pgDir = join(dataDir, 'pg');
const cluster = join(pgDir, 'data');
let running: EmbeddedPostgres | undefined;
let owner: ChildProcess | undefined;
const reports: string[] = [];

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<string> {
  running = new EmbeddedPostgres({ dataDir, report: (line) => reports.push(line), ...options });
  const { url } = await running.start();
  return url;
}

async function stop(): Promise<void> {
  await running?.stop();
  running = undefined;
}

async function startOwner({ endsWithParent }: { endsWithParent: boolean }): Promise<number> {
  const entry = compiledEntry('libs/platform/src/database/embedded/embedded-postgres.js');
  owner = spawn(process.execPath, ['--input-type=module', '-e', OWNER, entry, dataDir, String(endsWithParent)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(owner, 'message');
  return readPostmasterPid(cluster)!;
}

async function killOwner(): Promise<void> {
  const ended = once(owner!, 'exit');
  owner!.kill('SIGKILL');
  await ended;
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  // A server that is killed under the client is what some of these tests are about.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

function connection(): EmbeddedConnection {
  return JSON.parse(readFileSync(join(pgDir, 'connection.json'), 'utf8')) as EmbeddedConnection;
}

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

async function waitForQuery(url: string, text: string): Promise<void> {
  const sql = `select from pg_stat_activity where pid <> pg_backend_pid() and query like '%${text}%'`;
  while ((await query(url, sql)).length === 0) await sleep(20);
}

beforeAll(async () => {
  const url = await start();
  await query(url, 'create table kept as select 42 as answer');
  await stop();
}, 60_000);

afterEach(async () => {
  await stop();
  owner?.kill('SIGKILL');
  owner = undefined;
  reports.length = 0;
});

afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

describe('a first start', () => {
  it('leaves a cluster with checksums, and its connection readable by its owner only', async () => {
    const url = await start();

    expect(await query(url, 'show data_checksums')).toEqual([{ data_checksums: 'on' }]);
    expect(connection().url).toBe(url);
    expect(statSync(join(pgDir, 'connection.json')).mode & 0o777).toBe(0o600);
    expect(statSync(cluster).mode & 0o777).toBe(0o700);
  });

  it('makes commits durable and listens on loopback only', async () => {
    const url = await start();
    const settings = await query<{ name: string; setting: string }>(
      url,
      `select name, setting from pg_settings where name in
       ('fsync', 'full_page_writes', 'synchronous_commit', 'listen_addresses') order by name`,
    );

    expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      full_page_writes: 'on',
      listen_addresses: '127.0.0.1',
      synchronous_commit: 'on',
    });
  });

  it('refuses a connection without the password', async () => {
    const url = new URL(await start());
    url.password = 'guess';

    await expect(query(url.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  it('that died half-way is started over', async () => {
    const other = mkdtempSync(join(dataDir, 'other-'));
    mkdirSync(join(other, 'pg/init-died/data/base'), { recursive: true });
    const postgres = new EmbeddedPostgres({ dataDir: other });
    const { url } = await postgres.start();

    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(readdirSync(join(other, 'pg')).filter((name) => name.startsWith('init-'))).toEqual([]);
    await postgres.stop();
  });
});

describe('a second start', () => {
  it('keeps the data and the password', async () => {
    const { password } = connection();
    const url = await start();

    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(connection().password).toBe(password);
  });

  it('sets a new password when the connection file was lost', async () => {
    rmSync(join(pgDir, 'connection.json'));
    const url = await start();

    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('takes another port when its old one is in use', async () => {
    const url = await start();
    await stop();
    const squatter = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${new URL(url).port}, '127.0.0.1', () => console.log('up'))`,
    ]);
    await once(squatter.stdout, 'data');
    try {
      const moved = await start();
      expect(new URL(moved).port).not.toBe(new URL(url).port);
    } finally {
      squatter.kill();
    }
  });

  it('does not initialise over files that are not a cluster', async () => {
    const other = mkdtempSync(join(dataDir, 'other-'));
    mkdirSync(join(other, 'pg/data'), { recursive: true });
    writeFileSync(join(other, 'pg/data/precious'), 'kept');

    await expect(new EmbeddedPostgres({ dataDir: other }).start()).rejects.toThrow('no PG_VERSION');
    expect(readFileSync(join(other, 'pg/data/precious'), 'utf8')).toBe('kept');
  });

  it('refuses a cluster of another major version and leaves it as it is', async () => {
    const versionFile = join(cluster, 'PG_VERSION');
    const ours = readFileSync(versionFile, 'utf8');
    writeFileSync(versionFile, '15\n');
    try {
      await expect(start()).rejects.toThrow(/was written by PostgreSQL 15, this release brings PostgreSQL 18/);
    } finally {
      writeFileSync(versionFile, ours);
    }
    expect(await query(await start(), 'select answer from kept')).toEqual([{ answer: 42 }]);
  });
});

describe('two servers on one data folder', () => {
  it('fail the second with the process id of the first, which goes on', async () => {
    const url = await start();
    const pid = readPostmasterPid(cluster);

    await expect(new EmbeddedPostgres({ dataDir }).start()).rejects.toThrow(
      `in use by another server (process ${process.pid})`,
    );
    expect(readPostmasterPid(cluster)).toBe(pid);
    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('started at the same moment leave exactly one', async () => {
    const both = [new EmbeddedPostgres({ dataDir }), new EmbeddedPostgres({ dataDir })];
    const results = await Promise.allSettled(both.map((postgres) => postgres.start()));

    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await Promise.all(both.map((postgres) => postgres.stop()));
  });

  it('lets other programs find the running one, and none once it has stopped', async () => {
    const url = await start();
    expect((await findRunningDatabase(pgDir))?.url).toBe(url);
    await stop();
    expect(await findRunningDatabase(pgDir)).toBeUndefined();
  });
});

describe('after kill -9', () => {
  it('of the server, PostgreSQL shuts itself down', async () => {
    const postmaster = await startOwner({ endsWithParent: true });
    await killOwner();

    await waitFor(() => !isPostgresOn(postmaster, cluster));
    expect(existsSync(join(cluster, 'postmaster.pid'))).toBe(false);
  });

  it('of the server, a PostgreSQL left behind is stopped and replaced', async () => {
    const postmaster = await startOwner({ endsWithParent: false });
    const { socketDir } = connection();
    await query(connection().url, 'create table if not exists written_before_the_kill()');
    await killOwner();
    expect(isPostgresOn(postmaster, cluster)).toBe(true);

    const url = await start();
    expect(isPostgresOn(postmaster, cluster)).toBe(false);
    expect(reports.join('\n')).toContain(`process ${postmaster}`);
    expect(existsSync(socketDir)).toBe(false);
    expect(await query(url, "select to_regclass('written_before_the_kill') is not null as found")).toEqual([
      { found: true },
    ]);
  });

  it('of the whole tree, the next start recovers what was acknowledged', async () => {
    const postmaster = await startOwner({ endsWithParent: false });
    const { url } = connection();
    await query(url, 'create table if not exists acknowledged(n int)');
    await query(url, 'insert into acknowledged values (7)');
    process.kill(postmaster, 'SIGKILL');
    await killOwner();

    expect(existsSync(join(cluster, 'postmaster.pid'))).toBe(true);
    expect(await query(await start(), 'select n from acknowledged')).toEqual([{ n: 7 }]);
  });

  it('a backend that still runs does not keep the next start from working', async () => {
    const postmaster = await startOwner({ endsWithParent: false });
    const { url } = connection();
    // Unlike a sleeping one, a computing backend does not notice that its postmaster died.
    const busy = query(url, `select count(*) from generate_series(1, 1e11)`).catch(() => undefined);
    await waitForQuery(url, 'generate_series(1, 1e11)');
    process.kill(postmaster, 'SIGKILL');
    await killOwner();

    expect(await query(await start(), 'select answer from kept')).toEqual([{ answer: 42 }]);
    await busy;
  });
});

describe('a stale postmaster.pid', () => {
  /** Puts `pid` into the file that a killed postmaster left. */
  async function leavePidFile(pid: number): Promise<void> {
    await start();
    const file = readFileSync(join(cluster, 'postmaster.pid'), 'utf8');
    await stop();
    writeFileSync(join(cluster, 'postmaster.pid'), file.replace(/^\d+/, String(pid)));
  }

  it('whose number belongs to another program now is removed, and that program left alone', async () => {
    const bystander = spawn('sleep', ['600'], { cwd: cluster });
    expect(isPostgresOn(bystander.pid!, cluster)).toBe(false);
    await leavePidFile(bystander.pid!);

    expect(await query(await start(), 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(bystander.kill(0)).toBe(true);
    bystander.kill();
  });

  it('whose number belongs to the PostgreSQL of another folder does not stop that one', async () => {
    const other = new EmbeddedPostgres({ dataDir: mkdtempSync(join(dataDir, 'other-')) });
    const { url } = await other.start();
    const [backend] = await query<{ pid: string }>(
      url,
      "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1) pid",
    );
    await leavePidFile(Number(backend!.pid));

    expect(await query(await start(), 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await other.stop();
  });
});

describe('a running PostgreSQL', () => {
  it('that dies is reported, and a stop is not', async () => {
    const ends: string[] = [];
    const onUnexpectedExit = (reason: string): void => void ends.push(reason);
    await start({ onUnexpectedExit });
    await stop();
    expect(ends).toEqual([]);

    await start({ onUnexpectedExit });
    process.kill(readPostmasterPid(cluster)!, 'SIGQUIT');
    await waitFor(() => ends.length > 0);
    expect(ends[0]).toContain('PostgreSQL ended by itself');
  });

  it('stops cleanly with a client in the middle of a query', async () => {
    const url = await start();
    const busy = query(url, 'select pg_sleep(600)').catch((error: Error) => error.message);
    await waitForQuery(url, 'pg_sleep(600)');
    await stop();

    expect(await busy).toMatch(/terminat/);
    expect(existsSync(join(cluster, 'postmaster.pid'))).toBe(false);
  });
});
