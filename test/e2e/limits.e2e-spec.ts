import { Clock } from '#kernel';
import { Revocations } from '#platform';
import { admin, type Answer, Client, type TestAccount } from '../support/client.js';
import { eventually } from '../support/pinned-sessions.js';
import { countQueries } from '../support/request-probe.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const KEY_LIMIT = 600;
const ACCOUNT_LIMIT = 2_000;
const ADDRESS_LIMIT = 1_000;
const AUTH_FAILURES = 60;
const SIGNUPS = 20;

let first: TestServer;
let second: TestServer;

beforeAll(async () => {
  const env = {
    DEFAULT_TIER: 'free',
    AUTH_FAILURE_LIMIT_PER_MINUTE: String(AUTH_FAILURES),
    SIGNUP_LIMIT_PER_HOUR: String(SIGNUPS),
    TRUST_PROXY: 'loopback',
  };
  first = await startTestServer(env);
  second = await startOn(first.databaseUrl, first.dataDir, env);
  // One moment for everybody: a window that ends while a test fills it would let more through.
  const now = Date.now() - (Date.now() % 3_600_000) + 60_000;
  for (const { app } of [first, second]) app.get(Clock).now = () => now;
});

afterAll(async () => {
  await second.close();
  await first.close();
});

let addresses = 0;

/** Callers of their own address, so that tests do not fill each other's limits. */
const fromNewAddress = (): Record<string, string> => ({ 'x-forwarded-for': `10.0.0.${(addresses += 1)}` });

async function newAccount(): Promise<TestAccount> {
  const anonymous = new Client(first.url, null, fromNewAddress());
  const { body } = await anonymous.post('/api/v1/auth/signup', { email: `limited-${addresses}@example.com` });
  const client = new Client(first.url, body.raw_key as string, fromNewAddress());
  return Object.assign(client, { slug: '', userId: body.user_id as string, keyId: body.key_id as string });
}

/** `total` requests, spread over both servers, 40 at a time. */
async function burst(
  total: number,
  request: (server: TestServer, index: number) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let done = 0; done < total; done += 40) {
    const wave = Array.from({ length: Math.min(40, total - done) }, (_, index) =>
      request((done + index) % 2 === 0 ? first : second, done + index),
    );
    answers.push(...(await Promise.all(wave)));
  }
  return answers;
}

const count = (answers: readonly Answer[], status: number): number =>
  answers.filter((answer) => answer.status === status).length;

/** At least the limit, at most a tenth more. */
function expectCeiling(admitted: number, limit: number): void {
  expect(admitted).toBeGreaterThanOrEqual(limit);
  expect(admitted).toBeLessThanOrEqual(limit * 1.1);
}

