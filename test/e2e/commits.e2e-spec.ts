import { admin, Client, createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';
import { expectSound, git, storedRepo } from '../support/stored-repo.js';

let server: TestServer;
let ada: TestAccount;
let repos = 0;
let slug: string;

beforeAll(async () => {
  server = await startTestServer();
  ada = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

beforeEach(async () => {
  slug = await createRepo(ada, `repo-${(repos += 1)}`);
});

type Change = Record<string, unknown>;

const post = (body: unknown): Promise<Answer> => ada.post(`/v1/repos/${slug}/commits`, body as never);
const commit = (changes: Change[], more: Record<string, unknown> = {}): Promise<Answer> =>
  post({ branch: 'main', message: 'm', changes, ...more });
const file = (path: string, content = 'x'): Change => ({ path, content });
const read = async (path: string, ref = 'main'): Promise<Answer['body']> =>
  (await ada.get(`/v1/repos/${slug}/blob/${ref}/${path}`)).body;
const paths = async (ref = 'main'): Promise<string[]> =>
  (await ada.get(`/v1/repos/${slug}/tree/${ref}?recursive=true`)).body.items
    .filter((item: { type: string }) => item.type === 'file')
    .map((item: { path: string; mode: string }) => `${item.mode} ${item.path}`);
const head = async (branch = 'main'): Promise<string | null> =>
  (await ada.get(`/v1/repos/${slug}/branches/${branch}`)).body.sha ?? null;

describe('a commit', () => {
  it('answers what the contract lists and is what git reads', async () => {
    const parent = await head();
    const author = { name: 'Ada Löve', email: 'ada@example.com' };
    const answer = await commit([file('b/c.txt', 'hi\n'), file('a.txt', '')], { message: 'First\n\nbody', author });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      sha: expect.stringMatching(/^[0-9a-f]{40}$/),
      tree_sha: expect.stringMatching(/^[0-9a-f]{40}$/),
      branch: 'main',
      parent,
      parent_sha: parent,
      _timing: expect.objectContaining({ total: expect.any(Number) }),
    });
    const repo = await storedRepo(server, ada, slug);
    const raw = await git(repo, 'cat-file', '-p', answer.body.sha as string);
    expect(raw).toMatch(
      new RegExp(`^tree ${answer.body.tree_sha}\nparent ${parent}\nauthor Ada Löve <ada@example.com> \\d+ \\+0000\n`),
    );
    expect(raw.endsWith('\n\nFirst\n\nbody')).toBe(true);
    expect(await git(repo, 'ls-tree', '-r', '--name-only', 'main')).toBe('a.txt\nb/c.txt');
    await expectSound(server, repo);
  });

  it('has an author of its own choice or the default, who also commits it', async () => {
    await commit([file('a')]);
    const [listed] = (await ada.get(`/v1/repos/${slug}/commits`)).body.commits;
    expect(listed).toMatchObject({ author_name: 'Roundhouse', author_email: 'noreply@roundhouse.local' });
    expect(Math.abs(listed.timestamp - Date.now() / 1000)).toBeLessThan(60);
    const raw = await git(await storedRepo(server, ada, slug), 'cat-file', '-p', 'main');
    expect(/author (.*)/.exec(raw)?.[1]).toBe(/committer (.*)/.exec(raw)?.[1]);
  });

  it('is made even when nothing changes, and again', async () => {
    const first = await commit([file('a')]);
    const [again, more] = [await commit([file('a')]), await commit([{ path: 'none', action: 'delete' }])];
    expect([again.status, more.status]).toEqual([201, 201]);
    expect(new Set([first.body.tree_sha, again.body.tree_sha, more.body.tree_sha]).size).toBe(1);
    expect(more.body.parent).toBe(again.body.sha);
  });

  it('ignores unknown members of the body, and null ones count as absent', async () => {
    const body = { branch: 'main', message: 'm', author: null, parent_sha: null, extra: 1, changes: [file('a')] };
    expect((await post(body)).status).toBe(201);
    const nulls = { path: 'b', content: 'x', action: null, encoding: null, mode: null, edits: null, new_path: null };
    expect((await commit([nulls])).status).toBe(201);
  });

  it('reads a body with a byte order mark, and of any content type', async () => {
    const body = Buffer.from(`\ufeff${JSON.stringify({ branch: 'main', message: 'm', changes: [file('a')] })}`);
    expect((await ada.send('POST', `/v1/repos/${slug}/commits`, body, { 'content-type': 'text/plain' })).status).toBe(
      201,
    );
  });
});

describe('a refused commit', () => {
  const sha = 'a'.repeat(40);
  const rows: [number, unknown, string][] = [
    [400, {}, 'branch is required'],
    [400, { branch: 7 }, 'branch is required'],
    [400, { branch: '' }, 'branch is required'],
    [400, { branch: 'a..b' }, 'Invalid branch name'],
    [400, { branch: 'HEAD' }, 'Invalid branch name'],
    [400, { branch: '-x' }, 'Invalid branch name'],
    [400, { branch: 'x/' }, 'Invalid branch name'],
    [400, { branch: 'a.lock/b' }, 'Invalid branch name'],
    [400, { branch: 'refs/heads/main' }, 'Invalid branch name'],
    [400, { branch: 'a\0' }, 'Invalid branch name'],
    [400, { branch: 'x'.repeat(257) }, 'Invalid branch name'],
    [400, { message: undefined }, 'message is required'],
    [400, { message: '' }, 'message is required'],
    [400, { message: ['m'] }, 'message is required'],
    [400, { message: 'é'.repeat(25_601) }, 'Commit message exceeds 50 KB limit'],
    [400, { author: {} }, 'author.name and author.email are required'],
    [400, { author: { name: 'x' } }, 'author.name and author.email are required'],
    [400, { author: { name: '', email: 'e' } }, 'author.name and author.email are required'],
    [400, { author: 'x' }, 'author.name and author.email are required'],
    [400, { changes: undefined }, 'changes array is required and must not be empty'],
    [400, { changes: [] }, 'changes array is required and must not be empty'],
    [400, { changes: {} }, 'changes array is required and must not be empty'],
    [400, { changes: Array(1_001).fill(file('a')) }, 'Maximum 1000 file changes per commit'],
    [400, { changes: [{ content: 'x' }] }, 'File path is required'],
    [400, { changes: [{ path: 7, content: 'x' }] }, 'File path is required'],
    [400, { changes: [file('')] }, 'File path is required'],
    [400, { changes: [file('a\0')] }, 'File path contains null byte: a\0'],
    [400, { changes: [file('/a')] }, 'File path must be relative: /a'],
    [400, { changes: [file('a//b')] }, 'File path has empty segment: a//b'],
    [400, { changes: [file('a/')] }, 'File path has empty segment: a/'],
    [400, { changes: [file('a/../b')] }, 'File path contains traversal: a/../b'],
    [400, { changes: [file('.')] }, 'File path contains traversal: .'],
    [400, { changes: [file('x'.repeat(4_097))] }, `File path exceeds 4096 char limit: ${'x'.repeat(100)}...`],
    [400, { changes: [file('.git/config')] }, 'File path contains forbidden component: .git/config'],
    [400, { changes: [file('a/.GIT/x')] }, 'File path contains forbidden component: a/.GIT/x'],
    [400, { changes: [file('git~1')] }, 'File path contains forbidden component: git~1'],
    [400, { changes: [file('.g\u200cit/x')] }, 'File path contains forbidden component: .g\u200cit/x'],
    [400, { changes: [file('a\\b')] }, 'File path contains backslash: a\\b'],
    [400, { changes: [file('a\nb')] }, 'File path contains control character: a\nb'],
    [
      400,
      { changes: [file(`${'y'.repeat(256)}`)] },
      `File path contains component longer than 255 bytes: ${'y'.repeat(256)}`,
    ],
    [400, { changes: [{ path: 'a', action: 'none', content: 'x' }] }, 'Unknown action "none": a'],
    [400, { changes: [{ path: 'a' }] }, 'content is required for action "create": a'],
    [400, { changes: [{ path: 'a', content: 7 }] }, 'content must be a string: a'],
    [400, { changes: [{ path: 'a', content: 'x', encoding: 'latin1' }] }, 'encoding must be "utf-8" or "base64": a'],
    [400, { changes: [{ path: 'a', content: 'abcde', encoding: 'base64' }] }, 'Invalid base64 content for file: a'],
    [400, { changes: [{ path: 'a', content: 'ab c', encoding: 'base64' }] }, 'Invalid base64 content for file: a'],
    [400, { changes: [{ path: 'a', content: 'ab_-', encoding: 'base64' }] }, 'Invalid base64 content for file: a'],
    [400, { changes: [{ path: 'a', content: 'ab=', encoding: 'base64' }] }, 'Invalid base64 content for file: a'],
    [400, { changes: [{ path: 'a', content: 'x', mode: '100600' }] }, 'mode must be one of 100644, 100755, 120000: a'],
    [400, { changes: [{ path: 'a', action: 'edit' }] }, 'edits array required for action "edit": a'],
    [
      400,
      { changes: [{ path: 'a', action: 'edit', edits: [{}] }] },
      'Each edit must have either "range" or "old_string": a',
    ],
    [400, { changes: [{ path: 'a', action: 'rename' }] }, 'new_path is required for action "rename": a'],
    [400, { changes: [{ path: 'a', action: 'rename', new_path: '../b' }] }, 'File path contains traversal: ../b'],
    [400, { changes: [{ path: 'a', action: 'lazy_edit' }] }, 'edit_snippet required for action "lazy_edit": a'],
    [
      400,
      { changes: [{ path: 'a', action: 'lazy_edit', edit_snippet: 's'.repeat(204_801) }] },
      'edit_snippet exceeds 200 KB: a',
    ],
    [400, { changes: [{ path: 'a', content: 'x', contnet: 'y' }] }, 'Unknown member "contnet" in changes[0]'],
    [400, { changes: [file('ok'), null] }, 'changes[1] must be an object'],
    [400, { parent_sha: 7 }, 'parent_sha must be a string'],
    [
      404,
      { changes: [{ path: 'none', action: 'edit', edits: [{ old_string: 'a' }] }] },
      'File not found for edit: none',
    ],
    [404, { changes: [{ path: 'none', action: 'rename', new_path: 'b' }] }, 'File not found for rename: none'],
    [404, { branch: 'new', parent_sha: sha }, 'Parent commit not found'],
    [422, { branch: 'new', parent_sha: 'nonsense' }, 'parent_sha is not a commit sha'],
    [409, { parent_sha: sha }, 'Branch has moved since parent_sha. Fetch latest HEAD and retry.'],
    [409, { parent_sha: 'NONSENSE' }, 'Branch has moved since parent_sha. Fetch latest HEAD and retry.'],
    [409, { branch: 'main/sub' }, "Ref 'refs/heads/main/sub' conflicts with an existing ref"],
  ];

  it.each(rows.map(([status, body, error]) => [status, error.slice(0, 90), body, error] as const))(
    'answers %i %s',
    async (status, _, body, error) => {
      const before = [await head(), await paths()];
      const whole = { branch: 'main', message: 'm', changes: [file('a')], ...(body as object) };
      const answer = await post(body && Object.keys(body as object).length === 0 ? {} : whole);
      expect(answer).toMatchObject({ status, body: { error } });
      const codes: Record<number, string> = {
        400: 'VALIDATION_ERROR',
        404: 'NOT_FOUND',
        409: 'CONFLICT',
        422: 'UNPROCESSABLE',
      };
      expect(answer.body.code).toBe(codes[status]);
      expect([await head(), await paths()]).toEqual(before);
      expect((await ada.get(`/v1/repos/${slug}/branches`)).body.total).toBe(1);
    },
  );

  it.each(['', '{', '[]', 'null', '7', '{"branch":"main"', '\xff'])('answers 400 to the body %j', async (raw) => {
    const answer = await ada.send('POST', `/v1/repos/${slug}/commits`, Buffer.from(raw, 'latin1'));
    expect(answer).toMatchObject({ status: 400, body: { error: 'Invalid JSON body', code: 'VALIDATION_ERROR' } });
  });

  it.each(['\n', '\r', '\0', '<', '>', 'x\nparent aaaa'])('never lets %j into a header line', async (text) => {
    for (const author of [
      { name: `a${text}b`, email: 'e@example.com' },
      { name: 'a', email: `e${text}@example.com` },
    ]) {
      expect((await commit([file('a')], { author })).status).toBe(400);
    }
    expect((await ada.get(`/v1/repos/${slug}/commits`)).body.commits).toHaveLength(1);
  });

  it('names the present head in its 409', async () => {
    const { sha: current } = (await commit([file('a')])).body;
    const answer = await commit([file('b')], { parent_sha: 'b'.repeat(40) });
    expect(answer).toMatchObject({ status: 409, body: { current_sha: current, code: 'CONFLICT' } });
    expect((await commit([file('b')], { parent_sha: current })).status).toBe(201);
  });

  it('answers 404 before it looks at the body', async () => {
    const answer = await ada.send('POST', '/v1/repos/none/commits', Buffer.from('{'));
    expect(answer).toMatchObject({ status: 404, body: { error: 'Repository not found' } });
  });
});

describe('limits', () => {
  it('take a message of 51,200 bytes', async () => {
    const message = `${'é'.repeat(25_599)}ab`;
    expect((await commit([file('a')], { message })).status).toBe(201);
    expect((await ada.get(`/v1/repos/${slug}/commits/${await head()}`)).body.message).toBe(message);
    expect((await commit([file('a')], { message: `${message}c` })).status).toBe(400);
  });

  it('take 1,000 files', async () => {
    const changes = Array.from({ length: 1_000 }, (_, index) => file(`d${index % 10}/f${index}`, `${index}`));
    expect((await commit(changes)).status).toBe(201);
    expect(await paths()).toHaveLength(1_000);
    expect((await commit([...changes, file('one-more')])).status).toBe(400);
  });

  it.each([['utf-8'], ['base64']])('take a file of 10,485,760 decoded bytes and no more, as %s', async (encoding) => {
    const bytes = Buffer.alloc(10_485_760, 'x');
    const of = (size: number): Change[] => [
      {
        path: 'big',
        encoding,
        content: Buffer.concat([bytes, Buffer.from('y')])
          .subarray(0, size)
          .toString(encoding as 'base64'),
      },
    ];
    expect((await commit(of(10_485_760))).status).toBe(201);
    expect((await read('big')).size).toBe(10_485_760);
    const refused = await commit(of(10_485_761));
    expect(refused.status).toBe(413);
    expect(refused.body).toMatchObject({
      error: 'File content exceeds 10 MB limit: big',
      code: 'PAYLOAD_TOO_LARGE',
      limit_bytes: 10_485_760,
      actual_bytes: 10_485_761,
      path: 'big',
    });
  });

  it('bound the body by MAX_COMMIT_BODY and say so', async () => {
    const other = await startOn(server.databaseUrl, server.dataDir, { MAX_COMMIT_BODY: '2000' });
    try {
      const there = new Client(other.url, ada.key);
      const body = (size: number): Buffer => {
        const text = JSON.stringify({ branch: 'main', message: 'm', changes: [file('a', '')] });
        return Buffer.from(text.replace('""', `"${'x'.repeat(size - text.length)}"`));
      };
      expect(body(2_000)).toHaveLength(2_000);
      expect((await there.send('POST', `/v1/repos/${slug}/commits`, body(2_000))).status).toBe(201);
      expect(await there.send('POST', `/v1/repos/${slug}/commits`, body(2_001))).toMatchObject({
        status: 413,
        body: { error: 'Request body exceeds 2000 bytes', code: 'PAYLOAD_TOO_LARGE' },
      });
    } finally {
      await other.close();
    }
  });

  it('hold for lazy edits in the order of the contract', async () => {
    const bob = await signUp(server);
    await createRepo(bob, 'lazy');
    const lazy = (count: number, client: Client = bob): Promise<Answer> =>
      client.post('/v1/repos/lazy/commits', {
        branch: 'main',
        message: 'm',
        changes: Array.from({ length: count }, () => ({
          path: 'a',
          action: 'lazy_edit',
          edit_snippet: 's'.repeat(204_800),
        })).slice(0, count),
      } as never);
    expect(await lazy(1)).toMatchObject({
      status: 503,
      body: { error: 'lazy_edit is not configured on this deployment' },
    });
    expect(await lazy(51)).toMatchObject({ status: 400, body: { error: 'Maximum 50 lazy_edit changes per commit' } });
    await (await admin(server)).put(`/api/v1/admin/users/${bob.userId}/tier`, { tier: 'free' });
    while ((await bob.get('/v1/repos')).headers.get('x-ratelimit-limit') !== '600');
    expect(await lazy(51)).toMatchObject({
      status: 402,
      body: { error: 'lazy_edit requires a paid plan', upgrade_url: expect.any(String) },
    });
  });
});

describe('branches', () => {
  it('are made as a root commit without parent_sha, slashes included', async () => {
    const answer = await commit([file('a')], { branch: 'feature/x' });
    expect(answer).toMatchObject({ status: 201, body: { parent: '', parent_sha: '', branch: 'feature/x' } });
    expect(await paths('feature/x')).toEqual(['100644 a']);
    const { commits } = (await ada.get(`/v1/repos/${slug}/commits?ref=feature/x`)).body;
    expect(commits).toHaveLength(1);
    expect(commits[0].parents).toEqual([]);
  });

  it('are made on top of parent_sha, with its files', async () => {
    const base = (await commit([file('a')])).body.sha;
    const answer = await commit([file('b')], { branch: 'next', parent_sha: base });
    expect(answer).toMatchObject({ status: 201, body: { parent: base } });
    expect(await paths('next')).toEqual(['100644 a', '100644 b']);
  });

  it('take only a commit as parent', async () => {
    const { tree_sha: tree } = (await commit([file('a')])).body;
    const blob = (await read('a')).sha;
    for (const parent_sha of [tree, blob]) {
      const answer = await commit([file('b')], { branch: 'next', parent_sha });
      expect(answer).toMatchObject({ status: 422, body: { error: 'parent_sha is not a commit' } });
    }
    expect(await head('next')).toBeNull();
  });

  it('start anew after they were deleted', async () => {
    await commit([file('a')], { branch: 'side' });
    await ada.delete(`/v1/repos/${slug}/branches/side`);
    expect((await commit([file('b')], { branch: 'side' })).body.parent).toBe('');
    expect(await paths('side')).toEqual(['100644 b']);
  });
});
