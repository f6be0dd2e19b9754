import { stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { join } from 'node:path';
import { isAccountSlug } from '../../libs/accounts/src/index.js';
import { RouteTable } from '../../libs/platform/src/index.js';
import { admin, Client, signUp } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let nobody: Client;

beforeAll(async () => {
  server = await startTestServer();
  nobody = new Client(server.url, null);
});

afterAll(async () => {
  await server.close();
});

const emailOf = (local: string): string => `${local}-${Date.now().toString(36)}@example.com`;

describe('sign-up', () => {
  it('answers the user, the address as stored and a key that works', async () => {
    const email = emailOf('ada');
    const answer = await nobody.post('/api/v1/auth/signup', { email });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      user_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email,
      raw_key: expect.stringMatching(/^rhu_[0-9A-Za-z]{38}$/),
      key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      message: expect.any(String),
    });
    const me = await new Client(server.url, answer.body.raw_key).get('/api/v1/auth/me');
    expect(me.body).toMatchObject({ user_id: answer.body.user_id, email });
  });

  it('trims and lowercases the address, so that it is taken in any spelling', async () => {
    const email = emailOf('grace');
    const first = await nobody.post('/api/v1/auth/signup', { email: `  ${email.toUpperCase()}\n` });
    expect(first.body).toMatchObject({ email });
    const second = await nobody.post('/api/v1/auth/signup', { email });
    expect(second.status).toBe(409);
    expect(second.body).toMatchObject({
      error: { code: '409', message: 'Email already registered' },
      detail: 'Email already registered',
    });
  });

  it.each([
    ['nothing', {}],
    ['null', { email: null }],
    ['a number', { email: 7 }],
    ['a list', { email: ['a@example.com'] }],
    ['no address', { email: 'ada' }],
    ['the empty text', { email: '' }],
    ['blanks', { email: '   ' }],
    ['a NUL', { email: 'a\0b@example.com' }],
    ['a line break', { email: 'a@example.com\nb@example.com' }],
    ['an over-long address', { email: `${'a'.repeat(300)}@example.com` }],
    ['an over-long domain', { email: `a@${'b.'.repeat(200)}com` }],
  ])('refuses %s with 422 in its envelope', async (_, body) => {
    const answer = await nobody.post('/api/v1/auth/signup', body);
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({
      error: { code: '422', message: 'Validation error', details: { errors: [{ loc: ['body', 'email'] }] } },
      detail: [{ loc: ['body', 'email'] }],
    });
  });

  it('lets exactly one of several simultaneous sign-ups have an address', async () => {
    const email = emailOf('race');
    const answers = await Promise.all(Array.from({ length: 8 }, () => nobody.post('/api/v1/auth/signup', { email })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
  });

  it('gives people of one name who sign up at once a slug each', async () => {
    const tag = Date.now().toString(36);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        nobody.post('/api/v1/auth/signup', { email: `same.name${tag}@host${index}.example.com` }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201));
    const slugs = await Promise.all(answers.map(({ body }) => slugOf(body.raw_key)));
    expect(new Set(slugs).size).toBe(8);
    expect(slugs).toContain(`same-name${tag}`);
    expect(slugs.every(isAccountSlug)).toBe(true);
  });

  it('never gives away a slug that is a first path segment of the server', async () => {
    const segments = server.app
      .get(RouteTable)
      .routes()
      .map(({ path }) => path.split('/')[1] ?? '')
      .filter((segment) => /^[a-z]/.test(segment));
    expect(segments.length).toBeGreaterThan(5);
    expect([...new Set(segments)].filter(isAccountSlug)).toEqual([]);
    const answer = await nobody.post('/api/v1/auth/signup', { email: `api@${Date.now()}.example.com` });
    expect(await slugOf(answer.body.raw_key)).toMatch(/^api-account/);
  });

  it.each([
    ['closed', 'closed'],
    ['invite', 'invite'],
  ])('is refused when SIGNUP is %s', async (_, mode) => {
    const other = await startOn(server.databaseUrl, server.dataDir, { SIGNUP: mode });
    try {
      const answer = await new Client(other.url, null).post('/api/v1/auth/signup', { email: emailOf(mode) });
      expect(answer).toMatchObject({
        status: 403,
        body: { error: { code: '403', details: { error: 'signup_closed' } } },
      });
    } finally {
      await other.close();
    }
  });

  it('limits attempts per address, refused ones included', async () => {
    // A database of its own: attempts are counted together by all servers on one.
    const other = await startTestServer({ SIGNUP_LIMIT_PER_HOUR: '3' });
    try {
      const client = new Client(other.url, null);
      const email = emailOf('limit');
      const statuses: number[] = [];
      for (let round = 0; round < 4; round += 1) {
        statuses.push((await client.post('/api/v1/auth/signup', { email })).status);
      }
      expect(statuses).toEqual([201, 409, 409, 429]);
      const refused = await client.post('/api/v1/auth/signup', { email });
      expect(refused.body.error.message).toBe('Too many signup attempts. Try again later.');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    } finally {
      await other.close();
    }
  });
});

