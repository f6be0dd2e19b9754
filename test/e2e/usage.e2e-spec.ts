import { Database, Usage } from '#platform';
import { type Answer, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const CALLS_PER_MONTH = 10_000;
const REPOSITORIES = 5;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ DEFAULT_TIER: 'free', PUBLIC_URL: 'https://code.example.com' });
});

afterAll(async () => {
  await server.close();
});

const commit = (path: string) => ({ branch: 'main', message: 'm', changes: [{ path, content: 'x' }] });

/** Lets the account start the month with `calls` made, before its first look at the meter. */
async function havingCalled(account: TestAccount, calls: number): Promise<void> {
  await server.app.get(Database).query(
    `insert into usage_daily (account_id, day, event_type, quantity)
       select account_id, current_date, 'api_call', $2 from app_user where id = $1
       on conflict (account_id, day, event_type) do update set quantity = excluded.quantity`,
    [account.userId, calls],
  );
}

describe('GET /v1/usage', () => {
  const MONTH = new Date().toISOString().slice(0, 7);

  it('counts handled calls of the git surface, failed ones too, but neither 401 nor 429 nor other surfaces', async () => {
    const account = await signUp(server);
    const before = (await account.get('/v1/usage')).body.api_calls as number;
    await createRepo(account, 'metered');
    expect((await account.get('/v1/repos/unknown')).status).toBe(404);
    expect((await account.post('/v1/repos', { slug: 'No Slug' })).status).toBe(400);
    expect((await account.get('/api/v1/auth/me')).status).toBe(200);
    expect((await account.with({ authorization: 'Bearer other' }).get('/v1/repos')).status).toBe(401);
    const { body } = await account.get('/v1/usage');
    // The four calls between, and the first look itself.
    expect(body).toEqual({
      period: MONTH,
      api_calls: before + 4,
      repos_created: 1,
      storage_bytes: expect.any(Number),
      git_transfer_bytes: 0,
      lazy_edit_tokens: 0,
      rate_limit: expect.any(Object),
      credits: expect.any(Object),
    });
  });

  it('counts a pinned session to its account, and a refused plan not at all', async () => {
    const account = await signUp(server);
    const { body: session } = await account.post('/v1/session', {});
    const pinned = new Client(server.url, null, { 'x-session-id': session.session_id as string });
    await createRepo(account, 'a');
    const before = (await account.get('/v1/usage')).body.api_calls as number;
    await pinned.get('/v1/repos');
    for (const slug of ['b', 'c', 'd', 'e']) await createRepo(account, slug);
    expect((await account.post('/v1/repos', { slug: 'f' })).status).toBe(429);
    expect((await account.get('/v1/usage')).body.api_calls).toBe(before + 6);
  });

  it('answers for another month, and refuses what is none', async () => {
    const account = await signUp(server);
    const past = await account.get('/v1/usage?period=2020-02');
    expect(past).toMatchObject({ status: 200, body: { period: '2020-02', api_calls: 0 } });
    for (const period of ['2020', '2020-13', '2020-00', '0000-01', '20-01', '2020-1', '2020-01-01', "2020-01'"]) {
      const answer = await account.get(`/v1/usage?period=${encodeURIComponent(period)}`);
      expect(answer).toMatchObject({
        status: 400,
        body: { error: 'Invalid period format. Use YYYY-MM (e.g. 2026-03)', code: 'VALIDATION_ERROR' },
      });
    }
  });

  it('is for unrestricted keys, and shows no other account', async () => {
    const account = await signUp(server);
    const { body } = await account.post('/api/v1/auth/keys', { scopes: ['repos:write'] });
    expect((await new Client(server.url, body.raw_key as string).get('/v1/usage')).status).toBe(403);
    expect((await account.get('/v1/usage')).body.repos_created).toBe(0);
  });

  it('loses nothing when writing fails for a while', async () => {
    const account = await signUp(server);
    const db = server.app.get(Database);
    const before = (await account.get('/v1/usage')).body.api_calls as number;
    await db.query('alter table usage_daily rename to usage_away');
    await account.get('/v1/repos');
    await server.app.get(Usage).flush();
    await db.query('alter table usage_away rename to usage_daily');
    expect((await account.get('/v1/usage')).body.api_calls).toBe(before + 2);
  });
});

describe('the free tier', () => {
  const refusal = (what: string, limit: number) => ({
    error: `Free tier limit exceeded: ${what}`,
    code: 'QUOTA_EXCEEDED',
    used: limit,
    limit,
    upgrade_url: 'https://code.example.com/docs/tiers',
  });

  const statuses = (answers: readonly Answer[]): Record<number, number> =>
    answers.reduce<Record<number, number>>(
      (counts, { status }) => ({ ...counts, [status]: (counts[status] ?? 0) + 1 }),
      {},
    );

  it('holds five repositories, also when ten are created at once', async () => {
    const account = await signUp(server);
    const answers = await Promise.all(
      Array.from({ length: 2 * REPOSITORIES }, (_, index) => account.post('/v1/repos', { slug: `repo-${index}` })),
    );
    expect(statuses(answers)).toEqual({ 201: REPOSITORIES, 429: REPOSITORIES });
    for (const { status, body } of answers)
      if (status === 429) expect(body).toEqual(refusal('repositories', REPOSITORIES));
    const { body: list } = await account.get('/v1/repos');
    expect(list.repos).toHaveLength(REPOSITORIES);
    await account.delete(`/v1/repos/${list.repos[0].slug}`);
    expect((await account.post('/v1/repos', { slug: 'again' })).status).toBe(201);
    expect((await account.post('/v1/repos', { slug: 'once-more' })).status).toBe(429);
  });

  it('commits until its calls are used up; reading goes on', async () => {
    const account = await signUp(server);
    await createRepo(account, 'busy');
    await server.app.get(Usage).flush();
    await havingCalled(account, CALLS_PER_MONTH - 2);
    expect((await account.post('/v1/repos/busy/commits', commit('one'))).status).toBe(201);
    expect((await account.post('/v1/repos/busy/commits', commit('two'))).status).toBe(201);
    const refused = await account.post('/v1/repos/busy/commits', commit('three'));
    expect(refused).toMatchObject({ status: 429, body: refusal('API calls', CALLS_PER_MONTH) });
    expect((await account.get('/v1/repos/busy/blob/main/two')).status).toBe(200);
    expect((await account.get('/v1/repos/busy/blob/main/three')).status).toBe(404);
  });
});
