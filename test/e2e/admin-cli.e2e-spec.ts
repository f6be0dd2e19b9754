import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../libs/platform/src/index.js';
import { ADMIN_USERS, auditOf } from '../support/administration.js';
import { type CliRun, runCli } from '../support/cli.js';
import { admin, Client, signUp } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { startServerProcess } from '../support/server-process.js';

describe('roundhouse admin beside a running server', () => {
  let server: TestServer;
  let db: Database;
  let root: Client;

  beforeAll(async () => {
    server = await startTestServer();
    db = server.app.get(Database);
    root = await admin(server);
  });

  afterAll(async () => {
    await server.close();
  });

  const cli = (...args: string[]): Promise<CliRun> =>
    runCli(['admin', ...args], { DATABASE_URL: server.databaseUrl, DATA_DIR: server.dataDir });

  const emailOf = async (userId: string): Promise<string> =>
    (await root.get(`${ADMIN_USERS}/${userId}`)).body.email as string;

  it('mints a key for who has lost theirs, by address or id, with the audit row of the route', async () => {
    const ada = await signUp(server);
    const byEmail = await cli('mint-key', '--user', (await emailOf(ada.userId)).toUpperCase(), '--name', 'rescue');
    const byId = await cli('mint-key', '--user', ada.userId);
    for (const { code, stdout, stderr } of [byEmail, byId]) {
      expect(code).toBe(0);
      expect(stdout).toMatch(/^rhu_[0-9A-Za-z]{38}\n$/);
      expect(stderr).not.toContain(stdout.trim());
      const me = await new Client(server.url, stdout.trim()).get('/api/v1/auth/me');
      expect(me.body).toMatchObject({ user_id: ada.userId });
    }
    expect(await auditOf(db, 'mint_api_key_on_behalf', ada.userId)).toMatchObject([
      { actor_kind: 'system', actor_user_id: null, facts: { name: 'rescue', via: 'cli' } },
      { actor_kind: 'system', actor_user_id: null, facts: { name: 'admin-minted', via: 'cli' } },
    ]);
  });

  it('mints none for nobody and for a deactivated user', async () => {
    expect(await cli('mint-key', '--user', 'nobody@example.com')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'User not found\n',
    });
    const ada = await signUp(server);
    await root.delete(`${ADMIN_USERS}/${ada.userId}`);
    expect(await cli('mint-key', '--user', ada.userId)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'Cannot mint key for inactive user\n',
    });
  });

  it('makes an administrator, and lists users', async () => {
    const ada = await signUp(server);
    expect(await cli('set-tier', '--user', ada.userId, '--tier', 'admin')).toMatchObject({
      code: 0,
      stdout: `${ada.userId}: enterprise -> admin\n`,
    });
    while ((await ada.get(ADMIN_USERS)).status !== 200) await setTimeout(30);
    const email = await emailOf(ada.userId);
    const listed = await cli('list-users', '--search', email.slice(0, -4).toUpperCase());
    expect(listed).toMatchObject({ code: 0, stdout: `${ada.userId}\t${email}\tadmin\tactive\n`, stderr: '' });
  });

  it.each([
    [[]],
    [['unknown']],
    [['mint-key']],
    [['mint-key', '--user', '']],
    [['mint-key', '--user', 'x', '--what', 'y']],
    [['set-tier', '--user', 'x', '--tier']],
    [['list-users', 'x']],
  ])('answers %j with its usage', async (args) => {
    const { code, stdout, stderr } = await cli(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: roundhouse admin mint-key');
  });
});

describe('roundhouse admin on the embedded database', () => {
  it('mints while the server runs and while it does not, and the log still verifies', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'roundhouse-admin-'));
    const env = { DATA_DIR: dataDir, DATABASE_URL: '', LOG_LEVEL: 'warn' };
    try {
      expect(await runCli(['admin', 'list-users'], env)).toMatchObject({ code: 1, stdout: '' });
      const first = await startServerProcess(env);
      const running = await runCli(['admin', 'mint-key', '--user', 'admin@localhost'], env);
      expect(running).toMatchObject({ code: 0 });
      expect((await new Client(first.url, running.stdout.trim()).get(ADMIN_USERS)).status).toBe(200);
      expect(await first.stop()).toBe(0);

      const stopped = await runCli(['admin', 'mint-key', '--user', 'admin@localhost'], env);
      expect(stopped).toMatchObject({ code: 0, stdout: expect.stringMatching(/^rhu_\w{38}\n$/) });
      const verified = await runCli(['audit', 'verify'], env);
      expect(verified).toMatchObject({ code: 0 });
      // Minted with nobody there to seal it.
      expect(verified.stdout).toMatch(/ [1-9]\d* not sealed yet, 0 problems\n$/);

      const second = await startServerProcess(env);
      expect((await new Client(second.url, stopped.stdout.trim()).get(ADMIN_USERS)).status).toBe(200);
      await second.stop();
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 180_000);
});