async function slugOf(rawKey: string): Promise<string> {
  return (await new Client(server.url, rawKey).get('/api/v1/auth/me')).body.account_slug as string;
}

describe('me', () => {
  it('has exactly the members of the contract plus the slug of the account', async () => {
    const ada = await signUp(server);
    const me = await ada.get('/api/v1/auth/me');
    expect(Object.keys(me.body).sort()).toEqual(
      [
        ...['user_id', 'email', 'display_name', 'email_verified', 'tier', 'effective_tier', 'org_id', 'org_name'],
        ...['org_role', 'created_at', 'last_client_version', 'last_client_platform', 'last_client_device'],
        ...['last_sync_at', 'latest_version', 'default_org_id', 'account_slug'],
      ].sort(),
    );
    expect(me.body).toMatchObject({ tier: 'enterprise', effective_tier: 'enterprise', email_verified: false });
    expect((await ada.get('/api/v1/me')).body).toEqual(me.body);
  });

  it.each(['/API/v1/auth/me', '/api/v1/auth/ME', '/V1/repos'])('knows no route in other case: %s', async (path) => {
    expect((await (await signUp(server)).get(path)).status).toBe(404);
  });
});

describe('administration', () => {
  it('gives the first administrator a key in a file only its owner may read', async () => {
    const root = await admin(server);
    expect((await root.get('/api/v1/auth/me')).status).toBe(200);
    expect((await stat(join(server.dataDir, 'admin.key'))).mode & 0o777).toBe(0o600);
  });

  it('makes no second administrator at the next start', async () => {
    const before = await admin(server);
    const again = await startOn(server.databaseUrl, server.dataDir);
    await again.close();
    expect((await admin(server)).key).toBe(before.key);
  });

  it('sets tiers', async () => {
    const [root, ada] = [await admin(server), await signUp(server)];
    const path = `/api/v1/admin/users/${ada.userId}/tier`;
    expect(await root.put(path, { tier: 'free' })).toMatchObject({
      status: 200,
      body: { user_id: ada.userId, old_tier: 'enterprise', new_tier: 'free' },
    });
    expect((await root.put(path, { tier: 'pro' })).body).toMatchObject({ old_tier: 'free', new_tier: 'pro' });
    expect((await ada.get('/api/v1/auth/me')).body).toMatchObject({ tier: 'pro', effective_tier: 'pro' });
  });

  it('refuses an administrator who would demote himself', async () => {
    const root = await admin(server);
    const { user_id: id } = (await root.get('/api/v1/auth/me')).body;
    expect((await root.put(`/api/v1/admin/users/${id}/tier`, { tier: 'starter' })).status).toBe(400);
    expect((await root.get('/api/v1/admin/users')).status).toBe(200);
  });

  it.each([
    [400, { tier: 'gold' }, null],
    [400, { tier: '' }, null],
    [422, {}, null],
    [422, { tier: 7 }, null],
    [404, { tier: 'pro' }, '00000000-0000-4000-8000-000000000000'],
    [404, { tier: 'pro' }, 'nonsense'],
  ])('answers %i for %j and user %s', async (status, body, id) => {
    const [root, ada] = [await admin(server), await signUp(server)];
    const answer = await root.put(`/api/v1/admin/users/${id ?? ada.userId}/tier`, body);
    expect(answer).toMatchObject({ status, body: { error: { code: String(status) } } });
    if (status === 404) expect(answer.body.error.message).toBe('User not found');
    expect((await ada.get('/api/v1/auth/me')).body.tier).toBe('enterprise');
  });

  it('is closed to everyone else, and to narrower keys of the administrator', async () => {
    const [root, ada] = [await admin(server), await signUp(server)];
    const path = `/api/v1/admin/users/${ada.userId}/tier`;
    expect((await ada.put(path, { tier: 'pro' })).body.error.message).toBe('Admin access required');
    expect((await nobody.put(path, { tier: 'pro' })).status).toBe(401);
    const narrow = await root.post('/api/v1/auth/keys', { scopes: ['repos:write'] });
    expect((await new Client(server.url, narrow.body.raw_key).put(path, { tier: 'pro' })).status).toBe(403);
  });

  it('limits what the free tier may have', async () => {
    const [root, ada] = [await admin(server), await signUp(server)];
    await root.put(`/api/v1/admin/users/${ada.userId}/tier`, { tier: 'free' });
    // The header shows when the change has reached the node's cache.
    const perMinute = async (): Promise<string | null> => (await ada.get('/v1/repos')).headers.get('x-ratelimit-limit');
    while ((await perMinute()) !== '600') await setTimeout(20);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => ada.post('/v1/repos', { slug: `r${index}` })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    const refused = answers.find(({ status }) => status !== 201);
    expect(refused).toMatchObject({
      status: 429,
      body: { error: 'Free tier limit exceeded: repositories', used: 5, limit: 5, code: 'QUOTA_EXCEEDED' },
    });
    expect(refused?.body.upgrade_url).toEqual(expect.any(String));
  });
});
