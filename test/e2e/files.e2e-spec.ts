import { execFileSync } from 'node:child_process';
import { createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

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

const url = (tail: string): string => `/v1/repos/${slug}/${tail}`;
const get = (tail: string, headers: Record<string, string> = {}): Promise<Answer> => ada.get(url(tail), headers);

async function commit(files: Record<string, string | Buffer>, branch = 'main'): Promise<Answer['body']> {
  const changes = Object.entries(files).map(([path, content]) =>
    Buffer.isBuffer(content) ? { path, content: content.toString('base64'), encoding: 'base64' } : { path, content },
  );
  const answer = await ada.post(url('commits'), { branch, message: 'm', changes });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body;
}

async function bytesOf(tail: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const response = await fetch(server.url + url(tail), { headers: { 'x-api-key': ada.key!, ...headers } });
  return Buffer.from(await response.arrayBuffer());
}

const blobId = (bytes: Buffer | string): string =>
  execFileSync('git', ['hash-object', '--stdin'], { input: bytes }).toString().trim();

describe('a ref in a path', () => {
  it('may hold slashes, raw or encoded; the longest name wins, a branch before a tag', async () => {
    const { sha } = await commit({ 'b/c.txt': 'from main' });
    await commit({ 'c.txt': 'from a' }, 'a');
    await ada.delete(url('branches/a'));
    await commit({ 'c.txt': 'from a/b' }, 'a/b');
    await ada.put(url('refs/tags/a'), { sha });
    for (const path of ['a/b/c.txt', 'a%2Fb/c.txt', 'a%2Fb%2Fc.txt']) {
      expect((await get(`blob/${path}`)).body).toMatchObject({ content: 'from a/b', path: 'c.txt' });
      expect((await get(`raw/${path}`)).body).toBe('from a/b');
    }
    expect((await get('tree/a/b')).body).toMatchObject({ ref: 'a/b', path: '' });
    await ada.delete(url('branches/a/b'));
    expect((await get('blob/a/b/c.txt')).body).toMatchObject({ content: 'from main', path: 'b/c.txt' });
    await commit({ 'b/c.txt': 'branch a' }, 'a');
    expect((await get('blob/a/b/c.txt')).body.content).toBe('branch a');
    expect((await get('blob/refs/tags/a/b/c.txt')).body.content).toBe('from main');
  });

  it('may be HEAD, nothing, a tag, or a sha in any case', async () => {
    const { sha, tree_sha: tree } = await commit({ a: 'x' });
    await ada.put(url('refs/tags/v1.0'), { sha });
    for (const ref of ['', '/', '/HEAD', '/main', '/v1.0', `/${sha}`, `/${sha.toUpperCase()}`, '/refs/heads/main']) {
      expect((await get(`tree${ref}`)).body).toMatchObject({ sha: tree, items: [{ path: 'a' }] });
    }
    expect((await get(`tree/${sha.toUpperCase()}`)).body.ref).toBe(sha);
  });

  it.each(['none', 'f'.repeat(40), 'a..b', '%20', 'main%2Fnone%2F'.repeat(300)])('is not found as %s', async (ref) => {
    await commit({ a: 'x' });
    expect(await get(`tree/${ref}`)).toMatchObject({ status: expect.any(Number), body: { code: expect.any(String) } });
    expect((await get(`tree/${ref}`)).status).toBeGreaterThanOrEqual(400);
    expect((await get(`tree/${ref}`)).status).toBeLessThan(500);
  });

  it('is not found when its sha is no commit', async () => {
    const { tree_sha: tree } = await commit({ a: 'x' });
    for (const sha of [tree, blobId('x')]) {
      expect(await get(`blob/${sha}/a`)).toMatchObject({ status: 404, body: { error: 'Ref not found' } });
    }
  });
});

describe('a tree', () => {
  it('lists folders first, then files by name', async () => {
    const { tree_sha: tree } = await commit({ 'z.txt': '1', 'b/x': '2', 'B.txt': '3', 'a/y/z': '4', 'a-file': '5' });
    const { body } = await get('tree/main');
    expect(body).toMatchObject({ path: '', ref: 'main', sha: tree, truncated: false });
    expect(body.items.map(({ name, type }: Record<string, string>) => `${type} ${name}`)).toEqual([
      ...['folder a', 'folder b', 'file B.txt', 'file a-file', 'file z.txt'],
    ]);
    expect(body.items[2]).toEqual({ name: 'B.txt', path: 'B.txt', type: 'file', sha: blobId('3'), mode: '100644' });
    expect(body.items[0].mode).toBe('40000');
    expect((await get('tree/main/a')).body).toMatchObject({ path: 'a', items: [{ path: 'a/y', name: 'y' }] });
  });

  it('lists everything below by path when asked exactly so', async () => {
    await commit({ 'b/x': '1', 'a/y/z': '2', c: '3', 'a.txt': '4' });
    const paths = (answer: Answer): string[] => answer.body.items.map(({ path }: { path: string }) => path);
    expect(paths(await get('tree/main?recursive=true'))).toEqual(['a.txt', 'a', 'a/y', 'a/y/z', 'b', 'b/x', 'c']);
    expect(paths(await get('tree/main/a?recursive=true'))).toEqual(['a/y', 'a/y/z']);
    for (const other of ['1', 'TRUE', 'yes', '']) {
      expect(paths(await get(`tree/main?recursive=${other}`))).toEqual(['a', 'b', 'a.txt', 'c']);
    }
  });

  it('stops at 10,000 entries and says so', async () => {
    for (let part = 0; part < 10; part += 1) {
      await commit(Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`f${part}-${index}`, ''])));
    }
    expect((await get('tree/main')).body).toMatchObject({ truncated: false });
    expect((await get('tree/main')).body.items).toHaveLength(10_000);
    await commit({ 'one-more': '' });
    expect((await get('tree/main')).body.truncated).toBe(true);
    expect((await get('tree/main?recursive=true')).body.items).toHaveLength(10_000);
  });

  it.each([
    [404, 'Path not found', 'none'],
    [404, 'Path not found', 'file'],
    [404, 'Path not found', 'file/below'],
    [400, 'File path has empty segment: dir/', 'dir/'],
    [400, 'File path has empty segment: dir//x', 'dir//x'],
    [400, 'File path contains traversal: dir/../x', 'dir/..%2Fx'],
    [400, 'File path contains forbidden component: .git/x', '.git/x'],
  ])('answers %i %s at %s', async (status, error, path) => {
    await commit({ file: 'x', 'dir/x': 'y' });
    expect(await get(`tree/main/${path}`)).toMatchObject({ status, body: { error } });
  });

  it('is empty in a fresh repository, and not found in one without a commit', async () => {
    expect((await get('tree')).body).toMatchObject({ items: [], truncated: false });
    slug = await createRepo(ada, `bare-${(repos += 1)}`, { init: false });
    expect(await get('tree')).toMatchObject({ status: 404, body: { error: 'Ref not found' } });
  });

  it('has an ETag of its content and form', async () => {
    const { tree_sha: tree } = await commit({ a: 'x' });
    const [flat, deep] = [await get('tree/main'), await get('tree/main?recursive=true')];
    expect(flat.headers.get('etag')).toBe(`"${tree}"`);
    expect(deep.headers.get('etag')).not.toBe(flat.headers.get('etag'));
    expect(await get('tree/main', { 'if-none-match': `"${tree}"` })).toMatchObject({ status: 304, body: '' });
    expect((await get('tree/main?recursive=true', { 'if-none-match': `"${tree}"` })).status).toBe(200);
  });
});

