import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../libs/platform/src/index.js';
import { ADMIN_USERS, auditOf, createOrg } from '../support/administration.js';
import { admin, type Answer, Client, signUp } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const USERS = ADMIN_USERS;

let server: TestServer;
let db: Database;
let root: Client;

beforeAll(async () => {
  server = await startTestServer();
  db = server.app.get(Database);
  root = await admin(server);
});

afterAll(async () => {
  await server.close();
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await setTimeout(30);
}

describe('the routes of administrators', () => {
  it.each([
    ['GET', USERS],
    ['GET', `${USERS}/${randomUUID()}`],
    ['GET', `${USERS}/${randomUUID()}/api-keys`],
    ['PUT', `${USERS}/${randomUUID()}/tier`],
    ['PUT', `${USERS}/${randomUUID()}/verify`],
    ['PUT', `${USERS}/${randomUUID()}/activate`],
    ['DELETE', `${USERS}/${randomUUID()}`],
    ['POST', `${USERS}/${randomUUID()}/api-keys`],
  ])('%s %s is for them alone', async (method, path) => {
    const ada = await signUp(server);
    const body = method === 'PUT' || method === 'POST' ? {} : undefined;
    expect(await ada.send(method, path, body)).toMatchObject({
      status: 403,
      body: { error: { code: '403', message: 'Admin access required' } },
    });
    const narrow = await root.post('/api/v1/auth/keys', { scopes: ['repos:write'] });
    expect((await new Client(server.url, narrow.body.raw_key as string).send(method, path, body)).status).toBe(403);
  });

  it.each(['%00', 'x'.repeat(10_000), '%27%20or%201=1', '..%2f', '%F0%9F%92%A9', '0', '%ff'])(
    'answer 404 for the id %.20s',
    async (id) => {
      const answers = [
        await root.get(`${USERS}/${id}`),
        await root.get(`${USERS}/${id}/api-keys`),
        await root.put(`${USERS}/${id}/tier`, { tier: 'pro' }),
        await root.put(`${USERS}/${id}/verify`),
        await root.put(`${USERS}/${id}/activate`),
        await root.delete(`${USERS}/${id}`),
        await root.post(`${USERS}/${id}/api-keys`, {}),
      ];
      for (const { status, body } of answers) {
        // What is not even a path is refused before any route sees it.
        expect([404, 422]).toContain(status);
        expect(body.error).toBeDefined();
      }
    },
  );

  it('answer 404 for a user nobody is', async () => {
    expect(await root.get(`${USERS}/${randomUUID()}`)).toMatchObject({
      status: 404,
      body: { error: { code: '404', message: 'User not found' } },
    });
    expect((await root.delete(`${USERS}/${randomUUID()}`)).status).toBe(404);
  });
});

describe('the list of users', () => {
  it('finds by part of the address in any case, taking no character for a pattern', async () => {
    const tag = `t${randomUUID().slice(0, 8)}`;
    const [plain, dotted] = [await signUp(server, `${tag}_a`), await signUp(server, `${tag}xb`)];
    const found = async (search: string): Promise<string[]> => {
      const answer = await root.get(`${USERS}?search=${encodeURIComponent(search)}`);
      expect(answer.status).toBe(200);
      return answer.body.users.map((user: { id: string }) => user.id);
    };
    expect(await found(tag.toUpperCase())).toEqual([dotted.userId, plain.userId]);
    expect(await found(`${tag}_`)).toEqual([plain.userId]);
    expect(await found(`${tag}%`)).toEqual([]);
    expect(await found(`${tag}\\`)).toEqual([]);
  });

  it('shows what the contract says, newest first', async () => {
    const ada = await signUp(server);
    const answer = await root.get(`${USERS}?page_size=1`);
    expect(answer.body).toEqual({
      total: expect.any(Number),
      page: 1,
      page_size: 1,
      users: [
        {
          id: ada.userId,
          email: expect.stringContaining('@example.com'),
          tier: 'enterprise',
          email_verified: false,
          is_active: true,
          created_at: expect.stringMatching(/Z$/),
          session_count: 0,
          account_slug: ada.slug,
        },
      ],
      next_cursor: expect.any(String),
    });
  });

  it('pages by number and by cursor, each user once', async () => {
    for (let index = 0; index < 5; index += 1) await signUp(server);
    const all = (await root.get(`${USERS}?page_size=200`)).body;
    const ids = all.users.map((user: { id: string }) => user.id) as string[];
    expect(ids).toHaveLength(all.total);
    expect(all.next_cursor).toBeNull();
    const byCursor: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Answer = await root.get(`${USERS}?page_size=3&cursor=${cursor}`);
      byCursor.push(...page.body.users.map((user: { id: string }) => user.id));
      cursor = page.body.next_cursor;
    }
    expect(byCursor).toEqual(ids);
    const second = await root.get(`${USERS}?page_size=3&page=2`);
    expect(second.body.users.map((user: { id: string }) => user.id)).toEqual(ids.slice(3, 6));
    expect((await root.get(`${USERS}?page=1000000`)).body.users).toEqual([]);
  });

  it('filters by tier, administrators being their own', async () => {
    const ada = await signUp(server);
    await root.put(`${USERS}/${ada.userId}/tier`, { tier: 'starter' });
    const starters = await root.get(`${USERS}?tier_filter=starter`);
    expect(starters.body.users.map((user: { id: string }) => user.id)).toEqual([ada.userId]);
    const admins = await root.get(`${USERS}?tier_filter=admin`);
    expect(admins.body.users.every((user: { tier: string }) => user.tier === 'admin')).toBe(true);
  });

  it.each([
    'page=0',
    'page=-1',
    'page=x',
    'page=1.5',
    'page=1000001',
    'page=99999999999999999999',
    'page_size=0',
    'page_size=201',
    'tier_filter=gold',
    'status=gone',
    'search=%00',
    `search=${'x'.repeat(300)}`,
    'search=a&search=b',
    'cursor=nonsense',
    'cursor=%00',
    `cursor=${Buffer.from(`1|${'z'.repeat(36)}`).toString('base64url')}`,
    `cursor=${Buffer.from(`99999999999999999999|${randomUUID()}`).toString('base64url')}`,
    `cursor=${'x'.repeat(500)}`,
  ])('refuses ?%.60s with 422', async (query) => {
    expect(await root.get(`${USERS}?${query}`)).toMatchObject({ status: 422, body: { error: { code: '422' } } });
  });
});

