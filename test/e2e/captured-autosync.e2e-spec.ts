import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { admin, type Client, signUp, type TestAccount } from '../support/client.js';
import { actingFor, seedOrg } from '../support/org-rows.js';
import { setTier } from '../support/organisations.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const MEBIBYTE = 1_048_576;

let server: TestServer;
let root: Client;
let ann: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ DEFAULT_TIER: 'free' });
  root = await admin(server);
  ann = await signUp(server);
  await setTier(root, ann, 'pro');
});

afterAll(async () => {
  await server.close();
});

/** A session whose one file besides the conversation has so many bytes. */
const withFile = (bytes: number): Promise<Buffer> =>
  sessionArchive({}, [userSays('x')], [{ name: 'context/log.bin', content: Buffer.alloc(bytes) }]);

describe('sync settings', () => {
  it('are off until set, and bring the seconds into range', async () => {
    const bo = await signUp(server);
    await setTier(root, bo, 'pro');
    const path = '/api/v1/sync/settings';
    const caps = { max_member_bytes: 50 * MEBIBYTE };
    expect((await bo.get(path)).body).toEqual({ mode: 'off', debounce_seconds: 30, ...caps });
    for (const [sent, kept] of [
      [1, 5],
      [null, 5],
      [1e300, 300],
      [undefined, 300],
      [60, 60],
    ] as const) {
      const answer = await bo.put(path, { mode: 'all', ...(sent !== undefined && { debounce_seconds: sent }) });
      expect(answer).toMatchObject({ status: 200, body: { mode: 'all', debounce_seconds: kept, ...caps } });
    }
    expect((await bo.get(path)).body).toEqual({ mode: 'all', debounce_seconds: 60, ...caps });
  });

  it('ask for the plan before they look at the mode', async () => {
    const cy = await signUp(server);
    const path = '/api/v1/sync/settings';
    for (const mode of ['all', 'sometimes']) {
      expect(await cy.put(path, { mode })).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'upgrade_required', feature: 'autosync', required_tier: 'pro' } } },
      });
    }
    expect((await cy.put(path, { mode: 'off' })).status).toBe(200);
    expect(await ann.put(path, { mode: 'sometimes' })).toMatchObject({
      status: 400,
      body: { error: { message: "Mode must be 'off', 'all', or 'selective'" } },
    });
    for (const body of [{}, { mode: 7 }, { mode: 'off', debounce_seconds: 'soon' }]) {
      expect((await ann.put(path, body)).status).toBe(422);
    }
  });

  it('are one set per person and account', async () => {
    const dee = await signUp(server);
    const org = await seedOrg(server, dee);
    const forOrg = actingFor(dee, org);
    expect((await forOrg.put('/api/v1/sync/settings', { mode: 'selective' })).status).toBe(200);
    expect((await dee.get('/api/v1/sync/settings')).body.mode).toBe('off');
    const id = newSessionId();
    await forOrg.post(`/api/v1/sync/watch/${id}`);
    expect((await dee.get('/api/v1/sync/watchlist')).body.sessions).toEqual([]);
    expect((await dee.put(`/api/v1/sync/watch/${id}/synced`)).body).toEqual({ status: 'not_watched', session_id: id });
    expect((await forOrg.get('/api/v1/sync/status')).body).toMatchObject({ mode: 'selective', watched_sessions: 1 });
  });
});

describe('the largest file of an archive', () => {
  it.each([
    ['starter', 10],
    ['pro', 50],
  ] as const)('is what the settings say, and what a push takes: %s', async (tier, megabytes) => {
    const eve = await signUp(server);
    await setTier(root, eve, tier);
    const limit = megabytes * MEBIBYTE;
    expect((await eve.get('/api/v1/sync/settings')).body.max_member_bytes).toBe(limit);
    expect((await eve.put('/api/v1/sync/settings', { mode: 'off' })).body.max_member_bytes).toBe(limit);
    expect((await pushSession(eve, newSessionId(), await withFile(limit))).status).toBe(201);
    expect(await pushSession(eve, newSessionId(), await withFile(limit + 1))).toMatchObject({
      status: 413,
      body: {
        detail: {
          error: 'session_too_large',
          message: `Session file 'context/log.bin' is ${megabytes + 1}MB which exceeds the ${megabytes}MB per-file limit for your tier.`,
          file: 'context/log.bin',
          size_bytes: limit + 1,
          limit_bytes: limit,
          suggestion: expect.stringMatching(tier === 'pro' ? /^(?!.*upgrade)/ : /upgrade/),
        },
      },
    });
  });
});