describe('a blob', () => {
  it('answers exactly what the contract lists', async () => {
    await commit({ 'd/hi.txt': 'hi\n' });
    const answer = await get('blob/main/d/hi.txt');
    expect(answer.body).toEqual({ content: 'hi\n', encoding: 'utf-8', path: 'd/hi.txt', sha: blobId('hi\n'), size: 3 });
    expect(answer.headers.get('accept-ranges')).toBe('bytes');
  });

  it.each([
    ['text', 'plain', 'utf-8'],
    ['nothing', '', 'utf-8'],
    ['a byte order mark', '\ufeffx', 'utf-8'],
    ['a NUL', Buffer.from('a\0b'), 'base64'],
    ['a NUL after 8,192 bytes', Buffer.from(`${'x'.repeat(8_192)}\0`), 'utf-8'],
    ['invalid UTF-8', Buffer.from([0x61, 0xff, 0xfe]), 'base64'],
    ['an overlong encoding', Buffer.from([0xc0, 0xaf]), 'base64'],
    ['a surrogate in UTF-8', Buffer.from([0xed, 0xa0, 0x80]), 'base64'],
  ])('with %s keeps every byte', async (_, content, encoding) => {
    await commit({ a: content });
    const { body } = await get('blob/main/a');
    expect(body.encoding).toBe(encoding);
    expect(Buffer.from(body.content, encoding as 'base64')).toEqual(Buffer.from(content));
    const raw = await get('raw/main/a');
    const type = encoding === 'base64' ? 'application/octet-stream' : 'text/plain; charset=utf-8';
    expect(raw.headers.get('content-type')).toBe(type);
    expect(await bytesOf('raw/main/a')).toEqual(Buffer.from(content));
  });

  it('is found under each of several names with one content', async () => {
    await commit({ a: 'same', b: 'same', 'c/d': 'same', e1: '', e2: '' });
    for (const path of ['a', 'b', 'c/d'])
      expect((await get(`blob/main/${path}`)).body).toMatchObject({ content: 'same', path });
    for (const path of ['e1', 'e2']) expect((await get(`raw/main/${path}`)).body).toBe('');
    const batch = await ada.post(url('blobs/batch'), { paths: ['a', 'b', 'c/d', 'e1', 'e2'] });
    expect(batch.body).toMatchObject({ missing: [], blobs: [{}, {}, {}, {}, {}] });
  });

  it('has any name git allows', async () => {
    const names = ['ä ö.txt', 'a%b', 'a?b#c', "it's", '🦊/🦊', '+&=', 'x'.repeat(255), '-dash', '...'];
    await commit(Object.fromEntries(names.map((name) => [name, name])));
    for (const name of names) {
      const encoded = name.split('/').map(encodeURIComponent).join('/');
      expect((await get(`blob/main/${encoded}`)).body).toMatchObject({ content: name, path: name });
      expect((await get(`raw/main/${encodeURIComponent(name)}`)).body).toBe(name);
    }
  });

  it.each([
    [400, 'File path is required', 'main'],
    [400, 'File path is required', 'main/'],
    [400, 'File path is required', ''],
    [400, 'File path has empty segment: d/', 'main/d/'],
    [404, 'File not found', 'main/none'],
    [404, 'File not found', 'main/d'],
    [404, 'File not found', 'main/f/below'],
    [404, 'Ref not found', 'none/f'],
  ])('answers %i %s at %j, as JSON and raw', async (status, error, rest) => {
    await commit({ f: 'x', 'd/x': 'y' });
    for (const verb of ['blob', 'raw']) {
      const answer = await get(`${verb}/${rest}`);
      expect(answer).toMatchObject({ status, body: { error } });
      expect(answer.headers.get('etag')).toBeNull();
      expect(answer.headers.get('cache-control') ?? '').not.toContain('immutable');
    }
  });
});