describe('a look at a user', () => {
  it('shows storage, keys and organisations, and is audited', async () => {
    const ada = await signUp(server);
    const org = await createOrg(db, ada, `look-${randomUUID().slice(0, 8)}`);
    const answer = await root.get(`${USERS}/${ada.userId.toUpperCase()}`);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        id: ada.userId,
        display_name: null,
        storage_used_bytes: 0,
        api_key_count: 1,
        orgs: [{ id: org.id, role: 'owner' }],
      },
    });
    const keys = await root.get(`${USERS}/${ada.userId}/api-keys`);
    expect(keys.body).toMatchObject([{ key_id: ada.keyId, scopes: ['*'] }]);
    expect(JSON.stringify(keys.body)).not.toContain(ada.key!.slice(12));
    expect(await auditOf(db, 'admin_read', ada.userId)).toMatchObject([
      { actor_kind: 'user_key', facts: {}, address: '127.0.0.1' },
      { facts: { what: 'keys' } },
    ]);
  });

  it('fails when it cannot be audited', async () => {
    const ada = await signUp(server);
    await db.query('alter table audit rename to audit_away');
    const answer = await root.get(`${USERS}/${ada.userId}`);
    await db.query('alter table audit_away rename to audit');
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain('@example.com');
  });
});

describe('tiers', () => {
  it('change with an audit row, up to the role of administrators and back', async () => {
    const ada = await signUp(server);
    const path = `${USERS}/${ada.userId}/tier`;
    expect((await root.put(path, { tier: 'pro' })).body).toEqual({
      user_id: ada.userId,
      old_tier: 'enterprise',
      new_tier: 'pro',
    });
    expect((await root.put(path, { tier: 'admin' })).body).toMatchObject({ old_tier: 'pro', new_tier: 'admin' });
    await until(async () => (await ada.get(USERS)).status === 200);
    // Nothing of the lower tier is left behind (W35).
    expect((await ada.get('/api/v1/auth/me')).body).toMatchObject({ effective_tier: 'enterprise' });
    expect((await root.put(path, { tier: 'free' })).body).toMatchObject({ old_tier: 'admin', new_tier: 'free' });
    await until(async () => (await ada.get(USERS)).status === 403);
    expect(await auditOf(db, 'platform_role_change', ada.userId)).toMatchObject([
      { facts: { is_admin: true } },
      { facts: { is_admin: false } },
    ]);
    expect((await auditOf(db, 'tier_change', ada.userId)).map(({ facts }) => facts)).toEqual([
      { old_tier: 'enterprise', new_tier: 'pro' },
      { old_tier: 'pro', new_tier: 'enterprise' },
      { old_tier: 'enterprise', new_tier: 'free' },
    ]);
  });

  it('are not taken from oneself as administrator', async () => {
    const me = await root.get('/api/v1/auth/me');
    expect(await root.put(`${USERS}/${me.body.user_id}/tier`, { tier: 'pro' })).toMatchObject({
      status: 400,
      body: { error: { message: 'You cannot demote yourself' } },
    });
    expect((await root.put(`${USERS}/${me.body.user_id}/tier`, { tier: 'admin' })).status).toBe(200);
  });

  it.each([[{}], [{ tier: 7 }], [{ tier: null }], [{ tier: ['pro'] }]])('refuse %j with 422', async (body) => {
    const ada = await signUp(server);
    expect((await root.put(`${USERS}/${ada.userId}/tier`, body as never)).status).toBe(422);
  });

  it.each(['gold', '', 'PRO', 'x'.repeat(10_000), 'a\0b'])('refuse the tier %.10j with 400', async (tier) => {
    const ada = await signUp(server);
    expect((await root.put(`${USERS}/${ada.userId}/tier`, { tier })).status).toBe(400);
  });

  it('leave one administrator when two demote each other at once', async () => {
    const other = await startTestServer();
    try {
      const first = await admin(other);
      const firstId = (await first.get('/api/v1/auth/me')).body.user_id as string;
      for (let round = 0; round < 5; round += 1) {
        const second = await signUp(other);
        await first.put(`${USERS}/${second.userId}/tier`, { tier: 'admin' });
        await until(async () => (await second.get(USERS)).status === 200);
        const answers = await Promise.all([
          first.put(`${USERS}/${second.userId}/tier`, { tier: 'pro' }),
          second.put(`${USERS}/${firstId}/tier`, { tier: 'pro' }),
        ]);
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
        const left = await other.app.get(Database).query('select id from app_user where is_admin');
        expect(left).toHaveLength(1);
        await other.app.get(Database).query('update app_user set is_admin = (id = $1)', [firstId]);
        await other.app.get(Database).query(`insert into revocation (kind, subject_id) values ('user', $1)`, [firstId]);
        await until(async () => (await first.get(USERS)).status === 200);
      }
    } finally {
      await other.close();
    }
  });
});
