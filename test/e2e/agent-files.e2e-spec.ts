import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { DECISIONS, LAID_OUT, LINKS, SCOPE } from '../support/scope-table.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;
let disk: string; // Alice’s workspace

beforeAll(async () => {
  server = await startTestServer({ SANDBOX_MAX_UPLOAD_BYTES: '1000000' });
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
  const { body } = await alice.post('/v1/sessions');
  const [row] = await server.app
    .get(Database)
    .query<{ accountId: string }>('select account_id as "accountId" from sandbox where id = $1', [body.id]);
  disk = join(server.dataDir, 'workspaces', row!.accountId);
});

afterAll(async () => {
  await server.close();
});

async function session(client: Client, fileAccess: object | null = SCOPE): Promise<string> {
  const { status, body } = await client.post('/v1/sessions', fileAccess ? { file_access: fileAccess } : {});
  if (status !== 201) throw new Error(`creating a session answered ${status}`);
  return body.id as string;
}

const put = (client: Client, id: string, path: string, text: string | Buffer, headers = {}): Promise<Answer> =>
  client.send('PUT', `/v1/sessions/${id}/files/${path}`, Buffer.from(text), headers);
const get = (client: Client, id: string, path: string, headers = {}): Promise<Answer> =>
  client.get(`/v1/sessions/${id}/files/${path}`, headers);
const list = (client: Client, id: string, path?: string): Promise<Answer> =>
  client.get(`/v1/sessions/${id}/files${path === undefined ? '' : `?path=${encodeURIComponent(path)}`}`);
const names = ({ body }: Answer): string[] => (body as { name: string }[]).map(({ name }) => name);