describe('the watchlist', () => {
  it('takes sessions that were never pushed, newest first, and knows them once they are', async () => {
    const fay = await signUp(server);
    await setTier(root, fay, 'pro');
    const [first, second] = [newSessionId(), newSessionId()];
    for (const id of [first, second, first]) {
      expect((await fay.post(`/api/v1/sync/watch/${id}`)).body).toEqual({ status: 'watching', session_id: id });
    }
    await pushSession(fay, first, await sessionArchive({ title: 'Watched', stats: { message_count: 3 } }, []));
    const list = await fay.get('/api/v1/sync/watchlist');
    const blank = { title: null, source_tool: null, message_count: 0, status: 'pending', last_synced_at: null };
    expect(list.body).toEqual({
      sessions: [
        { ...blank, session_id: second },
        { ...blank, session_id: first, title: 'Watched', source_tool: 'codex', message_count: 3 },
      ],
      next_cursor: null,
    });
    const page = await fay.get('/api/v1/sync/watchlist?limit=1');
    const rest = await fay.get(`/api/v1/sync/watchlist?limit=1&cursor=${page.body.next_cursor}`);
    expect([...page.body.sessions, ...rest.body.sessions]).toEqual(list.body.sessions);
    await fay.delete(`/api/v1/sessions/${first}?scope=cloud`);
    expect((await fay.get('/api/v1/sync/watchlist')).body.sessions[1]).toMatchObject({
      session_id: first,
      title: null,
    });
  });

  it('keeps what clients report, and takes reports on what is not watched calmly', async () => {
    const id = newSessionId();
    await ann.post(`/api/v1/sync/watch/${id}`);
    expect((await ann.put(`/api/v1/sync/watch/${id}/queued`)).body).toEqual({ status: 'queued', session_id: id });
    expect((await ann.get('/api/v1/sync/status')).body).toMatchObject({ watched_sessions: 1, queued: 1, failed: 0 });
    await ann.put(`/api/v1/sync/watch/${id}/synced`);
    await ann.put(`/api/v1/sync/watch/${id}/failed`);
    // Watched again it is the same entry.
    await ann.post(`/api/v1/sync/watch/${id}`);
    const [watched] = (await ann.get('/api/v1/sync/watchlist')).body.sessions;
    expect(watched).toMatchObject({ status: 'failed', last_synced_at: expect.stringMatching(/Z$/) });
    expect(await ann.put(`/api/v1/sync/watch/${id}/done`)).toMatchObject({
      status: 400,
      body: { error: { message: 'Status must be one of: failed, pending, queued, synced' } },
    });
    for (const _ of [1, 2]) {
      expect((await ann.delete(`/api/v1/sync/watch/${id}`)).body).toEqual({ status: 'unwatched', session_id: id });
    }
    expect((await ann.put(`/api/v1/sync/watch/${id}/queued`)).body).toEqual({ status: 'not_watched', session_id: id });
  });

  it.each(['x', 'ses_%2Faaaaaaaa', 'ses_SHOUTING1', `ses_${'a'.repeat(10_000)}`])(
    'has no session %.20s',
    async (id) => {
      expect((await ann.post(`/api/v1/sync/watch/${id}`)).status).toBe(404);
      expect((await ann.put(`/api/v1/sync/watch/${id}/synced`)).body.status).toBe('not_watched');
      expect((await ann.delete(`/api/v1/sync/watch/${id}`)).status).toBe(200);
    },
  );

  it('is full at some time', async () => {
    const gus = await signUp(server);
    const first = newSessionId();
    await gus.post(`/api/v1/sync/watch/${first}`);
    await sql(
      server,
      `insert into sync_watch (account_id, user_id, session_id)
       select w.account_id, w.user_id, 'ses_' || lpad(n::text, 8, '0')
         from sync_watch w, generate_series(1, 1999) n where w.session_id = $1`,
      [first],
    );
    expect((await gus.get('/api/v1/sync/watchlist')).body.sessions).toHaveLength(2_000);
    expect((await gus.post('/api/v1/sync/watch/ses_00000001')).status).toBe(200);
    expect((await gus.post(`/api/v1/sync/watch/${newSessionId()}`)).status).toBe(409);
  });
});

describe('the sync status', () => {
  it('counts what is live and what the plan allows', async () => {
    const hal = await signUp(server);
    await setTier(root, hal, 'pro');
    const [kept, trashed] = [await withFile(1_000), await withFile(2_000)];
    const ids = [newSessionId(), newSessionId()] as const;
    await pushSession(hal, ids[0], kept);
    await pushSession(hal, ids[1], trashed);
    const before = (await hal.get('/api/v1/sync/status')).body;
    expect(before).toMatchObject({ total_sessions: 2, storage_used_bytes: kept.length + trashed.length });
    expect(before.account_storage_bytes).toBeGreaterThanOrEqual(before.storage_used_bytes);
    await hal.delete(`/api/v1/sessions/${ids[1]}?scope=cloud`);
    // The new tier is known everywhere within a second.
    await eventually(async () => (await hal.get('/api/v1/sync/status')).body.storage_limit_bytes > 0);
    expect((await hal.get('/api/v1/sync/status')).body).toEqual({
      mode: 'off',
      total_sessions: 1,
      synced_sessions: 1,
      watched_sessions: 0,
      queued: 0,
      failed: 0,
      storage_used_bytes: kept.length,
      account_storage_bytes: before.account_storage_bytes,
      storage_limit_bytes: 500 * MEBIBYTE,
    });
    await setTier(root, hal, 'enterprise');
    await eventually(async () => (await hal.get('/api/v1/sync/status')).body.storage_limit_bytes === 0);
  });
});