describe('limits that two servers share', () => {
  it('stop a key at its limit plus a tenth at most', async () => {
    const account = await newAccount();
    const answers = await burst(KEY_LIMIT + 200, (server) => new Client(server.url, account.key).get('/v1/repos'));
    expectCeiling(count(answers, 200), KEY_LIMIT);
    expect(count(answers, 200) + count(answers, 429)).toBe(answers.length);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body).toEqual({ error: 'Rate limit exceeded', code: 'RATE_LIMITED' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(refused.headers.get('x-ratelimit-limit')).toBe(String(KEY_LIMIT));
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(refused.headers.get('x-org-ratelimit-limit')).toBeNull();
  });

  it('stop an account that spreads its calls over many keys', async () => {
    const account = await newAccount();
    const keys = [account.key!];
    while (keys.length < 5) {
      const { body } = await account.post('/api/v1/auth/keys', { name: `key ${keys.length}` });
      keys.push(body.raw_key as string);
    }
    const answers = await burst(ACCOUNT_LIMIT + 300, (server, index) =>
      new Client(server.url, keys[Math.floor(index / 2) % keys.length]!).get('/v1/repos'),
    );
    expectCeiling(count(answers, 200), ACCOUNT_LIMIT);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body).toEqual({ error: 'Organization rate limit exceeded', code: 'RATE_LIMITED' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(refused.headers.get('x-org-ratelimit-limit')).toBe(String(ACCOUNT_LIMIT));
    expect(refused.headers.get('x-org-ratelimit-remaining')).toBe('0');
  });

  it('stop an address, also on paths that no route has', async () => {
    const address = fromNewAddress();
    const answers = await burst(ADDRESS_LIMIT + 200, (server) =>
      new Client(server.url, null, address).get('/v1/nothing'),
    );
    expectCeiling(count(answers, 404), ADDRESS_LIMIT);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body).toEqual({ error: 'Rate limit exceeded', code: 'RATE_LIMITED' });
    expect((await new Client(first.url, null, fromNewAddress()).get('/v1/nothing')).status).toBe(404);
  });

  it('stop guessing of keys, whatever the tier', async () => {
    const address = fromNewAddress();
    const answers = await burst(AUTH_FAILURES + 40, (server) =>
      new Client(server.url, 'rhu_guess', address).get('/v1/repos'),
    );
    // All of a wave may have begun before the first of it failed.
    expect(count(answers, 401)).toBeGreaterThanOrEqual(AUTH_FAILURES);
    expect(count(answers, 401)).toBeLessThanOrEqual(AUTH_FAILURES * 1.1 + 40);
    const root = new Client(second.url, (await admin(first)).key, address);
    const refused = await root.get('/v1/repos');
    expect(refused).toMatchObject({
      status: 429,
      body: { error: 'Too many failed authentications. Try again later.' },
    });
  });

  it('stop sign-ups of an address, failures included', async () => {
    const address = fromNewAddress();
    const answers = await burst(SIGNUPS + 20, (server, index) =>
      new Client(server.url, null, address).post('/api/v1/auth/signup', {
        email: index % 3 === 0 ? 'taken@example.com' : `many-${index}@example.com`,
      }),
    );
    expectCeiling(count(answers, 201) + count(answers, 409), SIGNUPS);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body.error.message).toBe('Too many signup attempts. Try again later.');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });
});

describe('rate headers', () => {
  const headersOf = ({ headers }: Answer): (string | null)[] =>
    ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`));

  it('tell a key what is left, on errors too', async () => {
    const account = await newAccount();
    const reset = String(Math.floor(first.app.get(Clock).now() / 1000) + 60);
    expect(headersOf(await account.get('/v1/repos'))).toEqual(['600', '599', reset]);
    expect(headersOf(await account.get('/v1/repos/unknown'))).toEqual(['600', '598', reset]);
    expect(headersOf(await account.post('/v1/repos', { slug: 'No' }))).toEqual(['600', '597', reset]);
    expect((await account.get('/v1/repos')).headers.get('retry-after')).toBeNull();
  });

  it('tell an address what is left, on unknown routes too', async () => {
    const nobody = new Client(first.url, null, fromNewAddress());
    expect(headersOf(await nobody.get('/health')).slice(0, 2)).toEqual(['1000', '999']);
    expect(headersOf(await nobody.get('/v1/nothing')).slice(0, 2)).toEqual(['1000', '998']);
  });

  it('are there for enterprise, which has no limit', async () => {
    const account = await newAccount();
    const { user_id: userId } = (await account.get('/api/v1/auth/me')).body;
    await (await admin(first)).put(`/api/v1/admin/users/${userId}/tier`, { tier: 'enterprise' });
    const answer = await eventually(async () => {
      const found = await account.get('/v1/repos');
      return found.headers.get('x-ratelimit-limit') !== '600' && found;
    });
    expect(headersOf(answer).slice(0, 2)).toEqual(['2147483647', '2147483647']);
  });

  it('cost no query far from the limit, and one for every twentieth part of it', async () => {
    const account = await newAccount();
    await account.get('/v1/repos');
    const revocations = first.app.get(Revocations);
    const queries: (number | undefined)[] = [];
    let calls = 0;
    for (; queries.length < KEY_LIMIT / 5 && calls < KEY_LIMIT / 2; calls += 1) {
      const wasFresh = revocations.isFresh;
      const { beforeController } = await countQueries(() => account.get('/v1/repos'));
      // A node that could not look at the revocations for a moment asks for the key again: that is another query.
      if (wasFresh && revocations.isFresh) queries.push(beforeController);
    }
    expect(queries).toHaveLength(KEY_LIMIT / 5);
    expect(queries.filter((issued) => issued !== 0 && issued !== 1)).toEqual([]);
    expect(queries.filter((issued) => issued === 1).length).toBeLessThanOrEqual(Math.ceil(calls / (KEY_LIMIT / 20)));
  });
});