/** A request whose path goes out as it is: fetch would resolve dots. */
function raw(method: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const call = requestHttp({ hostname, port, method, path, headers: { 'x-api-key': alice.key! } }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

describe('a file', () => {
  let id: string;
  beforeAll(async () => {
    id = await session(alice, null);
  });

  it('is written, listed, read whole and in parts, and deleted', async () => {
    const written = await put(alice, id, 'docs/a%20b/%C3%A4.md', 'hello world');
    expect(written).toMatchObject({ status: 201, body: { path: 'docs/a b/ä.md', size: 11 } });
    expect(Math.abs((written.body.modified as number) - Date.now() / 1_000)).toBeLessThan(60);
    expect(await readFile(join(disk, 'docs/a b/ä.md'), 'utf8')).toBe('hello world');

    const whole = await get(alice, id, 'docs/a%20b/%C3%A4.md');
    expect(whole).toMatchObject({ status: 200, body: 'hello world' });
    expect(whole.headers.get('etag')).toBe(written.headers.get('etag'));
    expect(whole.headers.get('content-disposition')).toContain('attachment');
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await list(alice, id, 'docs')).body).toEqual([
      { name: 'a b', type: 'directory', size: 0, modified: expect.any(Number) as number },
    ]);
    expect((await get(alice, id, 'docs/a%20b')).body).toMatchObject([{ name: 'ä.md', type: 'file', size: 11 }]);

    const path = `/v1/sessions/${id}/files/docs/a%20b/%C3%A4.md`;
    expect((await alice.delete(path)).status).toBe(204);
    const done = `select type from event where subject_id = $1 and payload->>'path' = 'docs/a b/ä.md' order by id`;
    const events = (await server.app.get(Database).query(done, [id])) as { type: string }[];
    expect(events.map(({ type }) => type)).toEqual(['sandbox.file-written', 'sandbox.file-deleted']);
    expect((await alice.delete(path)).status).toBe(404);
  });

  it.each([
    ['bytes=0-4', 206, 'hello', 'bytes 0-4/11'],
    ['bytes=6-', 206, 'world', 'bytes 6-10/11'],
    ['bytes=-3', 206, 'rld', 'bytes 8-10/11'],
    ['bytes=5-999', 206, ' world', 'bytes 5-10/11'],
    ['bytes=11-', 416, undefined, 'bytes */11'],
    ['bytes=5-1', 416, undefined, 'bytes */11'],
    ['bytes=0-1,3-4', 200, 'hello world', null],
    ['chars=1-2', 416, undefined, 'bytes */11'],
  ])('answers Range: %s with %d', async (range, status, text, contentRange) => {
    await put(alice, id, 'range.txt', 'hello world');
    const answer = await get(alice, id, 'range.txt', { range });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-range')).toBe(contentRange);
    if (text !== undefined) expect(answer.body).toBe(text);
  });

  it('may be empty, and keeps every byte', async () => {
    expect((await put(alice, id, 'empty', '')).body).toMatchObject({ size: 0 });
    expect(await get(alice, id, 'empty')).toMatchObject({ status: 200, body: '' });
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 31) % 256));
    await put(alice, id, 'bytes.bin', bytes);
    const answer = await fetch(`${server.url}/v1/sessions/${id}/files/bytes.bin`, {
      headers: { 'x-api-key': alice.key! },
    });
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('is replaced under conditions only when they hold', async () => {
    const first = (await put(alice, id, 'cond.txt', '1', { 'if-none-match': '*' })).headers.get('etag')!;
    expect((await put(alice, id, 'cond.txt', '2', { 'if-none-match': '*' })).status).toBe(412);
    const second = (await put(alice, id, 'cond.txt', '2', { 'if-match': first })).headers.get('etag')!;
    expect(second).not.toBe(first);
    expect(await put(alice, id, 'cond.txt', '3', { 'if-match': first })).toMatchObject({
      status: 412,
      body: { error: 'precondition_failed', etag: second },
    });
    expect((await put(alice, id, 'nope.txt', '3', { 'if-match': '*' })).status).toBe(412);
    for (const tags of [second, `"x", W/${second}`, '*']) {
      expect((await get(alice, id, 'cond.txt', { 'if-none-match': tags })).status).toBe(304);
      expect((await put(alice, id, 'cond.txt', '3', { 'if-none-match': tags })).status).toBe(412);
    }
    expect((await get(alice, id, 'cond.txt', { 'if-match': `"x", ${second}`, 'if-none-match': first })).status).toBe(
      200,
    );
    expect((await get(alice, id, 'cond.txt', { 'if-match': first })).status).toBe(412);
    for (const tags of [`W/${second}`, 'x'])
      expect((await put(alice, id, 'cond.txt', '3', { 'if-match': tags })).status).toBe(tags === 'x' ? 400 : 412);
    const path = `/v1/sessions/${id}/files/cond.txt`;
    expect((await alice.delete(path, undefined, { 'if-match': first })).status).toBe(412);
    expect(await readFile(join(disk, 'cond.txt'), 'utf8')).toBe('2');
    expect((await alice.delete(path, undefined, { 'if-match': second })).status).toBe(204);
  });

  it('is changed by one of many at once who presume the same', async () => {
    const etag = (await put(alice, id, 'race.txt', '0')).headers.get('etag')!;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => put(alice, id, 'race.txt', `${index}`, { 'if-match': etag })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(9).fill(412)]);
  });

  it('that is too large leaves nothing behind, announced or not', async () => {
    const tooMuch = Buffer.alloc(1_000_001);
    expect(await put(alice, id, 'big/file', tooMuch)).toMatchObject({
      status: 413,
      body: { error: 'payload_too_large' },
    });
    const chunked = await fetch(`${server.url}/v1/sessions/${id}/files/big/file`, {
      method: 'PUT',
      headers: { 'x-api-key': alice.key! },
      body: new ReadableStream({
        start(controller) {
          for (let sent = 0; sent < 3; sent += 1) controller.enqueue(new Uint8Array(500_000));
          controller.close();
        },
      }),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect(existsSync(join(disk, 'big'))).toBe(false);
    expect(await readdir(join(disk, '.sessions/.uploads'))).toEqual([]);
    expect((await put(alice, id, 'big/file', Buffer.alloc(1_000_000))).status).toBe(201);
  });

  it('is no pipe, which is not waited for', async () => {
    await put(alice, id, 'pipes/x', 'x');
    execFileSync('mkfifo', [join(disk, 'pipes/fifo')]);
    expect(await get(alice, id, 'pipes/fifo')).toMatchObject({ status: 409, body: { error: 'not_a_file' } });
    expect(names(await list(alice, id, 'pipes'))).toEqual(['x']);
  });

  it('is no directory, and a directory is no file', async () => {
    await put(alice, id, 'tree/leaf', 'x');
    expect(await put(alice, id, 'tree', 'x')).toMatchObject({ status: 409, body: { error: 'is_directory' } });
    expect(await put(alice, id, 'tree/leaf/below', 'x')).toMatchObject({
      status: 409,
      body: { error: 'not_a_directory' },
    });
    expect(await list(alice, id, 'tree/leaf')).toMatchObject({ status: 409, body: { error: 'not_a_directory' } });
    expect(await list(alice, id, 'missing')).toMatchObject({ status: 404, body: { error: 'not_found' } });
    expect(await alice.delete(`/v1/sessions/${id}/files/tree`)).toMatchObject({
      status: 409,
      body: { error: 'not_empty' },
    });
    await alice.delete(`/v1/sessions/${id}/files/tree/leaf`);
    expect((await alice.delete(`/v1/sessions/${id}/files/tree`)).status).toBe(204);
  });
});

