import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { GitHttpsPeer } from '../support/peers/git-https.js';
import { LOCALHOST, STRANGER } from '../support/peers/localhost-certificate.js';
import { sql } from '../support/pinned-sessions.js';
import { runIn } from '../support/checkouts.js';
import { onAbleMachines, running } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

const run = promisify(execFile);

let trusted: string;
let peer: GitHttpsPeer;
let stranger: GitHttpsPeer;
let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  trusted = await mkdtemp(join(tmpdir(), 'trusted-'));
  await writeFile(join(trusted, 'ca.pem'), LOCALHOST.cert);
  [peer, stranger] = await Promise.all([GitHttpsPeer.start(), GitHttpsPeer.start(STRANGER)]);
  server = await startTestServer({
    SANDBOX_CLONE_HOSTS: `github.com,absent.invalid,${peer.host},${stranger.host}`,
    OUTBOUND_ALLOW_PRIVATE: 'localhost',
    NODE_EXTRA_CA_CERTS: join(trusted, 'ca.pem'),
    SANDBOX_MAX_CLONE_BYTES: '2000000',
  });
  alice = await signUp(server);
  await peer.repository('app', [{ 'a.txt': 'one\n' }, { 'a.txt': 'two\n', 'b.txt': 'b\n' }], 'trunk');
  await peer.repository('large', [{ 'large.bin': randomBytes(1_500_000) }]);
  await peer.repository('huge', [{ 'huge.bin': randomBytes(6_000_000) }]);
  await stranger.repository('app', [{ 'a.txt': 'one\n' }]);
});

afterAll(async () => {
  await server.close();
  await Promise.all([peer.stop(), stranger.stop()]);
  await rm(trusted, { recursive: true });
});

async function newSession(cloneUrl: string, more: object = {}): Promise<string> {
  const { status, body } = await alice.post('/api/sessions', { cloneUrl, ...more });
  if (status !== 200) throw new Error(`creating a session answered ${status}: ${JSON.stringify(body)}`);
  return body.session.id as string;
}

const provision = (sessionId: string): Promise<Answer> => alice.post('/api/sandbox', { sessionId });

async function checkoutOf(id: string): Promise<string> {
  const [row] = await sql<{ account: string }>(server, 'select account_id as account from sandbox where id = $1', [id]);
  return join(server.dataDir, 'workspaces', row!.account, '.sessions', id, 'work');
}

async function gitIn(id: string, ...args: string[]): Promise<string> {
  return (await run('git', ['-c', 'safe.directory=*', '-C', await checkoutOf(id), ...args])).stdout.trim();
}

/** What the session says of it, and that nothing of git is left running. */
async function failureOf(cloneUrl: string): Promise<string> {
  const id = await newSession(cloneUrl);
  expect(await provision(id)).toMatchObject({ status: 502, body: { error: 'Failed to provision sandbox' } });
  const { session } = (await alice.get(`/api/sessions/${id}`)).body;
  expect(session).toMatchObject({ lifecycleState: 'failed', lifecycleRunId: null });
  expect(running(cloneUrl)).toEqual([]);
  return session.lifecycleError as string;
}

