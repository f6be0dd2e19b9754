import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { RateLimits } from '#platform';
import { Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { head, type RawAnswer, rawRequest } from '../support/raw-http.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let nobody: Client;

beforeAll(async () => {
  server = await startTestServer({ CORS_ORIGINS: 'https://app.example.com', MAX_COMMIT_BODY: '100000' });
  alice = await signUp(server);
  nobody = new Client(server.url, null);
  await createRepo(alice, 'demo');
});

afterEach(() => {
  jest.restoreAllMocks();
});

afterAll(async () => {
  await server.close();
});

const raw = (parts: readonly (string | Buffer)[], enough?: (text: string) => boolean): Promise<RawAnswer> =>
  rawRequest(server.url, parts, enough);

describe('error envelopes', () => {
  it.each([
    ['/v1/repos', { error: 'Missing API key. Set x-api-key header.', code: 'UNAUTHORIZED' }],
    ['/api/v1/auth/me', { error: { code: '401', message: 'Missing or invalid Authorization header', details: {} } }],
  ])('of a 401 on %s', async (path, body) => {
    expect(await nobody.get(path)).toMatchObject({ status: 401, body });
  });

  it.each([
    ['/v1/nothing', { error: 'Not found', code: 'NOT_FOUND' }],
    ['/nothing/at/all', { error: 'Not found', code: 'NOT_FOUND' }],
    ['/api/v1/nothing', { error: { code: '404', message: 'Not Found', details: {} }, detail: 'Not Found' }],
    ['/api/nothing', { status: 'error', error: 'Not found', message: 'Not found', code: 'not_found' }],
    ['/v1/sessions/x/nothing', { error: 'not_found', message: 'Not found' }],
    ['/v1/responses/nothing', { error: 'not_found', message: 'Not found' }],
    ['/v1/sessionsX', { error: 'Not found', code: 'NOT_FOUND' }],
    ['/someone/repo.git/nothing', 'Not found'],
  ])('of an unknown route: %s', async (path, body) => {
    const answer = await nobody.get(path);
    expect(answer.status).toBe(404);
    expect(answer.body).toEqual(body);
  });

  it.each([
    ['/v1/nothing', { error: 'Internal server error', code: 'INTERNAL_ERROR' }],
    ['/api/v1/nothing', { error: { code: '500', message: 'Internal server error' } }],
    ['/api/nothing', { status: 'error', error: 'Internal server error' }],
    ['/v1/skills/some/nothing', { error: 'internal', message: 'Internal server error' }],
  ])('of a fault of the server on %s, with the request id and without its cause', async (path, body) => {
    jest.spyOn(server.app.get(RateLimits), 'admitAnonymous').mockImplementationOnce(() => {
      throw new Error('a secret of the inside');
    });
    const answer = await nobody.get(path);
    expect(answer).toMatchObject({ status: 500, body });
    expect(JSON.stringify(answer.body)).toContain(answer.headers.get('x-request-id'));
    expect(JSON.stringify(answer.body)).not.toContain('secret of the inside');
  });
});

describe('malformed input', () => {
  it.each(['{', '', 'null', '[]', '7', '"text"', '{"slug":"a"} x', '\u0000'])(
    'is refused as a body of the git surface: %j',
    async (body) => {
      const answer = await alice.send('POST', '/v1/repos', Buffer.from(body));
      expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR' } });
      if (body !== '') expect(answer.body.error).toBe('Invalid JSON body');
    },
  );

  it('is refused when it is not UTF-8', async () => {
    const answer = await alice.send('POST', '/v1/repos', Buffer.from('{"slug":"\xff"}', 'latin1'));
    expect(answer).toMatchObject({ status: 400, body: { error: 'Invalid JSON body' } });
  });

  it('is a 422 with its place on the captured surface', async () => {
    const answer = await alice.send('POST', '/api/v1/auth/keys', Buffer.from('{"name": nope}'));
    const errors = [{ type: 'json_invalid', loc: ['body', expect.any(Number)], msg: 'JSON decode error', input: {} }];
    expect(answer).toMatchObject({
      status: 422,
      body: { error: { code: '422', message: 'Validation error', details: { errors } }, detail: errors },
    });
  });

  it.each([
    ['/v1/repos', { slug: 7 }, 400],
    ['/v1/repos', { slug: ['a'] }, 400],
    ['/v1/repos', { slug: { a: 1 } }, 400],
    ['/v1/repos', { slug: 'typed', description: false }, 400],
    ['/v1/repos', { slug: 'typed', init: 'yes' }, 400],
    ['/v1/repos/demo/branches', { name: null }, 400],
    ['/v1/repos/demo/commits', { branch: 5, message: {}, changes: 'x' }, 400],
    ['/api/v1/auth/keys', { name: {} }, 422],
    ['/api/v1/auth/keys', { scopes: 'all' }, 422],
    ['/api/v1/auth/signup', { email: 5 }, 422],
  ])('is refused for its type: %s %j', async (path, body, status) => {
    expect((await alice.post(path, body as Record<string, string>)).status).toBe(status);
  });

  it('reads JSON whatever its content type says, and ignores unknown members', async () => {
    const body = Buffer.from('{"slug":"plain-text","colour":"red"}');
    expect((await alice.send('POST', '/v1/repos', body, { 'content-type': 'text/plain' })).status).toBe(201);
  });

  it.each(['/v1/repos/%', '/v1/repos/%zz/commits', '/v1/repos/demo/blob/main/%ff', '/v1/%00', '/api/v1/%E0%A4%A'])(
    'in the path is a client error: %s',
    async (path) => {
      const answer = await alice.get(path);
      expect(answer.status).toBe(path.startsWith('/api/v1') ? 422 : 400);
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}$/);
    },
  );

  it.each([
    '//v1/repos',
    '/v1//repos',
    '/v1/repos/',
    '/v1/repos/demo/',
    '/v1/repos//demo',
    '/V1/repos',
    '/v1/repos/x/..',
  ])('is not normalised: %s is not found', async (path) => {
    const { status } = await raw([head(`GET ${path}`, `x-api-key: ${alice.key}`)]);
    expect(status).toBe(404);
  });

  it('understands an absolute request target', async () => {
    const found = await raw([head('GET http://anything.example/v1/repos/demo', `x-api-key: ${alice.key}`)]);
    expect(found.status).toBe(200);
    const captured = await raw([head('GET http://anything.example/api/v1/nothing')], (text) => text.includes('detail'));
    expect(captured.text).toContain('{"error":{"code":"404"');
  });
});