describe('the scope over HTTP', () => {
  let id: string;
  let owner: string;
  beforeAll(async () => {
    owner = await session(alice, null);
    for (const path of LAID_OUT) await put(alice, owner, path, path);
    for (const [path, target] of Object.entries(LINKS)) await symlink(target, join(disk, path));
    await put(alice, owner, `.sessions/${owner}/n`, 'other');
    id = await session(alice);
    await put(alice, id, 'projects/p1/out/r.md', 'r');
    await put(alice, id, `.sessions/${id}/n`, 'own');
  });

  it.each([...DECISIONS, { path: 'projects', read: 200, write: 403 }, { path: '', read: 404, write: 404 }])(
    '$path: read $read, write $write',
    async (row) => {
      const path = row.path.replace('own', id).replace('other', owner);
      expect((await get(alice, id, path)).status).toBe(row.read);
      expect((await put(alice, id, path, 'w')).status).toBe(row.write);
    },
  );

  it('has the own directory, and no other one', async () => {
    expect((await put(alice, id, `.sessions/${id}/m`, 'own')).status).toBe(201);
    expect((await get(alice, id, `.sessions/${id}/m`)).body).toBe('own');
    expect(names(await list(alice, id, '.sessions'))).toEqual([id]);
  });

  it('shows of a directory on the way only the way', async () => {
    expect(names(await list(alice, id))).toEqual(['.sessions', 'projects', 'shared']);
    expect(names(await list(alice, id, 'projects'))).toEqual(['p1']);
    expect(names(await list(alice, id, 'shared'))).toEqual(['t']);
    expect(names(await list(alice, id, 'projects/p1'))).toEqual(['a.md', 'out', 'within']);
    expect((await list(alice, id, 'projects/p2')).status).toBe(403);
  });

  it('hides other sessions from a scope over everything', async () => {
    const all = await session(alice, null);
    expect(names(await list(alice, all, '.sessions'))).toEqual([all]);
    expect((await get(alice, all, `.sessions/${id}/n`)).status).toBe(403);
    expect((await put(alice, all, `.sessions/${id}/n`, 'x')).status).toBe(403);
  });

  it('answers the same for what is there and what is not', async () => {
    const [there, missing] = [await get(alice, id, 'secret'), await get(alice, id, 'nosuch')];
    expect(there).toMatchObject({
      status: 403,
      body: { error: 'not_in_scope', message: "'secret' not in session scope" },
    });
    expect(JSON.stringify(missing.body)).toBe(JSON.stringify(there.body).replaceAll('secret', 'nosuch'));
  });

  it.each([
    'projects/p1/../../secret',
    'projects/p1/%2e%2e/%2e%2e/secret',
    'projects/p1/..%2f..%2fsecret',
    '..%2f..%2f..%2fetc%2fpasswd',
    '/etc/passwd',
    '%2fetc%2fpasswd',
    'projects%2fp10%2fa.md',
  ])('is not left by %s', async (path) => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { status, body } = await raw(method, `/v1/sessions/${id}/files/${path}`);
      expect([status, method]).toEqual([403, method]);
      expect(body).toContain('not_in_scope');
    }
  });

  it('decodes once, and refuses what no file is called', async () => {
    await writeFile(join(disk, 'projects/p1/%2e%2e'), 'odd');
    expect((await raw('GET', `/v1/sessions/${id}/files/projects/p1/%252e%252e`)).body).toBe('odd');
    for (const path of [
      'projects/p1/%00',
      'projects/p1/a%0Ab',
      `projects/p1/${'x'.repeat(256)}`,
      `p/${'x/'.repeat(2_100)}`,
    ]) {
      expect((await raw('GET', `/v1/sessions/${id}/files/${path}`)).status).toBe(400);
    }
  });

  it('is not deleted itself', async () => {
    for (const path of ['projects/p1/out', `.sessions/${id}`, '.sessions', 'projects/p1', 'projects']) {
      expect([path, (await alice.delete(`/v1/sessions/${id}/files/${path}`)).status]).toEqual([path, 403]);
    }
  });

  it('is nobody’s who does not have the session', async () => {
    expect((await get(bob, id, 'projects/p1/a.md')).status).toBe(404);
    expect((await put(bob, id, 'projects/p1/out/a', 'x')).status).toBe(404);
    expect((await list(bob, id)).status).toBe(404);
    const own = await session(bob, null);
    expect(names(await list(bob, own))).toEqual(['.sessions']);
  });
});