describe('a repository of another server', () => {
  it('is checked out with its history, on its default branch', async () => {
    const url = `${peer.origin}/open/app.git`;
    const id = await newSession(url);
    expect(await provision(id)).toMatchObject({ status: 200, body: { currentBranch: 'trunk' } });
    expect(await readFile(join(await checkoutOf(id), 'a.txt'), 'utf8')).toBe('two\n');
    expect(await gitIn(id, 'log', '--format=%s')).toBe('commit 2\ncommit 1');
    expect(await gitIn(id, 'status', '--porcelain', '--branch')).toBe('## trunk...origin/trunk');
    expect(await gitIn(id, 'remote', 'get-url', 'origin')).toBe(url);
    expect(await gitIn(id, 'config', '--local', '--list')).not.toMatch(/sslcainfo|curloptresolve|\.pem/i);
  });

  onAbleMachines('with a branch of the session’s own', () => {
    it('is what the diff is made against', async () => {
      const id = await newSession(`${peer.origin}/open/app.git`, { isNewBranch: true });
      const { body } = await provision(id);
      expect(body.currentBranch).toMatch(/^[a-z0-9]{1,2}\/[0-9a-f]{8}$/);
      expect(await gitIn(id, 'symbolic-ref', 'refs/remotes/origin/HEAD')).toBe('refs/remotes/origin/trunk');
      await runIn(server, id, 'cd work && echo three > a.txt && git commit -qam three && echo new > c.txt');
      const diff = (await alice.get(`/api/sessions/${id}/diff`)).body;
      expect(diff.files.map(({ path }: { path: string }) => path)).toEqual(['a.txt', 'c.txt']);
      expect(diff.summary).toEqual({ totalFiles: 2, totalAdditions: 2, totalDeletions: 1 });
    });
  });

  it('is not cloned when its certificate is nobody’s that is trusted', async () => {
    expect(await failureOf(`${stranger.origin}/open/app.git`)).toBe(
      "The repository could not be fetched: its server's certificate is not trusted here",
    );
    expect(stranger.requests).toEqual([]);
  });

  it('is not cloned with a password: that it asks for one is said at once', async () => {
    expect(await failureOf(`${peer.origin}/private/app.git`)).toBe(
      'The repository could not be fetched: it asks for a password, and none is used here',
    );
  });

  it('is not looked for where it points', async () => {
    peer.movedTo = stranger.origin;
    expect(await failureOf(`${peer.origin}/moved/app.git`)).toBe(
      'The repository could not be fetched: its server points elsewhere, and is not followed there',
    );
    expect(stranger.requests).toEqual([]);
    peer.movedTo = peer.origin;
    expect(peer.requests.filter((line) => line.includes('/moved/'))).toHaveLength(1);
  });

  it('that is not there is told so', async () => {
    expect(await failureOf(`${peer.origin}/open/absent.git`)).toMatch(/not found/);
  });

  it('whose server is not found is a failure of the session', async () => {
    const reason = await failureOf('https://absent.invalid/acme/app.git');
    expect(reason).toMatch(/^absent\.invalid (?:has no address|could not be resolved)$/);
  });

  it('that is too large is broken off', async () => {
    expect(await failureOf(`${peer.origin}/open/huge.git`)).toBe('The repository is larger than 1 MB');
  });

  it('whose server stops in the middle is given up when the time is over', async () => {
    // The others are to have as long as a busy machine takes.
    const usual = server.config.SANDBOX_CLONE_SECONDS;
    server.config.SANDBOX_CLONE_SECONDS = 3;
    try {
      expect(await failureOf(`${peer.origin}/stalled/large.git`)).toBe('git took longer than 3 s');
    } finally {
      server.config.SANDBOX_CLONE_SECONDS = usual;
    }
  });

  it('whose server dies in the middle is an error, and may be tried again', async () => {
    const id = await newSession(`${peer.origin}/dying/large.git`);
    expect((await provision(id)).status).toBe(502);
    const { session } = (await alice.get(`/api/sessions/${id}`)).body;
    expect(session.lifecycleError).toMatch(/^The repository could not be fetched: /);
    await sql(server, 'update coding_session set clone_url = $2 where sandbox_id = $1', [
      id,
      `${peer.origin}/open/large.git`,
    ]);
    expect((await provision(id)).status).toBe(200);
  });

  it('is not taken with a password in its address, which nobody gets to see', async () => {
    const cloneUrl = `https://git:s3cr3t-pw@${peer.host}/private/app.git`;
    for (const [path, body] of [
      ['/api/sessions', { cloneUrl }],
      ['/api/sandbox', { repoUrl: cloneUrl }],
    ] as const) {
      const answer = await alice.post(path, body, { 'Idempotency-Key': `pw ${path}` });
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.body)).not.toContain('s3cr3t-pw');
    }
    const tables = await sql<{ name: string }>(
      server,
      `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
    );
    for (const { name } of tables)
      expect(await sql(server, `select 1 from "${name}" t where t::text like '%s3cr3t-pw%'`)).toEqual([]);
  });
});
