import { admin, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { moveClock, nowOn } from '../support/clock.js';
import { DEAD, holder, mintKey, oneSecond, openSession } from '../support/pinned-sessions.js';
import { countQueries, fewest } from '../support/request-probe.js';
import { startTestServer, type TestServer } from '../support/server.js';

const UNKNOWN = `ses_${'x'.repeat(21)}`;

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server, 'alice');
  bob = await signUp(server, 'bob');
  await createRepo(alice, 'demo', { init: true });
});

afterAll(async () => {
  await server.close();
});

describe('opening a pinned session', () => {
  it('answers an id, when it expires, and what applies', async () => {
    const before = Date.now();
    const { status, body } = await alice.post('/v1/session', { ttl_seconds: 3600, idle_extend: true });
    expect(status).toBe(201);
    expect(body).toEqual({
      session_id: expect.stringMatching(/^ses_[A-Za-z0-9_-]{21}$/),
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      ttl_seconds: 3600,
      idle_extend: true,
    });
    expect(Date.parse(body.expires_at)).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(Date.parse(body.expires_at)).toBeLessThanOrEqual(Date.now() + 3_600_000);
  });

  it.each([
    ['no body', undefined, 1800, true],
    ['text that is not JSON', Buffer.from('{"ttl_seconds":'), 1800, true],
    ['a JSON array', Buffer.from('[60]'), 1800, true],
    ['a JSON null', Buffer.from('null'), 1800, true],
    ['a ttl of zero', { ttl_seconds: 0 }, 1800, true],
    ['a negative ttl', { ttl_seconds: -5 }, 1800, true],
    ['a ttl in text', { ttl_seconds: '60' }, 1800, true],
    ['a fraction of a second', { ttl_seconds: 0.2 }, 1, true],
    ['seconds and a fraction', { ttl_seconds: 90.9 }, 90, true],
    ['more than the cap', { ttl_seconds: 99 * 3600 }, 28_800, true],
    ['a number beyond all bounds', Buffer.from('{"ttl_seconds":1e999}'), 28_800, true],
    ['idle_extend false', { idle_extend: false }, 1800, false],
    ['idle_extend null', { idle_extend: null }, 1800, true],
    ['idle_extend 0', { idle_extend: 0 }, 1800, true],
  ])('takes %s', async (_, body, ttl, idleExtend) => {
    const answer = await alice.send('POST', '/v1/session', body);
    expect(answer).toMatchObject({ status: 201, body: { ttl_seconds: ttl, idle_extend: idleExtend } });
  });

  it('caps sessions of free accounts at an hour', async () => {
    const carol = await signUp(server);
    await (await admin(server)).put(`/api/v1/admin/users/${carol.userId}/tier`, { tier: 'free' });
    await oneSecond();
    const answer = await carol.post('/v1/session', { ttl_seconds: 99 * 3600 });
    expect(answer.body).toMatchObject({ ttl_seconds: 3600 });
  });

  it('needs a key, whatever X-Session-Id says', async () => {
    const missing = { status: 401, body: { error: 'Missing API key. Set x-api-key header.' } };
    const sessionId = await openSession(alice);
    expect(await holder(server, sessionId).post('/v1/session')).toMatchObject(missing);
    expect(await new Client(server.url, 'cgk_live_nonsense').post('/v1/session')).toMatchObject({
      status: 401,
      body: { error: 'Invalid API key' },
    });
    expect((await alice.post('/v1/session', {}, { 'x-session-id': 'nonsense' })).status).toBe(201);
  });

  it('refuses a key without any scope', async () => {
    const powerless = await mintKey(alice, { scopes: [] });
    expect((await powerless.post('/v1/session')).status).toBe(403);
  });
});

