import { Client, createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { GitClient, gitUrl } from '../support/git.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';
import { expectSound, git, storedRepo } from '../support/stored-repo.js';

let server: TestServer;
let ada: TestAccount;
let repos = 0;
let slug: string;
/** The initial commit, and one with a file on top of it, where main stands. */
let root: string;
let top: string;
let tree: string;

beforeAll(async () => {
  server = await startTestServer();
  ada = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

beforeEach(async () => {
  slug = await createRepo(ada, `repo-${(repos += 1)}`);
  const body = (await commit('main')).body;
  [root, top, tree] = [body.parent, body.sha, body.tree_sha];
});

const url = (tail: string): string => `/v1/repos/${slug}/${tail}`;
const commit = (branch: string): Promise<Answer> =>
  ada.post(url('commits'), { branch, message: 'm', changes: [{ path: 'a', content: `${branch}\n` }] });
const create = (name: unknown, more: Record<string, unknown> = {}): Promise<Answer> =>
  ada.post(url('branches'), { name, ...more } as never);
const put = (ref: string, sha: unknown, more: Record<string, unknown> = {}): Promise<Answer> =>
  ada.put(url(`refs/${ref}`), { sha, ...more } as never);
const ZERO = '0'.repeat(40);
const NONE = 'd'.repeat(40);

describe('creating a branch', () => {
  it('starts at the default branch, another branch, or a commit, which wins', async () => {
    expect(await create('one')).toMatchObject({ status: 201, body: { name: 'one', sha: top, created: true } });
    await put('heads/old', root);
    expect((await create('two', { from: 'old' })).body).toEqual({ name: 'two', sha: root, created: true });
    expect((await create('three', { from: 'old', from_sha: top })).body.sha).toBe(top);
    expect((await create('four', { from: '', from_sha: null })).body.sha).toBe(top);
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it.each<[number, string, Record<string, unknown>]>([
    [400, 'Branch name is required', {}],
    [400, 'Branch name is required', { name: '' }],
    [400, 'Branch name is required', { name: 7 }],
    [400, 'Invalid branch name', { name: 'a..b' }],
    [400, 'Invalid branch name', { name: 'HEAD' }],
    [400, 'Invalid branch name', { name: '/x' }],
    [400, 'Invalid branch name', { name: 'a.lock' }],
    [400, 'Invalid branch name', { name: 'a\0' }],
    [409, "Branch 'main' already exists", { name: 'main' }],
    [409, "Ref 'refs/heads/main/sub' conflicts with an existing ref", { name: 'main/sub' }],
    [404, "Source branch 'none' not found", { name: 'x', from: 'none' }],
    [404, "Source branch 'a\0' not found", { name: 'x', from: 'a\0' }],
    [404, 'from_sha not found', { name: 'x', from_sha: NONE }],
    [400, 'Invalid from_sha format', { name: 'x', from_sha: 'nonsense' }],
    [400, 'from must be a string', { name: 'x', from: 7 }],
  ])('answers %i %s', async (status, error, body) => {
    const answer = await ada.post(url('branches'), body as never);
    expect(answer).toMatchObject({ status, body: { error, code: expect.any(String) } });
    expect((await ada.get(url('branches'))).body.total).toBe(1);
  });

  it('does not take a tag for a branch, nor a tree for a commit', async () => {
    await put('tags/v1', top);
    expect((await create('x', { from: 'v1' })).status).toBe(404);
    expect((await create('x', { from_sha: tree })).status).toBe(422);
  });

  it('lets one of many simultaneous creations win, on two servers too', async () => {
    const other = await startOn(server.databaseUrl, server.dataDir);
    try {
      const clients = [ada, new Client(other.url, ada.key)];
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, index) => clients[index % 2]!.post(url('branches'), { name: 'race' })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(11).fill(409)]);
      const clash = await Promise.all([
        ...Array.from({ length: 6 }, (_, index) => clients[index % 2]!.post(url('branches'), { name: 'dir' })),
        ...Array.from({ length: 6 }, (_, index) => clients[index % 2]!.post(url('branches'), { name: 'dir/below' })),
      ]);
      expect(clash.filter(({ status }) => status === 201)).toHaveLength(1);
    } finally {
      await other.close();
    }
    await expectSound(server, await storedRepo(server, ada, slug));
  });
});

describe('branches', () => {
  it.each(['feature/a/b', 'feature%2Fa%2Fb', 'feature/a%2Fb'])('with slashes are reached as %s', async (written) => {
    await create('feature/a/b');
    expect((await ada.get(url(`branches/${written}`))).body).toEqual({ name: 'feature/a/b', sha: top });
    expect((await ada.get(url(`refs/heads/${written}`))).body).toEqual({ ref: 'refs/heads/feature/a/b', sha: top });
    expect((await ada.delete(url(`branches/${written}`))).body).toEqual({ deleted: true, name: 'feature/a/b' });
    expect(await ada.get(url(`branches/${written}`))).toMatchObject({
      status: 404,
      body: { error: 'Branch not found' },
    });
  });

  it('may have any name git allows', async () => {
    for (const name of ['ünï/cödé', '中文', 'a+b', "it's", 'a%b', 'a&b=c', '🦊', '@', 'tree', 'x'.repeat(200)]) {
      expect((await create(name)).status).toBe(201);
      expect((await ada.get(url(`branches/${encodeURIComponent(name)}`))).body.name).toBe(name);
    }
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('are deleted once, the default one never', async () => {
    await create('side');
    expect(await ada.delete(url('branches/main'))).toMatchObject({
      status: 400,
      body: { error: 'Cannot delete the default branch' },
    });
    expect((await ada.delete(url('branches/side'))).status).toBe(200);
    for (const name of ['side', 'none', 'a..b']) {
      expect(await ada.delete(url(`branches/${name}`))).toMatchObject({
        status: 404,
        body: { error: 'Branch not found' },
      });
    }
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('free their name for one below or above', async () => {
    await create('d/x');
    expect((await create('d')).status).toBe(409);
    await ada.delete(url('branches/d/x'));
    expect((await create('d')).status).toBe(201);
    expect((await create('d/x')).status).toBe(409);
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('are listed in byte order, page by page', async () => {
    const names = ['B', 'a', 'a-b', 'a0', 'b/c', 'main', 'ä'];
    for (const name of names) if (name !== 'main') await create(name);
    const whole = (await ada.get(url('branches'))).body;
    expect(whole).toMatchObject({ default_branch: 'main', total: 7, next_cursor: null });
    expect(whole.branches).toEqual(names.map((name) => ({ name, sha: top })));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Answer = await ada.get(url(`branches?limit=2&cursor=${encodeURIComponent(cursor)}`));
      expect(page.body.total).toBe(7);
      seen.push(...page.body.branches.map(({ name }: { name: string }) => name));
      cursor = page.body.next_cursor as string | null;
    }
    expect(seen).toEqual(names);
    for (const limit of ['0', '-1', 'x', '9999'])
      expect((await ada.get(url(`branches?limit=${limit}`))).status).toBe(200);
    expect((await ada.get(url('branches?limit=0'))).body.branches).toHaveLength(1);
  });
});

describe('refs', () => {
  it('are listed in both shapes, branches before tags, page by page', async () => {
    await create('b');
    for (const name of ['v1', 'v2', 'release/1']) await put(`tags/${name}`, top);
    const { body } = await ada.get(url('refs'));
    const branches = ['b', 'main'].map((name) => ({ name, sha: top, type: 'branch' }));
    const tags = ['release/1', 'v1', 'v2'].map((name) => ({ name, sha: top, type: 'tag' }));
    const refs = ['heads/b', 'heads/main', 'tags/release/1', 'tags/v1', 'tags/v2'].map((name) => ({
      ref: `refs/${name}`,
      sha: top,
    }));
    expect(body).toEqual({ branches, tags, refs, default_branch: 'main', total: 5, next_cursor: null });
    for (const limit of [1, 2, 3, 4]) {
      const seen: unknown[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Answer = await ada.get(url(`refs?limit=${limit}&cursor=${encodeURIComponent(cursor)}`));
        expect(page.body.branches.length + page.body.tags.length).toBe(page.body.refs.length);
        seen.push(...page.body.refs);
        cursor = page.body.next_cursor as string | null;
        if (cursor !== null) expect(cursor).toMatch(/^(branch|tag):/);
      }
      expect(seen).toEqual(refs);
    }
  });

  it.each(['nonsense', 'branch:', 'note:x', 'tag:a\0'])('refuse the cursor %j', async (cursor) => {
    expect(await ada.get(url(`refs?cursor=${encodeURIComponent(cursor)}`))).toMatchObject({
      status: 400,
      body: { error: 'Invalid cursor' },
    });
  });

  it('are created, moved in any direction, read and deleted', async () => {
    expect(await put('heads/x', root)).toMatchObject({
      status: 200,
      body: { ref: 'refs/heads/x', sha: root, previous_sha: null },
    });
    expect((await put('heads/x', top)).body).toEqual({ ref: 'refs/heads/x', sha: top, previous_sha: root });
    expect((await put('heads/x', root)).body.previous_sha).toBe(top);
    expect((await put('heads/main', root)).body.previous_sha).toBe(top);
    expect((await ada.get(url('commits'))).body.commits).toHaveLength(1);
    expect((await ada.delete(url('refs/heads/x'))).body).toEqual({ deleted: true, ref: 'refs/heads/x', sha: root });
    expect(await ada.get(url('refs/heads/x'))).toMatchObject({
      status: 404,
      body: { error: "Ref 'refs/heads/x' not found" },
    });
    expect(await ada.delete(url('refs/heads/x'))).toMatchObject({ status: 404 });
    expect(await ada.delete(url('refs/heads/main'))).toMatchObject({
      status: 400,
      body: { error: 'Cannot delete the default branch' },
    });
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('name nothing without a path', async () => {
    expect(await ada.get(url('refs/'))).toMatchObject({ status: 400, body: { error: 'Ref path is required' } });
  });

  const mismatch = 'Ref was updated concurrently (expected_sha mismatch)';
  it.each<[number, string, string, () => Record<string, unknown>]>([
    [400, 'Invalid ref path. Must be refs/heads/* or refs/tags/*', 'notes/x', () => ({ sha: top })],
    [400, 'Invalid ref path. Must be refs/heads/* or refs/tags/*', 'heads', () => ({ sha: top })],
    [400, 'Invalid ref path. Must be refs/heads/* or refs/tags/*', 'heads/a..b', () => ({ sha: top })],
    [400, 'Invalid ref path. Must be refs/heads/* or refs/tags/*', 'heads/HEAD', () => ({ sha: top })],
    [400, 'Valid 40-char hex SHA is required', 'heads/x', () => ({})],
    [400, 'Valid 40-char hex SHA is required', 'heads/x', () => ({ sha: null })],
    [400, 'Valid 40-char hex SHA is required', 'heads/x', () => ({ sha: top.toUpperCase() })],
    [400, 'Valid 40-char hex SHA is required', 'heads/x', () => ({ sha: top.slice(0, 10) })],
    [404, `Object '${NONE}' not found`, 'heads/x', () => ({ sha: NONE })],
    [422, 'A branch must point to a commit', 'heads/x', () => ({ sha: tree })],
    [400, 'Invalid expected_sha format', 'heads/x', () => ({ sha: top, expected_sha: 'x' })],
    [
      404,
      "Ref 'refs/heads/x' not found (cannot CAS a non-existent ref)",
      'heads/x',
      () => ({ sha: top, expected_sha: top }),
    ],
    [409, mismatch, 'heads/main', () => ({ sha: root, expected_sha: root })],
    [409, mismatch, 'heads/main', () => ({ sha: root, expected_sha: ZERO })],
    [409, "Ref 'refs/heads/main/x' conflicts with an existing ref", 'heads/main/x', () => ({ sha: top })],
  ])('answer %i %s to a PUT of %s', async (status, error, ref, body) => {
    const answer = await ada.put(url(`refs/${ref}`), body() as never);
    expect(answer).toMatchObject({ status, body: { error } });
    if (error === mismatch) expect(answer.body.current_sha).toBe(top);
    expect((await ada.get(url('refs'))).body.refs).toEqual([{ ref: 'refs/heads/main', sha: top }]);
  });

  it('are compared and set: forty zeros demand a new one, and one of many wins', async () => {
    const created = await Promise.all(Array.from({ length: 8 }, () => put('heads/new', top, { expected_sha: ZERO })));
    expect(created.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(409)]);
    const moved = await Promise.all(Array.from({ length: 8 }, () => put('heads/new', root, { expected_sha: top })));
    expect(moved.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(409)]);
    for (const { status, body } of moved) if (status === 409) expect(body.current_sha).toBe(root);
  });

  it('take every one of many unconditional moves', async () => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, index) => put('heads/busy', index % 2 === 0 ? top : root)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(16).fill(200));
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('may be tags of any object', async () => {
    for (const sha of [tree, top]) expect((await put(`tags/t-${sha.slice(0, 4)}`, sha)).status).toBe(200);
    expect(await ada.get(url(`tree/t-${tree.slice(0, 4)}`))).toMatchObject({ status: 404 });
    await expectSound(server, await storedRepo(server, ada, slug));
  });
});

describe('annotated tags', () => {
  it('mean their commit on every path that reads', async () => {
    const client = new GitClient();
    try {
      const folder = 'work';
      await client.git('.', 'clone', '-q', gitUrl(server, ada.slug, slug, ada.key), folder);
      await client.git(folder, 'tag', '-a', '-m', 'one', 'v1', root);
      await client.git(folder, 'tag', '-a', '-m', 'two', 'v2', top);
      await client.git(folder, 'tag', '-a', '-m', 'nested', 'nested/v2', 'v2');
      await client.git(folder, 'push', '-q', 'origin', '--tags');
    } finally {
      client.remove();
    }
    const tag = (await ada.get(url('refs/tags/v2'))).body.sha as string;
    expect(await git(await storedRepo(server, ada, slug), 'cat-file', '-t', tag)).toBe('tag');
    for (const name of ['v2', 'nested/v2', 'refs/tags/v2', tag]) {
      const encoded = encodeURIComponent(name);
      expect((await ada.get(url(`commits?ref=${encoded}`))).body.commits[0].sha).toBe(top);
      expect((await ada.get(url(`tree/${encoded}`))).body.sha).toBe(tree);
      expect((await ada.get(url(`blob/${encoded}/a`))).body.content).toBe('main\n');
      expect((await ada.get(url(`raw/${encoded}/a`))).body).toBe('main\n');
      expect((await ada.post(url('blobs/batch'), { ref: name, paths: ['a'] })).body.blobs).toHaveLength(1);
    }
    expect((await ada.get(url('commits?ref=v1'))).body.commits).toHaveLength(1);
    expect((await create('from-tag', { from_sha: tag })).body.sha).toBe(top);
    expect((await put('heads/x', tag)).status).toBe(422);
    expect((await put('tags/copy', tag)).status).toBe(200);
    expect((await ada.get(url('tree/copy'))).body.sha).toBe(tree);
    await expectSound(server, await storedRepo(server, ada, slug));
  });
});
