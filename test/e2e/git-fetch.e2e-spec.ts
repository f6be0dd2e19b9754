import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signUp, type TestAccount } from '../support/client.js';
import {
  clone,
  emptyWorkTree,
  expectSound,
  GitClient,
  type HostedRepo,
  hostRepo,
  PROTOCOLS,
  refsOf,
} from '../support/git.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let client: GitClient;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  client = new GitClient();
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  client.remove();
});

/** Commits through the API and answers the sha. */
async function apiCommit(repo: HostedRepo, changes: Record<string, string>, branch = 'main'): Promise<string> {
  const { status, body } = await alice.post(`/v1/repos/${repo.slug}/commits`, {
    branch,
    message: 'Write over the API',
    changes: Object.entries(changes).map(([path, content]) => ({ path, content })),
  });
  if (status !== 201) throw new Error(`commit answered ${status}: ${JSON.stringify(body)}`);
  return body.sha as string;
}

const entries = (count: number): string[] => Array.from({ length: count }, (_, n) => `entry ${n}\n`);

describe.each(PROTOCOLS)('fetching with protocol version %s', (version) => {
  const protocol = ['-c', `protocol.version=${version}`];

  it('clones what only the API has written, then fetches and pulls what it writes next', async () => {
    const repo = await hostRepo(server, alice);
    await apiCommit(repo, { 'a.txt': 'one\n', 'dir/b.txt': 'two\n' });
    const folder = await clone(client, repo.url, ...protocol);
    expect(readFileSync(join(client.path(folder), 'dir/b.txt'), 'utf8')).toBe('two\n');
    const next = await apiCommit(repo, { 'a.txt': 'three\n' });
    await client.git(folder, ...protocol, 'fetch', '-q', 'origin');
    expect(await client.git(folder, 'rev-parse', 'origin/main')).toBe(next);
    const last = await apiCommit(repo, { 'c.txt': 'four\n' });
    await client.git(folder, ...protocol, 'pull', '-q', '--ff-only');
    expect(await client.git(folder, 'rev-parse', 'HEAD')).toBe(last);
    await client.git(folder, 'fsck', '--strict');
    await expectSound(client, repo);
  });

  it('pulls into a clone with a long history of its own', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    await client.history(work, 'log.txt', entries(20));
    await client.git(work, ...protocol, 'push', '-q', 'origin', 'main');
    const folder = await clone(client, repo.url, ...protocol);
    await client.history(folder, 'mine.txt', entries(20));
    const theirs = await client.commit(work, 'theirs.txt', 'x\n');
    await client.git(work, ...protocol, 'push', '-q', 'origin', 'main');
    await client.git(folder, ...protocol, 'pull', '-q', '--no-rebase', '--no-edit');
    expect(await client.git(folder, 'merge-base', 'HEAD', theirs)).toBe(theirs);
    await client.git(folder, 'fsck', '--strict');
  });

  it('clones shallow, deepens and unshallows', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    await client.history(work, 'log.txt', entries(6));
    await client.git(work, 'push', '-q', 'origin', 'main');
    const folder = await clone(client, repo.url, ...protocol, '--depth=1');
    const depth = (): Promise<string> => client.git(folder, 'rev-list', '--count', 'HEAD');
    expect(await depth()).toBe('1');
    await client.git(folder, ...protocol, 'fetch', '-q', '--deepen=2');
    expect(await depth()).toBe('3');
    await client.git(folder, ...protocol, 'fetch', '-q', '--unshallow');
    expect(await depth()).toBe('6');
    await client.git(folder, 'fsck', '--strict');
  });

  it('pushes from a shallow clone', async () => {
    const repo = await hostRepo(server, alice);
    await apiCommit(repo, { 'a.txt': 'one\n' });
    await apiCommit(repo, { 'a.txt': 'two\n' });
    const folder = await clone(client, repo.url, ...protocol, '--depth=1');
    const head = await client.commit(folder, 'b.txt', 'from the shallow end\n');
    await client.git(folder, ...protocol, 'push', '-q', 'origin', 'HEAD:main');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
    await expectSound(client, repo);
  });

  it('clones without blobs and fetches each when it is needed', async () => {
    const repo = await hostRepo(server, alice);
    await apiCommit(repo, { 'a.txt': 'first\n' });
    await apiCommit(repo, { 'a.txt': 'second\n' });
    const folder = await clone(client, repo.url, ...protocol, '--filter=blob:none', '--no-checkout');
    const missing = await client.git(folder, 'rev-list', '--objects', '--missing=print', 'HEAD');
    expect(missing.split('\n').filter((line) => line.startsWith('?'))).toHaveLength(2);
    expect(await client.git(folder, ...protocol, 'show', 'HEAD~1:a.txt')).toBe('first');
    expect(await client.git(folder, ...protocol, 'show', 'HEAD:a.txt')).toBe('second');
  });

  it('clones an empty repository and pushes its first branches', async () => {
    const repo = await hostRepo(server, alice);
    const folder = await clone(client, repo.url, ...protocol);
    const head = await client.commit(folder, 'a.txt', 'one\n');
    await client.git(folder, ...protocol, 'push', '-q', 'origin', 'HEAD:main', 'HEAD:other');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`, `refs/heads/other ${head}`]);
    await expectSound(client, repo);
  });

  it('clones and pushes when the default branch does not exist', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, ...protocol, 'push', '-q', 'origin', 'main:trunk');
    const folder = await clone(client, repo.url, ...protocol, '--branch=trunk');
    expect(await client.git(folder, 'rev-parse', 'HEAD')).toBe(head);
    await client.git(folder, ...protocol, 'push', '-q', 'origin', 'HEAD:refs/heads/main');
    expect(await client.git('.', ...protocol, 'ls-remote', '--symref', repo.url, 'HEAD')).toContain(head);
  });

  it('brings annotated tags with what they point to', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'tag', '-a', 'v1', '-m', 'First');
    await client.git(work, ...protocol, 'push', '-q', 'origin', 'main', 'v1');
    const listed = await client.git('.', ...protocol, 'ls-remote', '--tags', repo.url);
    expect(listed).toContain(`${head}\trefs/tags/v1^{}`);
    const folder = await clone(client, repo.url, ...protocol);
    expect(await client.git(folder, 'rev-parse', 'v1^{}')).toBe(head);
    expect((await alice.get(`/v1/repos/${repo.slug}/blob/v1/a.txt`)).body).toMatchObject({ content: 'one\n' });
    await expectSound(client, repo);
  });
});

describe('fetching', () => {
  it('reaches a repository in a namespace, and only there', async () => {
    const repo = await hostRepo(server, alice, { namespace: 'team', init: true });
    const folder = await clone(client, repo.url);
    const head = await client.commit(folder, 'a.txt', 'one\n');
    await client.git(folder, 'push', '-q', 'origin', 'HEAD:main');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
    const { code, output } = await client.attempt('.', ['ls-remote', repo.url.replace('/team/', '/')]);
    expect({ code, output }).toMatchObject({ code: 128, output: expect.stringContaining('not found') });
  });

  it('takes branch names with slashes from both sides', async () => {
    const repo = await hostRepo(server, alice, { init: true });
    const folder = await clone(client, repo.url);
    await client.commit(folder, 'a.txt', 'one\n');
    await client.git(folder, 'push', '-q', 'origin', 'HEAD:refs/heads/feature/deep/er', 'HEAD:refs/tags/rel/1.0');
    expect((await alice.get(`/v1/repos/${repo.slug}/blob/feature/deep/er/a.txt`)).status).toBe(200);
    const next = await apiCommit(repo, { 'b.txt': 'two\n' }, 'feature/deep/er');
    await client.git(folder, 'fetch', '-q', 'origin');
    expect(await client.git(folder, 'rev-parse', 'origin/feature/deep/er')).toBe(next);
    await expectSound(client, repo);
  });

  it('fetches with gzip-compressed requests of many haves', async () => {
    const repo = await hostRepo(server, alice, { init: true });
    const folder = await clone(client, repo.url);
    for (let n = 0; n < 60; n += 1) await client.git(folder, 'commit', '-q', '--allow-empty', '-m', `Mine ${n}`);
    const theirs = await apiCommit(repo, { 'a.txt': 'one\n' });
    await client.git(folder, 'fetch', '-q', 'origin');
    expect(await client.git(folder, 'rev-parse', 'origin/main')).toBe(theirs);
  });

  it('counts what it sends and takes as transfer of the owner', async () => {
    const owner = await signUp(server);
    const repo = await hostRepo(server, owner);
    const work = await emptyWorkTree(client, repo);
    writeFileSync(join(client.path(work), 'noise.bin'), randomBytes(300_000));
    await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    const transferred = (): Promise<number> => transferOf(owner);
    const pushed = await transferred();
    expect(pushed).toBeGreaterThan(300_000);
    await clone(client, repo.url);
    expect(await transferred()).toBeGreaterThan(pushed + 300_000);
  });
});

async function transferOf(owner: TestAccount): Promise<number> {
  const { Database, Usage } = await import('../../libs/platform/src/index.js');
  await server.app.get(Usage).flush();
  const [row] = await server.app.get(Database).query<{ total: string }>(
    `select coalesce(sum(u.quantity), 0) as total from usage_daily u join account a on a.id = u.account_id
        where a.slug = $1 and u.event_type = 'git_transfer_bytes'`,
    [owner.slug],
  );
  return Number(row?.total);
}