describe('using a pinned session', () => {
  it('stands in for the key on every surface', async () => {
    const session = holder(server, await openSession(alice));
    expect((await session.get('/v1/repos/demo')).status).toBe(200);
    expect((await session.get('/api/v1/auth/me')).body).toMatchObject({ user_id: alice.userId });
    const refs = await session.get(`/${alice.slug}/demo.git/info/refs?service=git-upload-pack`);
    expect(refs.status).toBe(200);
  });

  it('refuses an id of another form and ids that are not alive', async () => {
    const malformed = await alice.get('/v1/repos', { 'x-session-id': 'abc' });
    expect(malformed).toMatchObject({ status: 400, body: { error: 'Invalid session ID format' } });
    expect(await holder(server, UNKNOWN).get('/v1/repos')).toMatchObject(DEAD);
    expect(await holder(server, 'ses_short').get('/v1/repos')).toMatchObject(DEAD);
  });

  it('falls back to the presented key when the id is dead', async () => {
    expect((await alice.get('/v1/repos/demo', { 'x-session-id': UNKNOWN })).status).toBe(200);
    const both = new Client(server.url, 'rhu_nonsense', { 'x-session-id': UNKNOWN });
    expect(await both.get('/v1/repos')).toMatchObject({ status: 401, body: { error: 'Invalid API key' } });
  });

  it('refuses a live id together with an invalid key', async () => {
    const both = new Client(server.url, 'rhu_nonsense', { 'x-session-id': await openSession(alice) });
    expect(await both.get('/v1/repos')).toMatchObject({ status: 401, body: { error: 'Invalid API key' } });
  });

  it('is ignored next to a key of another account', async () => {
    const sessionId = await openSession(alice);
    expect((await bob.get('/v1/repos/demo', { 'x-session-id': sessionId })).status).toBe(404);
    const me = await bob.get('/api/v1/auth/me', { 'x-session-id': sessionId });
    expect(me.body).toMatchObject({ user_id: bob.userId });
  });

  it('never widens another key of the account', async () => {
    const reader = await mintKey(alice, { scopes: ['repos:read'] });
    const powerful = await openSession(alice);
    expect((await reader.get('/v1/repos/demo', { 'x-session-id': powerful })).status).toBe(200);
    expect((await reader.post('/v1/repos', { slug: 'wider' }, { 'x-session-id': powerful })).status).toBe(403);
  });

  it('acts for another key of the account that may do as much', async () => {
    const reader = await mintKey(alice, { scopes: ['repos:read'] });
    const narrow = await openSession(reader);
    expect((await alice.get('/v1/repos/demo', { 'x-session-id': narrow })).status).toBe(200);
    expect((await alice.post('/v1/repos', { slug: 'narrower' }, { 'x-session-id': narrow })).status).toBe(403);
  });

  it('shares the rate limit of its key', async () => {
    const root = await admin(server);
    const dora = await signUp(server);
    await root.put(`/api/v1/admin/users/${dora.userId}/tier`, { tier: 'free' });
    await oneSecond();
    const session = holder(server, await openSession(dora));
    const remaining = async (caller: Client): Promise<number> =>
      Number((await caller.get('/v1/repos')).headers.get('x-ratelimit-remaining'));
    const first = await remaining(dora);
    expect(await remaining(session)).toBe(first - 1);
    expect(await remaining(dora)).toBe(first - 2);
  });
});

describe('database statements of a request', () => {
  it('are none before the controller when a session is pinned', async () => {
    const session = alice.with({ 'x-session-id': await openSession(alice) });
    const before = async (): Promise<number | undefined> =>
      (await countQueries(() => session.get('/v1/repos'))).beforeController;
    expect(await fewest(before)).toBe(0);
  });

  it('are none in the whole of a status request of a live session', async () => {
    const sessionId = await openSession(alice);
    const alone = holder(server, sessionId);
    const whole = async (): Promise<number> => {
      const { whole: queries, answer } = await countQueries(() => alone.get(`/v1/session/${sessionId}/status`));
      expect(answer).toMatchObject({ status: 200, body: { objectCount: 0, closed: false } });
      return queries;
    };
    expect(await fewest(whole)).toBe(0);
  });

  it('are seen by this count: a key nobody has used yet costs at least one', async () => {
    const fresh = async (): Promise<number | undefined> => {
      const unused = await mintKey(alice);
      return (await countQueries(() => unused.get('/v1/repos'))).beforeController;
    };
    expect(await fewest(fresh)).toBeGreaterThanOrEqual(1);
    const list = await countQueries(() => alice.get('/v1/repos'));
    expect(list.whole).toBeGreaterThan(list.beforeController!);
  });
});

