import { execFile } from 'node:child_process';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Database } from '../../libs/platform/src/index.js';
import { SandboxLifecycle, SandboxProvider } from '../../libs/sandboxes/src/index.js';
import { type Answer, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const run = promisify(execFile);
const OWN = 'https://roundhouse.test';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;
let workspace: string;

beforeAll(async () => {
  server = await startTestServer({
    PUBLIC_URL: OWN,
    SANDBOX_MAX_CLONE_BYTES: '2000000',
    SANDBOX_CLONE_HOSTS: 'github.com,localhost',
  });
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
  for (const account of [alice, bob]) {
    await createRepo(account, 'app', { visibility: 'private' });
    await commit(account, 'app', 'main', [{ path: 'src/a.ts', content: 'a\n' }]);
    await commit(account, 'app', 'main', [{ path: 'run.sh', content: '#!/bin/sh\n', mode: '100755' }]);
  }
  await createRepo(bob, 'open', { visibility: 'public' });
  await commit(bob, 'open', 'main', [{ path: 'open.txt', content: 'o\n' }]);
  await alice.post('/v1/repos/app/branches', { name: 'dev', from: 'main' });
  const { body } = await alice.post('/v1/sessions');
  const [row] = await server.app
    .get(Database)
    .query<{ account: string }>('select account_id as account from sandbox where id = $1', [body.id]);
  workspace = join(server.dataDir, 'workspaces', row!.account);
});

afterAll(async () => {
  await server.close();
});

async function commit(client: Client, repo: string, branch: string, changes: object[]): Promise<void> {
  const answer = await client.post(`/v1/repos/${repo}/commits`, { branch, message: 'm', changes } as never);
  if (answer.status !== 201) throw new Error(`committing answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}

const urlOf = (account: TestAccount, repo: string): string => `${OWN}/${account.slug}/${repo}.git`;
const checkoutOf = (id: string): string => join(workspace, '.sessions', id, 'work');
const gitIn = async (id: string, ...args: string[]): Promise<string> =>
  (await run('git', ['-c', 'safe.directory=*', '-C', checkoutOf(id), ...args])).stdout.trim();

async function sessionWith(body: object, client: Client = alice): Promise<string> {
  return ((await client.post('/api/sessions', body as never)).body as { session: { id: string } }).session.id;
}

async function lifeOf(id: string): Promise<Record<string, unknown>> {
  return ((await alice.get(`/api/sessions/${id}`)).body as { session: Record<string, unknown> }).session;
}

const provision = (body: object, client: Client = alice): Promise<Answer> => client.post('/api/sandbox', body as never);

describe('provisioning a sandbox', () => {
  it('checks the repository of the session out, and says so', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
    const answer = await provision({ sessionId: id });
    expect(answer).toMatchObject({
      status: 200,
      body: { sessionId: id, mode: 'vercel', currentBranch: 'main', timing: { readyMs: expect.any(Number) as number } },
    });
    expect(answer.body.timeout as number).toBeGreaterThan(4.9 * 3_600_000);
    expect(await readFile(join(checkoutOf(id), 'src/a.ts'), 'utf8')).toBe('a\n');
    expect((await stat(join(checkoutOf(id), 'run.sh'))).mode & 0o111).toBe(0o111);
    expect(await gitIn(id, 'status', '--porcelain', '--branch')).toBe('## main...origin/main');
    expect(await gitIn(id, 'remote', 'get-url', 'origin')).toBe(urlOf(alice, 'app'));
    expect(await gitIn(id, 'branch', '-r', '--format=%(refname)')).toContain('refs/remotes/origin/dev');
    expect(await lifeOf(id)).toMatchObject({
      lifecycleState: 'active',
      lifecycleVersion: 2,
      lifecycleError: null,
      lifecycleRunId: null,
      branch: 'main',
      sandboxState: { type: 'vercel', sandboxName: `session-${id}`, source: { branch: 'main' } },
    });
  });

  it('leaves nothing of this server in it: no shared file, no path, no credential', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
    await provision({ sessionId: id });
    const config = await readFile(join(checkoutOf(id), '.git/config'), 'utf8');
    expect(config).not.toContain(server.dataDir);
    expect(config).not.toContain(alice.key);
    const packs = join(checkoutOf(id), '.git/objects/pack');
    for (const name of await readdir(packs)) expect((await stat(join(packs, name))).nlink).toBe(1);
    await expect(stat(join(checkoutOf(id), '.git/objects/info/alternates'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await gitIn(id, 'fsck', '--strict')).toBe('');
  });

  it('has all branches and tags of the repository, and nothing that it keeps beside them', async () => {
    await createRepo(alice, 'many');
    await commit(alice, 'many', 'main', [{ path: 'a.txt', content: 'a\n' }]);
    for (const name of ['gone', 'kept']) {
      await alice.post('/v1/repos/many/branches', { name, from: 'main' });
      await commit(alice, 'many', name, [{ path: `${name}.txt`, content: `${name}\n` }]);
    }
    const shaOf = async (branch: string): Promise<string> =>
      (await alice.get(`/v1/repos/many/commits?ref=${branch}&limit=1`)).body.commits[0].sha as string;
    const [gone, kept] = [await shaOf('gone'), await shaOf('kept')];
    expect((await alice.delete('/v1/repos/many/branches/gone')).status).toBeLessThan(300);
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'many') });
    expect((await provision({ sessionId: id })).status).toBe(200);
    expect(await gitIn(id, 'rev-parse', 'refs/remotes/origin/kept')).toBe(kept);
    expect(await gitIn(id, 'symbolic-ref', 'refs/remotes/origin/HEAD')).toBe('refs/remotes/origin/main');
    await expect(gitIn(id, 'cat-file', '-e', gone)).rejects.toMatchObject({ code: 1 });
    await alice.delete('/v1/repos/many');
    expect(await gitIn(id, 'fsck', '--strict')).toBe('');
  });

  it('lets those who work in it change it', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app'), isNewBranch: true });
    const { body } = await provision({ sessionId: id });
    expect(body.currentBranch).toMatch(/^[a-z0-9]{1,2}\/[0-9a-f]{8}$/);
    expect(await gitIn(id, 'symbolic-ref', '--short', 'HEAD')).toBe(body.currentBranch);
    const use = await server.app.get(SandboxLifecycle).use({ id });
    const script = 'cd work && echo b > b.txt && git add . && git commit -qm two && git log --format=%s | wc -l';
    const execution = await server.app.get(SandboxProvider).exec(use.place, {
      argv: ['/bin/sh', '-c', script],
      env: {},
      timeoutMs: 20_000,
      outputBytes: 10_000,
    });
    const output: string[] = [];
    for await (const { data } of execution.output) output.push(data.toString());
    expect([output.join('').trim(), (await execution.exit).code]).toEqual(['4', 0]);
    use.release();
  });

  it('begins with an empty repository when the session has none', async () => {
    const id = await sessionWith({});
    expect(await provision({ sessionId: id })).toMatchObject({ status: 200, body: { currentBranch: 'main' } });
    expect(await gitIn(id, 'status', '--porcelain', '--branch')).toBe('## No commits yet on main');
  });

  it('makes a session for whoever names none, so that what runs has a name', async () => {
    const answer = await provision({ repoUrl: urlOf(bob, 'open') });
    const id = answer.body.sessionId as string;
    expect(answer).toMatchObject({ status: 200, body: { currentBranch: 'main' } });
    expect(await readFile(join(checkoutOf(id), 'open.txt'), 'utf8')).toBe('o\n');
    expect(await lifeOf(id)).toMatchObject({ cloneUrl: urlOf(bob, 'open'), lifecycleState: 'active' });
  });

  it('happens once for many who ask at the same time, and not again for those who ask later', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app'), branch: 'dev' });
    const answers = await Promise.all(Array.from({ length: 8 }, () => provision({ sessionId: id })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await provision({ sessionId: id, repoUrl: urlOf(alice, 'app') })).toMatchObject({ status: 200 });
    expect(await lifeOf(id)).toMatchObject({ lifecycleVersion: 2, branch: 'dev' });
  });

  it('is asked for again with the same Idempotency-Key without a second one', async () => {
    const headers = { 'idempotency-key': 'bring-up' };
    const ask = (): Promise<Answer> => alice.post('/api/sandbox', { repoUrl: urlOf(bob, 'open') }, headers);
    const first = await ask();
    const again = await ask();
    expect(first.status).toBe(200);
    expect(again).toMatchObject({ status: 200, body: first.body as object });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const id = first.body.sessionId as string;
    expect(await lifeOf(id)).toMatchObject({ lifecycleState: 'active', lifecycleVersion: 2 });
  });

  it('ends with the session that is deleted meanwhile', async () => {
    for (let round = 0; round < 4; round += 1) {
      const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
      const begun = provision({ sessionId: id });
      await new Promise((resolve) => setTimeout(resolve, round * 25));
      expect((await alice.delete(`/api/sessions/${id}`)).status).toBe(200);
      expect([200, 404, 409]).toContain((await begun).status);
      expect((await alice.get(`/api/sessions/${id}`)).status).toBe(404);
      const rows = (): Promise<unknown[]> => server.app.get(Database).query('select from sandbox where id = $1', [id]);
      await eventually(async () => (await rows()).length === 0);
      expect((await readdir(join(workspace, '.sessions', '.staging'))).filter((name) => name.startsWith(id))).toEqual(
        [],
      );
    }
  });

  it('wakes a paused one up for many at the same time', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
    await provision({ sessionId: id });
    await alice.delete('/api/sandbox', { sessionId: id });
    const answers = await Promise.all(Array.from({ length: 8 }, () => provision({ sessionId: id })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await lifeOf(id)).toMatchObject({ lifecycleState: 'active', lifecycleVersion: 6 });
  });

  it('is done anew when the directory is lost', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
    await provision({ sessionId: id });
    await rm(join(workspace, '.sessions', id), { recursive: true });
    expect(await alice.get(`/api/sandbox/reconnect?sessionId=${id}`)).toMatchObject({ body: { status: 'expired' } });
    expect(await alice.put('/api/sandbox/snapshot', { sessionId: id })).toMatchObject({
      status: 404,
      body: { error: 'Saved sandbox is no longer available. Create a new sandbox.' },
    });
    expect(await provision({ sessionId: id })).toMatchObject({ status: 200 });
    expect(await readFile(join(checkoutOf(id), 'src/a.ts'), 'utf8')).toBe('a\n');
  });
});

describe('what is not provisioned', () => {
  it.each<[object, number, string]>([
    [{}, 400, 'repoUrl is required'],
    [{ repoUrl: '' }, 400, 'repoUrl cannot be empty'],
    [{ repoUrl: 'https://github.com/a' }, 400, 'repoUrl must be a valid GitHub repository URL'],
    [{ repoUrl: 'ftp://github.com/a/b' }, 400, 'repoUrl must be a valid GitHub repository URL'],
    [{ repoUrl: 'https://evil.example/github.com/a/b' }, 400, 'repoUrl must be a valid GitHub repository URL'],
    [{ repoUrl: 'https://user:pw@github.com/a/b' }, 400, 'repoUrl must be a valid GitHub repository URL'],
    [{ repoUrl: 7 }, 400, 'repoUrl must be a valid GitHub repository URL'],
    [{ sessionId: 7 }, 400, 'Invalid sessionId'],
    [{ sessionId: 'nosuch' }, 404, 'Session not found'],
    [{ sessionId: 'a\0b' }, 404, 'Session not found'],
    [{ sessionId: 'x'.repeat(101) }, 404, 'Session not found'],
    [{ repoUrl: 'https://github.com/a/b', branch: '--upload-pack=x' }, 400, 'Invalid branch'],
    [{ repoUrl: 'https://github.com/a/b', sandboxType: 'docker' }, 400, 'Invalid sandbox type'],
  ])('%j', async (body, status, error) => {
    expect(await provision(body)).toMatchObject({ status, body: { status: 'error', error } });
  });

  it('another account’s private repository, whoever’s session names it; its session neither', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(bob, 'app') });
    expect(await provision({ sessionId: id })).toMatchObject({ status: 404 });
    expect(await lifeOf(id)).toMatchObject({ lifecycleState: 'provisioning', lifecycleVersion: 0 });
    expect(await provision({ sessionId: id }, bob)).toMatchObject({ status: 403, body: { error: 'Forbidden' } });
  });

  it('a repository other than the session’s, also when its sandbox began without any', async () => {
    const [named, empty] = [await sessionWith({ cloneUrl: urlOf(alice, 'app') }), await sessionWith({})];
    await provision({ sessionId: empty });
    for (const sessionId of [named, empty])
      expect(await provision({ sessionId, repoUrl: urlOf(bob, 'open') })).toMatchObject({
        status: 400,
        body: { error: 'repoUrl is not the repository of the session' },
      });
  });

  it('what its caller may not have, and no session is left for it', async () => {
    const count = async (): Promise<number> => ((await alice.get('/api/sessions')).body.sessions as object[]).length;
    const before = await count();
    expect((await provision({ repoUrl: urlOf(bob, 'app') })).status).toBe(404);
    expect(await count()).toBe(before);
  });

  it('an archived session', async () => {
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
    await alice.patch(`/api/sessions/${id}`, { status: 'archived' });
    expect(await provision({ sessionId: id })).toMatchObject({ status: 409, body: { code: 'session_archived' } });
  });

  it('for a version that is not the last one', async () => {
    const id = await sessionWith({});
    const answer = await alice.post('/api/sandbox', { sessionId: id }, { 'If-Match': '"7"' });
    expect(answer).toMatchObject({ status: 412, body: { lifecycleVersion: 0 } });
  });

  it('from an address that is not public', async () => {
    const id = await sessionWith({ cloneUrl: 'https://localhost/a/b' });
    expect(await provision({ sessionId: id })).toMatchObject({ status: 400, body: { code: 'address_not_allowed' } });
  });

  it('with a key that may not read repositories', async () => {
    const { body } = await alice.post('/api/v1/auth/keys', { name: 'narrow', scopes: ['sandboxes:write'] });
    const narrow = new Client(server.url, body.raw_key as string);
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'app') });
    expect(await provision({ sessionId: id }, narrow)).toMatchObject({ status: 403 });
  });
});

describe('a provisioning that fails', () => {
  it('says why in the session, leaves nothing behind, and may be tried again', async () => {
    await createRepo(alice, 'big');
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'big'), branch: 'absent' });
    const headers = { 'idempotency-key': 'fails' };
    expect(await alice.post('/api/sandbox', { sessionId: id }, headers)).toMatchObject({
      status: 502,
      body: { status: 'error', error: 'Failed to provision sandbox', sessionId: id },
    });
    expect(await lifeOf(id)).toMatchObject({
      lifecycleState: 'failed',
      lifecycleError: 'Remote branch absent not found',
      lifecycleRunId: null,
      lifecycleVersion: 2,
    });
    expect(await readdir(join(workspace, '.sessions', '.staging'))).toEqual([]);
    const many = await Promise.all([provision({ sessionId: id }), provision({ sessionId: id })]);
    expect(many.map(({ status }) => status)).toEqual([502, 502]);
    await alice.post('/v1/repos/big/branches', { name: 'absent', from: 'main' });
    expect(await alice.post('/api/sandbox', { sessionId: id }, headers)).toMatchObject({
      status: 200,
      body: { currentBranch: 'absent' },
    });
  });

  it('because the repository is too large is told before its files are written', async () => {
    await createRepo(alice, 'bomb');
    const line = 'x'.repeat(900_000);
    const changes = [1, 2, 3].map((n) => ({ path: `f${n}`, content: line + n }));
    await commit(alice, 'bomb', 'main', changes);
    const id = await sessionWith({ cloneUrl: urlOf(alice, 'bomb') });
    expect(await provision({ sessionId: id })).toMatchObject({ status: 502 });
    expect(await lifeOf(id)).toMatchObject({ lifecycleError: 'The repository is larger than 1 MB' });
  });
});
