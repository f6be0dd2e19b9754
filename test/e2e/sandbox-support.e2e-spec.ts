import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { runCli } from '../support/cli.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { createTestDatabase } from '../support/database.js';
import { eventually } from '../support/pinned-sessions.js';
import { onAbleMachines, running } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { startServerProcess } from '../support/server-process.js';

/** A machine on which everything is installed that the sandbox runner uses, but for bubblewrap. */
const programs = mkdtempSync(join(tmpdir(), 'roundhouse-path-'));
for (const name of ['chmod', 'mkdir', 'mount', 'sh', 'unshare'])
  symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(programs, name));

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ SANDBOX_PATH: programs });
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  rmSync(programs, { recursive: true });
});

describe('a server on a machine without bubblewrap', () => {
  it('says what is missing and what to do, and does everything else', async () => {
    const { id } = (await alice.post('/v1/sessions')).body as { id: string };
    for (const background of [false, true])
      expect(await alice.post(`/v1/sessions/${id}/exec`, { argv: ['true'], background })).toMatchObject({
        status: 503,
        body: {
          error: 'sandboxes_unavailable',
          message: expect.stringMatching(/bubblewrap is missing.*apt-get install bubblewrap/) as string,
        },
      });
    expect((await alice.get(`/v1/sessions/${id}/exec`)).body).toEqual([]);
    expect((await alice.send('PUT', `/v1/sessions/${id}/files/a`, Buffer.from('a'))).status).toBe(201);
    expect((await alice.get(`/v1/sessions/${id}/files/a`)).body).toBe('a');
    expect((await alice.delete(`/v1/sessions/${id}`)).status).toBe(204);
    // Nothing hangs: what is to end is gone for good.
    await eventually(async () => {
      const rows = await server.app.get(Database).query('select 1 from sandbox where id = $1', [id]);
      return rows.length === 0;
    });
  });

  it('shows it in its health, and is healthy', async () => {
    const health = await eventually(async () => {
      const { status, body } = await alice.get('/health');
      return (body as { sandboxes: { available: boolean | null } }).sandboxes.available === null
        ? null
        : { status, body };
    });
    expect(health).toMatchObject({
      status: 200,
      body: {
        status: 'healthy',
        sandboxes: { available: false, reason: expect.stringContaining('apt-get install bubblewrap') as string },
      },
    });
  });

  it('is advised by the doctor', async () => {
    const { stdout } = await runCli(['doctor'], {
      DATA_DIR: server.dataDir,
      DATABASE_URL: server.databaseUrl,
      SANDBOX_PATH: programs,
    });
    expect(stdout).toMatch(/advice +sandboxes +no sandboxes\n.*apt-get install bubblewrap/);
  });
});

onAbleMachines('a server that is killed', () => {
  it('takes its commands along; the next one has sandboxes again', async () => {
    const database = await createTestDatabase();
    const dataDir = mkdtempSync(join(tmpdir(), 'roundhouse-e2e-'));
    const env = { DATABASE_URL: database.url, DATA_DIR: dataDir, LOG_LEVEL: 'warn' };
    const word = `66${process.pid}.25`;
    const first = await startServerProcess(env);
    const owner = await signUp(first);
    const { id } = (await owner.post('/v1/sessions', { persistent: true })).body as { id: string };
    const argv = ['sh', '-c', `setsid sleep ${word} & sleep ${word}`];
    const started = await owner.post(`/v1/sessions/${id}/exec`, { argv, background: true });
    expect(started.status).toBe(202);
    await eventually(async () => running(word).length === 2);
    const mark = `.${first.child.pid!.toString(36)}.`;
    const left = (): string[] =>
      readdirSync(tmpdir()).filter((name) => /^roundhouse-/.test(name) && name.includes(mark));
    expect(left()).toHaveLength(2);
    first.child.kill('SIGKILL');
    await eventually(async () => running(word).length === 0);

    const second = await startServerProcess(env);
    expect(left()).toEqual([]);
    const client = new Client(second.url, owner.key);
    const health = await eventually(async () => {
      const { sandboxes } = (await client.get('/health')).body as { sandboxes: { available: boolean | null } };
      return sandboxes.available === null ? null : sandboxes;
    });
    expect(health).toMatchObject({
      available: true,
      level: expect.stringMatching(/^(cgroup-v\d|supervised)$/) as string,
    });
    // Limits that the kernel does not keep are said to be so, with what to do about it.
    const { level, lacks } = health as { level?: string; lacks?: string };
    expect(/control groups .*Delegate=yes/.test(lacks ?? '')).toBe(level === 'supervised');
    const again = await client.post(
      `/v1/sessions/${id}/exec`,
      { argv: ['echo', 'again'] },
      { accept: 'application/json' },
    );
    expect(again.body).toMatchObject({ stdout: 'again\n' });
    expect(await second.stop()).toBe(0);
    rmSync(dataDir, { recursive: true });
    await database.drop();
  }, 60_000);
});