describe('managing a pinned session', () => {
  it('shows times in milliseconds, and the time that is left', async () => {
    const sessionId = await openSession(alice, { ttl_seconds: 600 });
    const { status, body } = await alice.get(`/v1/session/${sessionId}/status`);
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(['closed', 'createdAt', 'lastActivityAt', 'objectCount', 'ttlMs']);
    expect(body).toMatchObject({ objectCount: 0, closed: false, createdAt: expect.any(Number) });
    expect(body.lastActivityAt).toBe(body.createdAt);
    expect(body.ttlMs).toBeGreaterThan(0);
    expect(body.ttlMs).toBeLessThanOrEqual(600_000);
  });

  it('answers 400 for what is no session id and 404 for one it does not know', async () => {
    for (const [method, tail] of [
      ['GET', '/status'],
      ['POST', '/flush'],
      ['DELETE', ''],
    ] as const) {
      const bad = await alice.send(method, `/v1/session/nonsense${tail}`);
      expect(bad).toMatchObject({ status: 400, body: { error: 'Invalid session ID' } });
      const unknown = await alice.send(method, `/v1/session/${UNKNOWN}${tail}`);
      expect(unknown).toMatchObject({ status: 404, body: { error: 'Session not found', code: 'NOT_FOUND' } });
    }
  });

  it('is for the account and for who holds the id, for nobody else', async () => {
    const sessionId = await openSession(alice);
    const stranger = holder(server, await openSession(bob));
    const nobody = new Client(server.url, null);
    for (const [method, tail] of [
      ['GET', '/status'],
      ['POST', '/flush'],
      ['DELETE', ''],
    ] as const) {
      const path = `/v1/session/${sessionId}${tail}`;
      expect((await nobody.send(method, path)).status).toBe(401);
      expect(await holder(server, UNKNOWN).send(method, path)).toMatchObject(DEAD);
      expect((await bob.send(method, path)).status).toBe(404);
      expect((await stranger.send(method, path)).status).toBe(404);
      expect((await bob.send(method, path, undefined, { 'x-session-id': sessionId })).status).toBe(404);
    }
    expect((await holder(server, sessionId).get(`/v1/session/${sessionId}/status`)).body.closed).toBe(false);
    const other = await mintKey(alice);
    expect((await other.get(`/v1/session/${sessionId}/status`)).status).toBe(200);
  });

  it('closes for good, answers zeros again, and leaves a status behind', async () => {
    const sessionId = await openSession(alice);
    const alone = holder(server, sessionId);
    const closed = { status: 200, body: { status: 'closed', flushedObjects: 0, flushedRefs: 0 } };
    expect(await alone.delete(`/v1/session/${sessionId}`)).toMatchObject(closed);
    expect(await alone.get('/v1/repos')).toMatchObject(DEAD);
    expect((await alice.get('/v1/repos', { 'x-session-id': sessionId })).status).toBe(200);
    expect(await alone.delete(`/v1/session/${sessionId}`)).toMatchObject(closed);
    expect(await alice.delete(`/v1/session/${sessionId}`)).toMatchObject(closed);
    expect(await alone.get(`/v1/session/${sessionId}/status`)).toMatchObject({ status: 200, body: { closed: true } });
    expect(await alice.post(`/v1/session/${sessionId}/flush`)).toMatchObject({
      status: 200,
      body: { flushedObjects: 0, flushedRefs: 0 },
    });
  });

  it('opens one session for one Idempotency-Key', async () => {
    const once = { 'idempotency-key': 'one-session' };
    const first = await alice.post('/v1/session', { ttl_seconds: 60 }, once);
    const again = await alice.post('/v1/session', { ttl_seconds: 60 }, once);
    expect(again.body).toEqual(first.body);
    expect((await holder(server, first.body.session_id).get('/v1/repos')).status).toBe(200);
  });
});

describe('the expiry of a pinned session', () => {
  it('slides with every use, and with idle_extend false it does not', async () => {
    const sliding = await openSession(alice, { ttl_seconds: 100 });
    const fixed = await openSession(alice, { ttl_seconds: 100, idle_extend: false });
    moveClock([server], 60_000);
    expect((await holder(server, sliding).get('/v1/repos')).status).toBe(200);
    expect((await holder(server, fixed).get('/v1/repos')).status).toBe(200);
    moveClock([server], 60_000);
    expect((await holder(server, sliding).get('/v1/repos')).status).toBe(200);
    expect(await holder(server, fixed).get('/v1/repos')).toMatchObject(DEAD);
    moveClock([server], 101_000);
    expect(await holder(server, sliding).get('/v1/repos')).toMatchObject(DEAD);
  });

  it('shows as a negative ttlMs, and requests use the key again', async () => {
    const sessionId = await openSession(alice, { ttl_seconds: 10 });
    moveClock([server], 12_000);
    const { body } = await holder(server, sessionId).get(`/v1/session/${sessionId}/status`);
    expect(body).toMatchObject({ closed: false });
    expect(body.ttlMs).toBeLessThan(0);
    expect((await alice.get('/v1/repos', { 'x-session-id': sessionId })).status).toBe(200);
  });

  it('comes with the key that opened the session', async () => {
    const expiring = await mintKey(alice, { expires_at: new Date(nowOn(server) + 50_000).toISOString() });
    const sessionId = await openSession(expiring, { ttl_seconds: 600 });
    expect((await holder(server, sessionId).get('/v1/repos')).status).toBe(200);
    moveClock([server], 51_000);
    expect(await holder(server, sessionId).get('/v1/repos')).toMatchObject(DEAD);
    const status = await alice.get(`/v1/session/${sessionId}/status`);
    expect(status.body).toMatchObject({ closed: true });
  });
});