describe('large bodies', () => {
  const LIMIT = 100_000;
  const refusal = { error: `Request body exceeds ${LIMIT} bytes`, code: 'PAYLOAD_TOO_LARGE', limit_bytes: LIMIT };

  it('are refused by their declared length, before they are sent', async () => {
    const answer = await raw(
      [head('POST /v1/repos/demo/commits', `x-api-key: ${alice.key}`, `Content-Length: ${LIMIT + 1}`)],
      (text) => text.includes('limit_bytes'),
    );
    expect(answer.status).toBe(413);
    expect(answer.text).toContain(JSON.stringify(refusal.error));
  });

  it('are refused at the limit when they declare no length', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const answer = await raw(
      [head('POST /v1/repos/demo/commits', `x-api-key: ${alice.key}`, 'Transfer-Encoding: chunked'), chunk, chunk],
      (text) => text.includes('limit_bytes'),
    );
    expect(answer.status).toBe(413);
  });

  it('are measured after inflation: a gzip bomb is refused', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(LIMIT);
    const headers = { 'content-encoding': 'gzip' };
    expect(await alice.send('POST', '/v1/repos/demo/commits', bomb, headers)).toMatchObject({
      status: 413,
      body: refusal,
    });
  });

  it('may be compressed, but not broken or in an unknown encoding', async () => {
    const body = gzipSync(JSON.stringify({ slug: 'squeezed' }));
    const send = (bytes: Buffer, encoding: string) =>
      alice.send('POST', '/v1/repos', bytes, { 'content-encoding': encoding });
    expect((await send(body, 'gzip')).status).toBe(201);
    expect((await send(body.subarray(0, -9), 'gzip')).status).toBe(400);
    expect((await send(body, 'snappy')).status).toBe(400);
  });

  it.each([
    ['PUT', '/v1/sessions/sess_000000000000/files/a'],
    ['POST', '/v1/sessions/sess_000000000000/exec/exec_x/stdin'],
    ['POST', '/v1/skills/x'],
    ['POST', '/api/sandboxes/files'],
    ['PUT', '/api/v1/sessions/ses_0000000000000000/sync'],
    ['POST', '/api/v1/sessions/upload'],
    ['POST', '/someone/repo.git/git-receive-pack'],
  ])('that are not compressed as they say end nothing but the request: %s %s', async (method, path) => {
    for (const type of ['application/octet-stream', 'application/json', 'multipart/form-data; boundary=x']) {
      const headers = { 'content-type': type, 'content-encoding': 'gzip' };
      const { status } = await alice.send(method, path, randomBytes(3_000), headers);
      expect([type, status >= 400 && status < 500]).toEqual([type, true]);
    }
    expect((await nobody.get('/livez')).status).toBe(200);
  });

  it('that are not compressed as they say are refused by whoever reads them', async () => {
    const { id } = (await alice.post('/v1/sessions')).body as { id: string };
    const headers = { 'content-encoding': 'gzip' };
    const put = await alice.send('PUT', `/v1/sessions/${id}/files/a`, randomBytes(3_000), headers);
    const staged = await alice.send('POST', '/api/sandboxes/staged-file', gzipSync('cut').subarray(0, -9), headers);
    expect([put.status, staged.status]).toEqual([400, 400]);
  });

  it('of exactly the limit pass', async () => {
    const empty = JSON.stringify({ branch: 'main', message: 'm', changes: [{ path: 'big.txt', content: '' }] });
    const content = 'x'.repeat(LIMIT - empty.length);
    const body = { branch: 'main', message: 'm', changes: [{ path: 'big.txt', content }] };
    expect(Buffer.byteLength(JSON.stringify(body))).toBe(LIMIT);
    expect((await alice.post('/v1/repos/demo/commits', body)).status).toBe(201);
  });
});

