import { createCipheriv } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { GitClient, gitUrl } from '../support/git.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ada: TestAccount;
let slug: string;
const TEXT = 'abcdefghij';

beforeAll(async () => {
  server = await startTestServer();
  ada = await signUp(server);
  slug = await createRepo(ada, 'ranges');
  const changes = [
    { path: 'ten', content: TEXT },
    { path: 'empty', content: '' },
    { path: 'wide', content: 'aé' },
    { path: 'binary', content: Buffer.from('a\0bcd').toString('base64'), encoding: 'base64' },
  ];
  await ada.post(`/v1/repos/${slug}/commits`, { branch: 'main', message: 'm', changes });
});

afterAll(async () => {
  await server.close();
});

const get = (tail: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ada.get(`/v1/repos/${slug}/${tail}`, headers);
const bytesOf = async (tail: string, headers: Record<string, string> = {}): Promise<Buffer> =>
  Buffer.from(
    await (
      await fetch(`${server.url}/v1/repos/${slug}/${tail}`, { headers: { 'x-api-key': ada.key!, ...headers } })
    ).arrayBuffer(),
  );

describe('one byte range', () => {
  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=2-4', 2, 4],
    ['bytes=5-', 5, 9],
    ['bytes=5-999', 5, 9],
    ['bytes=9-9', 9, 9],
  ])('%s is answered as JSON and raw', async (range, start, end) => {
    const part = TEXT.slice(start, end + 1);
    const blob = await get('blob/main/ten', { range });
    expect(blob).toMatchObject({
      status: 206,
      body: { content: part, encoding: 'utf-8', size: 10, path: 'ten', range: { start, end, length: part.length } },
    });
    const raw = await get('raw/main/ten', { range });
    expect(raw).toMatchObject({ status: 206, body: part });
    for (const { headers } of [blob, raw]) {
      expect(headers.get('content-range')).toBe(`bytes ${start}-${end}/10`);
      expect(headers.get('vary')).toContain('Range');
    }
    expect(raw.headers.get('content-length')).toBe(String(part.length));
  });

  it.each(['bytes=10-', 'bytes=10-12', 'bytes=5-4'])('%s is refused as not satisfiable', async (range) => {
    for (const verb of ['blob', 'raw']) {
      const answer = await get(`${verb}/main/ten`, { range });
      expect(answer).toMatchObject({ status: 416, body: { error: 'Range not satisfiable' } });
      expect(answer.headers.get('content-range')).toBe('bytes */10');
      expect(answer.headers.get('cache-control') ?? '').not.toContain('immutable');
      expect(answer.headers.get('etag')).toBeNull();
    }
  });

  it.each(['bytes=0-1,3-4', 'bytes=a-b', 'bytes=', 'lines=1-2', 'bytes=-', 'bytes=1', `bytes=${'9'.repeat(40)}-`])(
    '%s is refused as invalid',
    async (range) => {
      for (const verb of ['blob', 'raw']) {
        const answer = await get(`${verb}/main/ten`, { range });
        expect(answer).toMatchObject({
          status: 416,
          body: { error: 'Invalid Range header. Expected bytes=start-end.' },
        });
        expect(answer.headers.get('content-range')).toBe('bytes */10');
      }
    },
  );

  it('from the end is understood by raw alone', async () => {
    expect(await get('raw/main/ten', { range: 'bytes=-3' })).toMatchObject({ status: 206, body: 'hij' });
    expect(await get('raw/main/ten', { range: 'bytes=-99' })).toMatchObject({ status: 206, body: TEXT });
    expect((await get('raw/main/ten', { range: 'bytes=-0' })).status).toBe(416);
    expect((await get('blob/main/ten', { range: 'bytes=-3' })).status).toBe(416);
  });

  it('of an empty file is never satisfiable', async () => {
    for (const range of ['bytes=0-', 'bytes=0-0']) {
      const answer = await get('raw/main/empty', { range });
      expect(answer.status).toBe(416);
      expect(answer.headers.get('content-range')).toBe('bytes */0');
    }
    expect(await get('raw/main/empty')).toMatchObject({ status: 200, body: '' });
  });

  it('takes its encoding from the whole file, and may cut a character', async () => {
    expect((await get('blob/main/binary', { range: 'bytes=2-3' })).body).toMatchObject({
      encoding: 'base64',
      content: Buffer.from('bc').toString('base64'),
    });
    expect((await get('blob/main/wide', { range: 'bytes=0-1' })).body).toMatchObject({
      encoding: 'utf-8',
      content: 'a\ufffd',
    });
    expect(await bytesOf('raw/main/wide', { range: 'bytes=0-1' })).toEqual(Buffer.from([0x61, 0xc3]));
  });

  it('counts only for the content the client knows', async () => {
    const etag = (await get('raw/main/ten')).headers.get('etag')!;
    expect((await get('raw/main/ten', { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
    expect(await get('raw/main/ten', { range: 'bytes=0-1', 'if-range': '"other"' })).toMatchObject({
      status: 200,
      body: TEXT,
    });
    expect((await get('raw/main/ten', { range: 'bytes=0-1', 'if-none-match': etag })).status).toBe(304);
  });
});

describe('large files', () => {
  const MIB = 1_048_576;
  /** Not compressible, and different everywhere, so that a shifted byte shows. */
  const pattern = (size: number): Buffer =>
    createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(size));
  const nine = pattern(9 * MIB);
  const sixty = pattern(60 * MIB);

  beforeAll(async () => {
    const client = new GitClient();
    try {
      await client.git('.', 'clone', '-q', gitUrl(server, ada.slug, slug, ada.key), 'work');
      const folder = client.path('work');
      writeFileSync(join(folder, 'nine'), nine);
      writeFileSync(join(folder, 'sixty'), sixty);
      writeFileSync(join(folder, 'text'), 'é'.repeat(5 * MIB));
      await client.git('work', 'config', 'core.compression', '0');
      await client.git('work', 'add', '-A');
      await client.git('work', 'commit', '-q', '-m', 'large');
      await client.git('work', 'push', '-q', 'origin', 'HEAD:main');
    } finally {
      client.remove();
    }
  });

  it('of 9 MB are streamed whole and in parts', async () => {
    expect((await bytesOf('raw/main/nine')).equals(nine)).toBe(true);
    const range = `bytes=${MIB + 3}-${9 * MIB - 5}`;
    expect((await bytesOf('raw/main/nine', { range })).equals(nine.subarray(MIB + 3, 9 * MIB - 4))).toBe(true);
    expect((await bytesOf('raw/main/nine', { range: 'bytes=-7' })).equals(nine.subarray(-7))).toBe(true);
    const { body } = await get('blob/main/nine');
    expect(Buffer.from(body.content, 'base64').equals(nine)).toBe(true);
  });

  it('of 60 MB need a range, and any part can be had', async () => {
    const size = 60 * MIB;
    expect(await get('blob/main/sixty')).toMatchObject({
      status: 400,
      body: { error: 'File exceeds 50 MB size limit. Use Range header to fetch a slice.', size },
    });
    expect(await get('raw/main/sixty')).toMatchObject({
      status: 400,
      body: { error: 'File exceeds 50 MB. Use Range header.', size },
    });
    for (const [start, end] of [
      [0, 99],
      [31 * MIB, 31 * MIB + 4_095],
      [size - 10, size - 1],
      [5, 55 * MIB],
    ] as const) {
      const part = await bytesOf('raw/main/sixty', { range: `bytes=${start}-${end}` });
      expect(part.equals(sixty.subarray(start, end + 1))).toBe(true);
    }
    const slice = await get('blob/main/sixty', { range: 'bytes=100-199' });
    expect(slice).toMatchObject({ status: 206, body: { size, encoding: 'base64' } });
    expect(Buffer.from(slice.body.content, 'base64').equals(sixty.subarray(100, 200))).toBe(true);
  });

  it('of text are sent as text', async () => {
    const answer = await ada.send('HEAD', `/v1/repos/${slug}/raw/main/text`);
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.headers.get('content-length')).toBe(String(10 * MIB));
    expect((await ada.send('HEAD', `/v1/repos/${slug}/raw/main/nine`)).headers.get('content-type')).toBe(
      'application/octet-stream',
    );
  });

  it('may be left in the middle', async () => {
    for (let round = 0; round < 5; round += 1) {
      const abort = new AbortController();
      const response = await fetch(`${server.url}/v1/repos/${slug}/raw/main/nine`, {
        headers: { 'x-api-key': ada.key! },
        signal: abort.signal,
      });
      await response.body!.getReader().read();
      abort.abort();
    }
    expect((await bytesOf('raw/main/ten')).toString()).toBe(TEXT);
  });

  it('are named without content in a batch beyond max_size', async () => {
    const { body } = await ada.post(`/v1/repos/${slug}/blobs/batch`, { paths: ['sixty', 'ten'] });
    expect(body.blobs[0]).toEqual({
      path: 'sixty',
      sha: expect.any(String),
      size: 60 * MIB,
      encoding: 'base64',
      truncated: true,
    });
    expect(body.blobs[1].content).toBe(TEXT);
  });
});

describe('a batch', () => {
  const batch = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    ada.post(`/v1/repos/${slug}/blobs/batch`, body as never, headers);

  it('answers in the order asked, repeats duplicates and names what is missing', async () => {
    const { status, body } = await batch({ paths: ['empty', 'ten', 'none', 'ten', 'binary', 'also/none'] });
    expect(status).toBe(200);
    expect(body.missing).toEqual(['none', 'also/none']);
    expect(
      body.blobs.map(({ path, encoding, content, size }: Record<string, unknown>) => [path, encoding, content, size]),
    ).toEqual([
      ['empty', 'utf-8', '', 0],
      ['ten', 'utf-8', TEXT, 10],
      ['ten', 'utf-8', TEXT, 10],
      ['binary', 'base64', Buffer.from('a\0bcd').toString('base64'), 5],
    ]);
  });

  it('encodes as asked', async () => {
    const encodings = async (encoding: unknown): Promise<string[]> =>
      (await batch({ paths: ['ten', 'binary'], encoding })).body.blobs.map(
        (blob: { encoding: string }) => blob.encoding,
      );
    expect(await encodings('binary')).toEqual(['base64', 'base64']);
    expect(await encodings('text')).toEqual(['utf-8', 'utf-8']);
    for (const other of ['auto', 'nonsense', null, 7]) expect(await encodings(other)).toEqual(['utf-8', 'base64']);
  });

  it('leaves out what is larger than max_size', async () => {
    const { body } = await batch({ paths: ['ten', 'empty'], max_size: 9 });
    expect(body.blobs[0]).toEqual({
      path: 'ten',
      sha: expect.any(String),
      size: 10,
      encoding: 'base64',
      truncated: true,
    });
    expect(body.blobs[1]).toMatchObject({ content: '' });
    expect((await batch({ paths: ['ten'], max_size: 10 })).body.blobs[0].content).toBe(TEXT);
    expect((await batch({ paths: ['ten'], max_size: 1e12 })).body.blobs[0].content).toBe(TEXT);
  });

  it('has a weak ETag that changes with what is asked', async () => {
    const first = await batch({ paths: ['ten'] });
    const etag = first.headers.get('etag')!;
    expect(etag).toMatch(/^W\/"batch-[0-9a-f]{16}"$/);
    expect(first.headers.get('cache-control')).toBe('private, max-age=60');
    expect(await batch({ paths: ['ten'] }, { 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
    expect((await batch({ paths: ['ten'], encoding: 'binary' }, { 'if-none-match': etag })).status).toBe(200);
    expect((await batch({ paths: ['ten', 'empty'] }, { 'if-none-match': etag })).status).toBe(200);
  });

  it('of nothing is nothing, without an ETag', async () => {
    const answer = await batch({ paths: [] });
    expect(answer).toMatchObject({ status: 200, body: { blobs: [], missing: [] } });
    expect(answer.headers.get('etag')).toBeNull();
  });

  it('takes 100 paths', async () => {
    expect((await batch({ paths: Array(100).fill('ten') })).body.blobs).toHaveLength(100);
    expect(await batch({ paths: Array(101).fill('ten') })).toMatchObject({
      status: 400,
      body: { error: 'paths array exceeds max 100' },
    });
  });

  it.each([
    [400, {}, 'paths must be an array of strings'],
    [400, { paths: 'ten' }, 'paths must be an array of strings'],
    [400, { paths: null }, 'paths must be an array of strings'],
    [400, { paths: [7] }, 'paths must contain non-empty strings'],
    [400, { paths: ['ten', ''] }, 'paths must contain non-empty strings'],
    [400, { paths: ['../x'] }, 'File path contains traversal: ../x'],
    [400, { paths: ['a\0'] }, 'File path contains null byte: a\0'],
    [404, { paths: ['ten'], ref: 'none' }, 'Ref not found'],
    [404, { paths: ['ten'], ref: 'a\0' }, 'Ref not found'],
    [400, { paths: ['ten'], ref: 7 }, 'ref must be a string'],
    [400, { paths: ['ten'], max_size: -1 }, 'max_size must not be negative'],
    [400, { paths: ['ten'], max_size: 'x' }, 'max_size must be an integer'],
  ])('answers %i to %j', async (status, body, error) => {
    const answer = await batch(body);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toContain(error);
  });
});
