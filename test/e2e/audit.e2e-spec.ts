import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../libs/platform/src/index.js';
import { type CliRun, runCli } from '../support/cli.js';
import { createRepo, signUp, type TestAccount } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let db: Database;
let ada: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  db = server.app.get(Database);
  ada = await signUp(server);
  await createRepo(ada, 'audited');
});

afterAll(async () => {
  await server.close();
});

const verify = (...args: string[]): Promise<CliRun> =>
  runCli(['audit', 'verify', ...args], { DATABASE_URL: server.databaseUrl, DATA_DIR: server.dataDir });

async function untilSealed(): Promise<void> {
  for (;;) {
    const open = await db.query('select 1 from audit where id not in (select audit_id from audit_seal) limit 1');
    if (open.length === 0) return;
    await setTimeout(50);
  }
}

describe('the audit log of a running server', () => {
  it('is sealed by itself, with a key that only the server may read', async () => {
    await untilSealed();
    const { mode } = await stat(join(server.dataDir, 'secrets', 'audit-signing.key'));
    expect(mode & 0o777).toBe(0o600);
  });

  it('is verified by the command line, in whole and per account', async () => {
    await untilSealed();
    const whole = await verify();
    expect(whole).toMatchObject({ code: 0, stderr: '' });
    expect(whole.stdout).toMatch(/\d+ chains, \d+ rows sealed, \d+ not sealed yet, 0 problems\n$/);
    const one = await verify('--account', ada.slug);
    expect(one).toMatchObject({ code: 0 });
    expect(one.stdout).toMatch(/^chain .+\n1 chains, \d+ rows sealed/);
  });

  it('is verified elsewhere with the public key alone', async () => {
    const exported = await runCli(['audit', 'public-key'], { DATA_DIR: server.dataDir });
    expect(exported).toMatchObject({ code: 0 });
    const elsewhere = await mkdtemp(join(tmpdir(), 'roundhouse-auditor-'));
    try {
      const [right, wrong] = [join(elsewhere, 'right.pem'), join(elsewhere, 'wrong.pem')];
      await writeFile(right, exported.stdout);
      await writeFile(wrong, generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }));
      const env = { DATABASE_URL: server.databaseUrl, DATA_DIR: elsewhere };
      expect(await runCli(['audit', 'verify', '--public-key', right], env)).toMatchObject({ code: 0 });
      const refused = await runCli(['audit', 'verify', '--public-key', wrong], env);
      expect(refused.code).toBe(1);
      expect(refused.stdout).toContain('PROBLEM wrong_ledger_signature');
      expect(await runCli(['audit', 'verify'], env)).toMatchObject({ code: 1, stdout: '' });
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('is not sealed by a process that only serves requests', async () => {
    const other = await startTestServer({ APP_MODE: 'api' });
    try {
      await signUp(other);
      // Its rows wait; the first process that runs jobs takes them.
      await setTimeout(1_000);
      expect(await other.app.get(Database).query('select 1 from audit_seal')).toEqual([]);
      const worker = await startOn(other.databaseUrl, other.dataDir, { APP_MODE: 'worker' });
      while ((await other.app.get(Database).query('select 1 from audit_seal')).length === 0) await setTimeout(50);
      await worker.close();
    } finally {
      await other.close();
    }
  });
});

it('names what was altered, with exit code 1', async () => {
  await untilSealed();
  const [row] = await db.query<{ id: string }>(
    `update audit set actor_user_id = gen_random_uuid()
      where id = (select min(id) from audit where action = 'repo.create') returning id`,
  );
  const found = await verify();
  expect(found.code).toBe(1);
  expect(found.stdout).toContain(`PROBLEM altered row ${row?.id} `);
  expect(found.stdout.match(/PROBLEM/g)).toHaveLength(1);
});

it.each([[[]], [['verify', '--what']], [['verify', 'x']], [['unknown']], [['public-key', 'x']]])(
  'the command line %j is answered with its usage',
  async (args) => {
    const answer = await runCli(['audit', ...args], { DATA_DIR: server.dataDir });
    expect(answer).toMatchObject({ code: 2, stdout: '' });
    expect(answer.stderr).toContain('Usage: roundhouse audit verify');
  },
);