describe('an upload that is refused', () => {
  const UPLOAD = 25 * 1024 * 1024;
  const FIRST_PACKET = 65_536;

  /** Offers 25 MB as fast as the connection takes it; answers what came back and what each side moved. */
  async function upload(
    ...headers: string[]
  ): Promise<RawAnswer & { readonly taken: number; readonly bodyTaken: number }> {
    const accepted = once(server.app.getHttpServer() as Server, 'connection') as Promise<[Socket]>;
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    const [serverSide] = await accepted;
    const start = head('POST /v1/repos/demo/commits', `Content-Length: ${UPLOAD}`, ...headers);
    let text = '';
    let given = 0;
    let isOver = false;
    const over = new Promise<void>((resolve) => {
      socket.on('error', () => resolve());
      socket.on('close', () => resolve());
    }).then(() => {
      isOver = true;
    });
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.write(start);
    const chunk = Buffer.alloc(16_384, 'x');
    while (!isOver && given < UPLOAD) {
      given += chunk.length;
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain').catch(() => undefined), over]);
    }
    await over;
    const taken = serverSide.bytesRead;
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text, taken, bodyTaken: taken - start.length };
  }

  it('by an anonymous caller is answered 401 with less than 64 KB of it read', async () => {
    const { status, text, bodyTaken } = await upload();
    expect(status).toBe(401);
    expect(text).toContain('Missing API key');
    expect(text.toLowerCase()).toContain('connection: close');
    expect(bodyTaken).toBeLessThan(FIRST_PACKET);
  });

  it('is not read either while the database is asked about its key', async () => {
    const bob = await signUp(server);
    await bob.delete(`/api/v1/auth/keys/${bob.keyId}`);
    while ((await bob.get('/v1/repos')).status !== 401);
    const { status, text, bodyTaken } = await upload(`x-api-key: ${bob.key}`);
    expect(status).toBe(401);
    expect(text).toContain('API key has been revoked');
    expect(bodyTaken).toBeLessThan(FIRST_PACKET);
  });

  it('is never asked for with 100 Continue', async () => {
    const expecting = ['Expect: 100-continue', 'Content-Length: 90000'];
    const isAnswered = (text: string): boolean => /HTTP\/1\.1 [245]/.test(text) && text.includes('}');
    const refused = await raw([head('POST /v1/repos/demo/commits', ...expecting)], isAnswered);
    expect(refused.status).toBe(401);
    expect(refused.text).not.toContain('100 Continue');
    const admitted = await raw([head('POST /v1/repos/demo/commits', ...expecting, `x-api-key: ${alice.key}`)], (text) =>
      text.includes('100 Continue'),
    );
    expect(admitted.status).toBe(100);
  });

  it('does not disturb the next request of another connection', async () => {
    await upload();
    expect((await alice.get('/v1/repos/demo')).status).toBe(200);
  });
});