describe('caching', () => {
  it('is for ever only where the URL names a commit, and public only where the repository is', async () => {
    const { sha } = await commit({ a: 'x' });
    for (const verb of ['blob', 'raw', 'tree'] as const) {
      const tail = (ref: string): string => `${verb}/${ref}${verb === 'tree' ? '' : '/a'}`;
      const fixed = await get(tail(sha));
      expect(fixed.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
      expect((await get(tail('main'))).headers.get('cache-control')).toMatch(/^private, .*must-revalidate/);
      for (const name of ['x-api-key', 'authorization', 'x-session-id']) {
        expect(fixed.headers.get('vary')?.toLowerCase()).toContain(name);
      }
    }
    await ada.patch(`/v1/repos/${slug}`, { visibility: 'public' });
    expect((await get(`raw/${sha}/a`)).headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect((await get('raw/main/a')).headers.get('cache-control')).toMatch(/^public, .*must-revalidate/);
  });

  it.each(['blob', 'raw'])('is confirmed by the ETag of a %s, in a list, weak, or as *', async (verb) => {
    await commit({ a: 'x' });
    const etag = `"${blobId('x')}"`;
    const whole = await get(`${verb}/main/a`);
    expect(whole.headers.get('etag')).toBe(etag);
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, `"other",W/${etag} , "more"`, '*']) {
      const answer = await get(`${verb}/main/a`, { 'if-none-match': tags });
      expect(answer).toMatchObject({ status: 304, body: '' });
      expect(answer.headers.get('etag')).toBe(etag);
    }
    for (const tags of ['"other"', blobId('x'), '']) {
      expect((await get(`${verb}/main/a`, { 'if-none-match': tags })).status).toBe(200);
    }
    await commit({ a: 'y' });
    expect((await get(`${verb}/main/a`, { 'if-none-match': etag })).status).toBe(200);
  });
});

describe('HEAD requests', () => {
  it.each(['tree/main', 'blob/main/a', 'raw/main/a', 'commits', 'branches'])(
    'to %s answer the headers alone',
    async (tail) => {
      await commit({ a: 'hello' });
      const [whole, head] = [await get(tail), await ada.send('HEAD', url(tail))];
      expect(head).toMatchObject({ status: 200, body: '' });
      for (const name of ['content-type', 'content-length', 'etag', 'accept-ranges', 'x-content-sha']) {
        expect([name, head.headers.get(name)]).toEqual([name, whole.headers.get(name)]);
      }
      expect(await ada.send('HEAD', url('raw/main/none'))).toMatchObject({ status: 404, body: '' });
    },
  );
});