describe('links', () => {
  let id: string;
  const inside = (path: string): string => join(disk, 'projects/p1', path);
  beforeAll(async () => {
    id = await session(alice);
    await mkdir(inside('out/deep'), { recursive: true });
    await mkdir(join(disk, 'shared/t'), { recursive: true });
    await writeFile(inside('a.md'), 'inside');
    await writeFile(join(disk, 'secret'), 'secret');
  });

  it.each([
    ['in', 'a.md', 200, 'inside'],
    ['in-dir/../a.md', 'out/deep', 403, null],
    ['in2', './out/../a.md', 200, 'inside'],
    ['in3', '/opt/sandbox/workspace/projects/p1/a.md', 200, 'inside'],
    ['in4', 'out/deep/../../a.md', 200, 'inside'],
    ['out1', '../../secret', 403, null],
    ['out2', '/etc/passwd', 403, null],
    ['out3', '../../nosuch', 403, null],
    ['out4', '../../../../../../etc/passwd', 403, null],
    ['out5', '/opt/sandbox/workspace/secret', 403, null],
    ['out6', '/opt/sandbox/workspacex', 403, null],
    ['gone', 'nothing', 404, null],
  ])('%s → %s reads %d', async (name, target, status, text) => {
    const link = name.split('/')[0]!;
    await symlink(target, inside(link));
    const answer = await raw('GET', `/v1/sessions/${id}/files/projects/p1/${name}`);
    expect(answer.status).toBe(status);
    if (text !== null) expect(answer.body).toBe(text);
    await rm(inside(link));
  });

  it('are written through inside the scope, and deleted as themselves', async () => {
    await symlink('target.txt', inside('out/link'));
    expect((await put(alice, id, 'projects/p1/out/link', 'through')).status).toBe(201);
    expect(await readFile(inside('out/target.txt'), 'utf8')).toBe('through');
    expect((await lstat(inside('out/link'))).isSymbolicLink()).toBe(true);
    expect((await alice.delete(`/v1/sessions/${id}/files/projects/p1/out/link`)).status).toBe(204);
    expect(await readFile(inside('out/target.txt'), 'utf8')).toBe('through');
  });

  it('do not lead a write out of the scope', async () => {
    for (const [name, target] of [
      ['up', '../../..'],
      ['root', '/'],
      ['readable', '../../../shared/t'],
      ['self', '.'],
    ] as const)
      await symlink(target, inside(`out/${name}`));
    for (const path of ['up/pwned', 'root/tmp/pwned', 'readable/pwned', 'up', 'readable']) {
      expect([path, (await put(alice, id, `projects/p1/out/${path}`, 'x')).status]).toEqual([path, 403]);
    }
    expect((await put(alice, id, 'projects/p1/out/self/fine', 'x')).status).toBe(201);
    expect(existsSync(join(disk, 'pwned')) || existsSync(join(disk, 'shared/t/pwned'))).toBe(false);
  });

  it('in a circle end', async () => {
    await symlink('loop2', inside('loop1'));
    await symlink('loop1', inside('loop2'));
    expect(await get(alice, id, 'projects/p1/loop1')).toMatchObject({ status: 409, body: { error: 'link_loop' } });
  });

  it('swapped in while a request is under way lead nowhere', async () => {
    await mkdir(inside('out/real'), { recursive: true });
    await writeFile(inside('out/real/secret'), 'harmless');
    await symlink('../../..', inside('out/evil'));
    let isSwapping = true;
    // A request may make a directory where one was just moved away.
    const move = (from: string, to: string): Promise<void> =>
      rename(inside(from), inside(to)).catch(async () => {
        await rm(inside(to), { recursive: true, force: true });
        await rename(inside(from), inside(to));
      });
    const swapper = (async () => {
      while (isSwapping) {
        await move('out/real', 'out/kept');
        await move('out/evil', 'out/real');
        await move('out/real', 'out/evil');
        await move('out/kept', 'out/real');
      }
    })();
    const seen = new Set<string>();
    for (let round = 0; round < 100; round += 1) {
      const read = await get(alice, id, 'projects/p1/out/real/secret');
      seen.add(read.status === 200 ? String(read.body) : String(read.status));
      await put(alice, id, 'projects/p1/out/real/pwned', 'x');
    }
    isSwapping = false;
    await swapper;
    expect([...seen].filter((answer) => !['harmless', '403', '404'].includes(answer))).toEqual([]);
    expect(existsSync(join(disk, 'pwned'))).toBe(false);
  });

  it('to an inode outside do not show it in a narrow scope', async () => {
    await link(join(disk, 'secret'), inside('hard'));
    expect((await get(alice, id, 'projects/p1/hard')).status).toBe(403);
    const all = await session(alice, null);
    expect((await get(alice, all, 'projects/p1/hard')).body).toBe('secret');
  });
});
