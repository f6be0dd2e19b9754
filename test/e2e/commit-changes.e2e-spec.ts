import { createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { expectSound, storedRepo } from '../support/stored-repo.js';

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

const commit = (...changes: Change[]): Promise<Answer> =>
  ada.post(`/v1/repos/${slug}/commits`, { branch: 'main', message: 'm', changes } as never);
const file = (path: string, content = 'x', more: Change = {}): Change => ({ path, content, ...more });
const edit = (path: string, ...edits: Change[]): Change => ({ path, action: 'edit', edits });
const read = async (path: string): Promise<Answer['body']> =>
  (await ada.get(`/v1/repos/${slug}/blob/main/${path}`)).body;
const entries = async (): Promise<string[]> =>
  (await ada.get(`/v1/repos/${slug}/tree/main?recursive=true`)).body.items
    .filter((item: { type: string }) => item.type === 'file')
    .map((item: { path: string; mode: string }) => `${item.mode} ${item.path}`);

describe('changes', () => {
  it('apply in order, each to what the ones before left', async () => {
    const answer = await commit(
      file('a', 'one'),
      file('a', 'two'),
      edit('a', { old_string: 'two', new_string: 'three' }),
      { path: 'a', action: 'rename', new_path: 'b/c' },
      file('a', 'again'),
      { path: 'gone', content: 'x' },
      { path: 'gone', action: 'delete' },
    );
    expect(answer.status).toBe(201);
    expect(await entries()).toEqual(['100644 a', '100644 b/c']);
    expect((await read('b/c')).content).toBe('three');
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('delete one file, and ignore a missing one or a directory', async () => {
    await commit(file('d/a'), file('d/b'), file('top'));
    expect((await commit({ path: 'd/a', action: 'delete' }, { path: 'none', action: 'delete' })).status).toBe(201);
    expect((await commit({ path: 'd', action: 'delete' })).status).toBe(201);
    expect(await entries()).toEqual(['100644 d/b', '100644 top']);
    await commit({ path: 'd/b', action: 'delete' });
    expect((await ada.get(`/v1/repos/${slug}/tree/main/d`)).status).toBe(404);
  });

  it('rename a file with content and mode, over another one too, but no directory', async () => {
    await commit(file('run.sh', '#!', { mode: '100755' }), file('other', 'y'), file('d/a'));
    expect((await commit({ path: 'run.sh', action: 'rename', new_path: 'other' })).status).toBe(201);
    expect(await entries()).toEqual(['100644 d/a', '100755 other']);
    expect((await read('other')).content).toBe('#!');
    expect(await commit({ path: 'd', action: 'rename', new_path: 'e' })).toMatchObject({
      status: 404,
      body: { error: 'File not found for rename: d' },
    });
    expect((await commit({ path: 'other', action: 'rename', new_path: 'other/below' })).status).toBe(201);
    expect(await entries()).toEqual(['100644 d/a', '100755 other/below']);
  });

  it.each([
    ['a file where a directory is', [file('d/x')], [file('d')]],
    ['a directory where a file is', [file('d')], [file('d/x')]],
    ['both in one commit', [file('z')], [file('d'), file('d/x')]],
    ['a rename onto a directory', [file('d/x'), file('y')], [{ path: 'y', action: 'rename', new_path: 'd' }]],
  ])('refuse %s', async (_, before, after) => {
    await commit(...(before as Change[]));
    const kept = await entries();
    const answer = await commit(...(after as Change[]));
    expect(answer).toMatchObject({ status: 422, body: { code: 'UNPROCESSABLE' } });
    expect(answer.body.error).toMatch(/^Path conflicts with an existing file or directory: /);
    expect(await entries()).toEqual(kept);
  });

  it('turn a directory into a file and back when its files go in the same commit', async () => {
    await commit(file('d/x'));
    expect((await commit({ path: 'd/x', action: 'delete' }, file('d'))).status).toBe(201);
    expect(await entries()).toEqual(['100644 d']);
    expect((await commit({ path: 'd', action: 'delete' }, file('d/y'))).status).toBe(201);
    expect(await entries()).toEqual(['100644 d/y']);
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('give modes, keep them on overwrite and edit, and change them when asked', async () => {
    await commit(file('run', 'a', { mode: '100755' }), file('link', 'run', { mode: '120000' }), file('plain'));
    expect(await entries()).toEqual(['120000 link', '100644 plain', '100755 run']);
    await commit(file('run', 'b'), edit('run', { old_string: 'b', new_string: 'c' }));
    expect(await entries()).toContain('100755 run');
    await commit(file('run', 'd', { mode: '100644' }), file('link', 'text'));
    expect(await entries()).toEqual(['100644 link', '100644 plain', '100644 run']);
    expect((await commit(file('.gitmodules', 'x', { mode: '120000' }))).status).toBe(400);
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it('sort names as git does', async () => {
    await commit(...['a.b', 'a/b', 'a-b', 'a0', 'B', 'ä', '中', 'a/B', 'Z/z'].map((path) => file(path)));
    await expectSound(server, await storedRepo(server, ada, slug));
    expect(await entries()).toHaveLength(9);
  });
});

describe('content', () => {
  it.each([
    ['', ''],
    ['YWJj', 'abc'],
    ['YWI=', 'ab'],
    ['YWI', 'ab'],
    ['YQ==', 'a'],
    ['YQ', 'a'],
    ['+/+/', '\xfb\xff\xbf'],
  ])('decodes the base64 %j', async (content, bytes) => {
    expect((await commit(file('a', content, { encoding: 'base64' }))).status).toBe(201);
    const raw = await fetch(`${server.url}/v1/repos/${slug}/raw/main/a`, { headers: { 'x-api-key': ada.key! } });
    expect(Buffer.from(await raw.arrayBuffer()).toString('latin1')).toBe(bytes);
  });

  it('keeps every byte of text: CRLF, byte order mark, no last newline, NUL, emoji', async () => {
    for (const content of ['a\r\nb\r\n', '\ufeffbom', 'end', 'a\0b', '🦊\u2028']) {
      await commit(file('a', content));
      const { content: got, encoding } = await read('a');
      expect(encoding === 'base64' ? Buffer.from(got, 'base64').toString() : got).toBe(content);
    }
  });

  it('refuses text that is no text', async () => {
    expect((await commit(file('a', 'x\ud800'))).status).toBe(400);
    expect((await commit(file('a\udc00'))).status).toBe(400);
  });
});

describe('edits', () => {
  const lines = '1\n2\n3\n4\n';

  it.each([
    ['a text', lines, [{ old_string: '2\n', new_string: 'two\n' }], '1\ntwo\n3\n4\n'],
    ['a text without a new one', lines, [{ old_string: '2\n' }], '1\n3\n4\n'],
    [
      'texts one after the other',
      'a',
      [
        { old_string: 'a', new_string: 'b' },
        { old_string: 'b', new_string: 'c' },
      ],
      'c',
    ],
    ['a range', lines, [{ range: [2, 3], content: 'x' }], '1\nx\n4\n'],
    ['a range without content', lines, [{ range: [2, 3] }], '1\n4\n'],
    ['a range beyond the end', lines, [{ range: [4, 99], content: 'x' }], '1\n2\n3\nx'],
    ['behind the last line', '1\n2', [{ range: [3, 3], content: '3' }], '1\n2\n3'],
    [
      'ranges in any order',
      lines,
      [
        { range: [1, 1], content: 'a' },
        { range: [4, 4], content: 'd' },
      ],
      'a\n2\n3\nd\n',
    ],
    [
      'texts before ranges',
      lines,
      [
        { range: [3, 3], content: 'x' },
        { old_string: '1\n', new_string: '0\n1\n' },
      ],
      '0\n1\nx\n3\n4\n',
    ],
    ['a range that also has old_string', lines, [{ range: [1, 1], old_string: 'none', content: 'x' }], 'x\n2\n3\n4\n'],
    ['CRLF as it is', 'a\r\nb\r\n', [{ range: [1, 1], content: 'x\r' }], 'x\r\nb\r\n'],
  ])('replace %s', async (_, before, edits, after) => {
    await commit(file('a', before));
    expect((await commit(edit('a', ...(edits as Change[])))).status).toBe(201);
    expect((await read('a')).content).toBe(after);
  });

  it('leave a byte order mark and bytes that are no text alone', async () => {
    const bytes = Buffer.from('\xef\xbb\xbfab\xff\xfecd', 'latin1');
    await commit(file('a', bytes.toString('base64'), { encoding: 'base64' }));
    expect((await commit(edit('a', { old_string: 'cd', new_string: 'e' }))).status).toBe(201);
    expect(Buffer.from((await read('a')).content, 'base64').toString('latin1')).toBe('\xef\xbb\xbfab\xff\xfee');
  });

  const missing = 'String not found in file. Ensure old_string is unique and exact.';
  const ambiguous = 'old_string matches multiple locations. Provide more context to make it unique.';
  it.each([
    ['a text that is not there', [{ old_string: 'none' }], missing, 'none'],
    ['a text that is there twice', [{ old_string: '\n' }], ambiguous, '\n'],
    ['overlapping texts', [{ old_string: '1\n2', new_string: 'aaa' }, { old_string: 'aa' }], ambiguous, 'aa'],
    ['the empty text', [{ old_string: '' }], ambiguous, ''],
    ['a long text, shortened', [{ old_string: 'z'.repeat(100) }], missing, 'z'.repeat(80)],
    ['line zero', [{ range: [0, 1] }], 'Invalid range [0, 1]. File has 5 lines.', ''],
    ['a backward range', [{ range: [3, 2] }], 'Invalid range [3, 2]. File has 5 lines.', ''],
    ['a range behind the end', [{ range: [7, 7] }], 'Invalid range [7, 7]. File has 5 lines.', ''],
  ])('refuse %s with 422', async (_, edits, error, context) => {
    await commit(file('a', lines));
    const answer = await commit(file('also'), edit('a', ...(edits as Change[])));
    expect(answer).toMatchObject({ status: 422, body: { error, context, code: 'UNPROCESSABLE' } });
    expect(await entries()).toEqual(['100644 a']);
  });

  it.each([
    ['a range that is none', [{ range: 'x' }]],
    ['a range of fractions', [{ range: [1.5, 2] }]],
    ['a range of three', [{ range: [1, 2, 3] }]],
    ['an unknown member', [{ old_string: 'a', newstring: 'b' }]],
    ['a text that is none', [{ old_string: 7 }]],
    ['an explicit null', [{ old_string: 'a', new_string: null }]],
  ])('refuse %s with 400', async (_, edits) => {
    await commit(file('a', lines));
    expect((await commit(edit('a', ...(edits as Change[])))).status).toBe(400);
  });
});