describe('methods', () => {
  it('are 404 on the git surface where a path has others', async () => {
    for (const method of ['PUT', 'DELETE', 'PROPFIND']) {
      const answer = await alice.send(method, '/v1/repos');
      expect(answer).toMatchObject({ status: 404, body: { error: 'Not found', code: 'NOT_FOUND' } });
      expect(answer.headers.get('allow')).toBeNull();
    }
  });

  it('are 405 with Allow on the captured surface', async () => {
    const answer = await alice.send('PUT', '/api/v1/auth/keys');
    expect(answer).toMatchObject({ status: 405, body: { error: { code: '405', message: 'Method Not Allowed' } } });
    expect(answer.headers.get('allow')).toBe('GET, POST');
    const one = await alice.send('GET', '/api/v1/auth/keys/some-id');
    expect([one.status, one.headers.get('allow')]).toEqual([405, 'DELETE']);
  });

  it('HEAD answers like GET without a body', async () => {
    const get = await alice.get('/v1/repos/demo');
    const answer = await alice.send('HEAD', '/v1/repos/demo');
    expect([answer.status, answer.body]).toEqual([200, '']);
    expect(answer.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect((await alice.send('HEAD', '/v1/repos/unknown')).status).toBe(404);
  });

  it('OPTIONS is a preflight: 204, allowed to configured origins only', async () => {
    const ask = (origin: string) =>
      nobody.send('OPTIONS', '/v1/repos', undefined, { origin, 'access-control-request-method': 'POST' });
    const ours = await ask('https://app.example.com');
    expect(ours.status).toBe(204);
    expect(ours.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(ours.headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, PATCH, DELETE, OPTIONS');
    const headers = ours.headers.get('access-control-allow-headers')!;
    for (const name of ['Content-Type', 'Authorization', 'x-api-key', 'x-session-id']) expect(headers).toContain(name);
    expect(ours.headers.get('access-control-max-age')).toBe('86400');
    expect(ours.headers.get('access-control-allow-credentials')).toBeNull();
    const theirs = await ask('https://evil.example.com');
    expect(theirs.status).toBe(204);
    expect(theirs.headers.get('access-control-allow-origin')).toBeNull();
    expect((await nobody.send('OPTIONS', '/v1/repos')).status).toBe(204);
    expect((await nobody.send('OPTIONS', '/api/v1/auth/keys')).status).toBe(405);
  });

  it('a foreign origin gets its answer without an allowance, a configured one with the exposed headers', async () => {
    const foreign = await alice.get('/v1/repos', { origin: 'https://evil.example.com' });
    expect([foreign.status, foreign.headers.get('access-control-allow-origin')]).toEqual([200, null]);
    const ours = await alice.get('/v1/repos', { origin: 'https://app.example.com' });
    expect(ours.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    const exposed = ours.headers.get('access-control-expose-headers')!;
    for (const name of ['X-Request-Id', 'X-RateLimit-Limit', 'X-RateLimit-Reset', 'Retry-After']) {
      expect(exposed).toContain(name);
    }
  });
});

describe('headers of every answer', () => {
  it.each([
    ['GET', '/v1/repos'],
    ['GET', '/v1/nothing'],
    ['POST', '/v1/repos'],
    ['GET', '/v1/%'],
    ['OPTIONS', '/v1/repos'],
    ['GET', '/api/v1/auth/me'],
    ['GET', '/livez'],
  ])('%s %s', async (method, path) => {
    const { headers } = await alice.send(method, path, undefined, { 'x-request-id': 'mine' });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}$/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('referrer-policy')).toBe('strict-origin-when-cross-origin');
    expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
    expect(headers.get('vary')).toContain('Origin');
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('etag')).toBeNull();
  });

  it('a request id is never used twice', async () => {
    const ids = await Promise.all(
      Array.from({ length: 50 }, async () => (await nobody.get('/livez')).headers.get('x-request-id')),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('silence', () => {
  it.each([
    ['between the bytes of a head', ['GET /v1/repos HTTP/1.1\r\nHost: loc']],
    ['in the middle of a body', [head('POST /v1/repos', 'Content-Length: 100'), '{"slug"']],
    ['before anything', []],
  ])('%s ends the connection', async (_, parts) => {
    const http = server.app.getHttpServer() as Server;
    const before = http.timeout;
    http.setTimeout(200);
    try {
      const withKey = parts.map((part) =>
        part.replace('Host: localhost', `Host: localhost\r\nx-api-key: ${alice.key}`),
      );
      expect((await raw(withKey, () => false)).status).toBe(0);
    } finally {
      http.setTimeout(before);
    }
  });

  it('has limits in the running server: 30 s for a head, two minutes without a byte', () => {
    const http = server.app.getHttpServer() as Server;
    expect([http.headersTimeout, http.timeout, http.requestTimeout]).toEqual([30_000, 120_000, 0]);
  });
});
