import { randomUUID } from 'node:crypto';
import { Database } from '../../libs/platform/src/index.js';
import { auditOf, createOrg, joinOrg, roleIn } from '../support/administration.js';
import { admin, type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const ORGS = '/api/v1/admin/orgs';
const UNKNOWN = 'org_0123456789abcdef';

let server: TestServer;
let db: Database;
let root: Client;
let ada: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  db = server.app.get(Database);
  root = await admin(server);
});

beforeEach(async () => {
  ada = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

const newSlug = (): string => `org-${randomUUID().slice(0, 13)}`;

it.each([
  ['GET', ORGS],
  ['POST', ORGS],
  ['GET', `${ORGS}/${UNKNOWN}`],
  ['PUT', `${ORGS}/${UNKNOWN}/tier`],
  ['POST', `${ORGS}/${UNKNOWN}/force-transfer-owner`],
])('%s %s is for administrators alone', async (method, path) => {
  const answer = await ada.send(method, path, method === 'GET' ? undefined : {});
  expect(answer).toMatchObject({ status: 403, body: { error: { message: 'Admin access required' } } });
});

it.each([UNKNOWN, 'org_', 'x'.repeat(10_000), '%27', '%F0%9F%92%A9', '__proto__'])(
  'an organisation called %.20s is unknown',
  async (id) => {
    const answers = [
      await root.get(`${ORGS}/${id}`),
      await root.put(`${ORGS}/${id}/tier`, { tier: 'pro' }),
      await root.post(`${ORGS}/${id}/force-transfer-owner`, { to_user_id: ada.userId }),
    ];
    for (const answer of answers) expect(answer).toMatchObject({ status: 404, body: { error: { code: '404' } } });
  },
);

describe('organisations made by an administrator', () => {
  it('belong to their owner alone, with what was given or the defaults of the contract', async () => {
    const slug = newSlug();
    const answer = await root.post(ORGS, { name: ' Acme ', slug, owner_user_id: ada.userId.toUpperCase() });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^org_[0-9a-f]{16}$/),
      name: 'Acme',
      slug,
      tier: 'enterprise',
      seats_limit: 100,
      storage_limit_bytes: 0,
      owner_user_id: ada.userId,
    });
    const seen = await ada.get(`/api/v1/orgs/${answer.body.id}`);
    expect(seen.body.org).toMatchObject({ slug, tier: 'enterprise', seats_limit: 100, seats_used: 1 });
    expect(await roleIn(db, answer.body.id as string, ada.userId)).toBe('owner');
    expect(await auditOf(db, 'admin_create_org', answer.body.id as string)).toMatchObject([{ facts: { slug } }]);

    const small = await root.post(ORGS, {
      ...{ name: 'Small', slug: newSlug(), owner_user_id: ada.userId, license_key: 'ignored' },
      ...{ tier: 'team', seats_limit: 3, storage_limit_bytes: 5_000_000_000 },
    });
    expect(small.body).toMatchObject({ tier: 'team', seats_limit: 3, storage_limit_bytes: 5_000_000_000 });
    expect((await root.get(`${ORGS}/${small.body.id}`)).body).toMatchObject({ seats_limit: 3, member_count: 1 });
  });

  it('need an active owner, a free slug and a tier there is', async () => {
    const slug = newSlug();
    const body = { name: 'Acme', slug, owner_user_id: ada.userId };
    expect((await root.post(ORGS, { ...body, owner_user_id: randomUUID() })).status).toBe(404);
    expect((await root.post(ORGS, { ...body, owner_user_id: 'nobody' })).status).toBe(404);
    expect((await root.post(ORGS, { ...body, tier: 'gold' })).status).toBe(400);
    expect((await root.post(ORGS, { ...body, slug: ada.slug })).status).toBe(409);
    const gone = await signUp(server);
    await root.delete(`/api/v1/admin/users/${gone.userId}`);
    expect((await root.post(ORGS, { ...body, owner_user_id: gone.userId })).status).toBe(404);
    // None of the refusals has taken the slug.
    expect((await root.post(ORGS, body)).status).toBe(201);
  });

  it.each([
    [{}],
    [{ name: 7 }],
    [{ name: '' }],
    [{ name: 'x'.repeat(256) }],
    [{ name: 'a\0b' }],
    [{ slug: 'Not A Slug' }],
    [{ slug: 'x'.repeat(101) }],
    [{ owner_user_id: 7 }],
    [{ owner_user_id: 'a\0b' }],
    [{ seats_limit: 'many' }],
    [{ seats_limit: -1 }],
    [{ seats_limit: 1.5 }],
    [{ seats_limit: 1e12 }],
    [{ storage_limit_bytes: 'much' }],
    [{ storage_limit_bytes: 1e300 }],
    [{ tier: 7 }],
  ])('are not made of %.60j', async (wrong) => {
    const body = { name: 'Acme', slug: newSlug(), owner_user_id: ada.userId, ...wrong };
    const sent = Object.keys(wrong).length === 0 ? {} : body;
    expect((await root.post(ORGS, sent as never)).status).toBe(422);
  });
});

describe('the list of organisations', () => {
  it('is searched by name and slug, and paged by number and cursor', async () => {
    const tag = randomUUID().slice(0, 8);
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.unshift((await createOrg(db, ada, `${tag}-${index}`)).id);
    const idsOf = (answer: Answer): string[] => answer.body.orgs.map(({ id }: { id: string }) => id);
    expect(idsOf(await root.get(`${ORGS}?search=${tag.toUpperCase()}`))).toEqual(ids);
    expect(idsOf(await root.get(`${ORGS}?search=${tag}_`))).toEqual([]);
    expect(idsOf(await root.get(`${ORGS}?search=${tag}&page_size=2&page=2`))).toEqual(ids.slice(2, 4));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Answer = await root.get(`${ORGS}?search=${tag}&page_size=2&cursor=${cursor}`);
      expect(page.body).toMatchObject({ total: 5, page_size: 2 });
      seen.push(...idsOf(page));
      cursor = page.body.next_cursor;
    }
    expect(seen).toEqual(ids);
  });

  it.each(['page=0', 'page_size=201', 'search=%00', 'cursor=x', `cursor=${Buffer.from('1|x').toString('base64url')}`])(
    'refuses ?%s with 422',
    async (query) => {
      expect((await root.get(`${ORGS}?${query}`)).status).toBe(422);
    },
  );
});

describe('an organisation', () => {
  let org: { id: string; accountId: string };

  beforeEach(async () => {
    org = await createOrg(db, ada, newSlug());
  });

  it('is looked at with its members, which is audited', async () => {
    const answer = await root.get(`${ORGS}/${org.id}`);
    expect(answer.body).toMatchObject({ id: org.id, members: [{ user_id: ada.userId, role: 'owner' }] });
    expect(await auditOf(db, 'admin_read', org.id)).toMatchObject([{ account_id: org.accountId }]);
  });

  it('gets another tier, other seats or other storage', async () => {
    const path = `${ORGS}/${org.id}/tier`;
    expect((await root.put(path, { seats_limit: 7 })).body).toEqual({ org_id: org.id, updated: { seats_limit: 7 } });
    expect((await root.put(path, { tier: 'team' })).body).toEqual({ org_id: org.id, updated: { tier: 'team' } });
    expect((await root.get(`${ORGS}/${org.id}`)).body).toMatchObject({
      ...{ tier: 'team', seats_limit: 7, storage_limit_bytes: 7 * 1_073_741_824 },
    });
    const all = { tier: 'enterprise', seats_limit: 0, storage_limit_bytes: 9_007_199_254_740_991 };
    expect((await root.put(path, all)).body).toEqual({ org_id: org.id, updated: all });
    expect((await root.get(`${ORGS}/${org.id}`)).body).toMatchObject(all);
    expect((await auditOf(db, 'admin_update_org', org.id)).map(({ facts }) => facts)).toEqual([
      { seats_limit: 7 },
      { tier: 'team' },
      all,
    ]);
  });

  it.each([
    [{}, 400],
    [{ tier: null }, 400],
    [{ tier: 'gold' }, 400],
    [{ tier: 'admin' }, 400],
    [{ seats_limit: 'many' }, 422],
    [{ seats_limit: -1 }, 422],
    [{ seats_limit: [1] }, 422],
    [{ storage_limit_bytes: 'much' }, 422],
    [{ storage_limit_bytes: 1e20 }, 422],
    [{ tier: 7 }, 422],
  ])('is not changed by %j: %d', async (body, status) => {
    expect((await root.put(`${ORGS}/${org.id}/tier`, body as never)).status).toBe(status);
    expect(await auditOf(db, 'admin_update_org', org.id)).toEqual([]);
  });

  it('gets another owner out of its members, and the old one stays an admin', async () => {
    const path = `${ORGS}/${org.id}/force-transfer-owner`;
    const bob = await signUp(server);
    expect((await root.post(path, { to_user_id: bob.userId })).status).toBe(404);
    expect((await root.post(path, { to_user_id: 'x' })).status).toBe(404);
    for (const wrong of [{}, { to_user_id: 7 }, { to_user_id: 'a\0' }]) {
      expect((await root.post(path, wrong as never)).status).toBe(422);
    }
    expect((await root.post(path, { to_user_id: ada.userId })).status).toBe(400);
    await joinOrg(db, org.id, bob.userId, 'admin');
    expect((await ada.post(`/api/v1/orgs/${org.id}/owner/transfer`, { to_user_id: bob.userId })).status).toBeLessThan(
      300,
    );
    expect((await root.post(path, { to_user_id: bob.userId })).body).toEqual({
      ...{ status: 'force_transferred', org_id: org.id, from_user_id: ada.userId, to_user_id: bob.userId },
    });
    expect([await roleIn(db, org.id, ada.userId), await roleIn(db, org.id, bob.userId)]).toEqual(['admin', 'owner']);
    expect(await db.query(`select status from owner_transfer where org_id = $1`, [org.id])).toEqual([
      { status: 'cancelled' },
    ]);
    expect(await auditOf(db, 'force_transfer_owner', org.id)).toHaveLength(1);
  });

  it('has one owner after any number of transfers at once', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => signUp(server)));
    for (const { userId } of others) await joinOrg(db, org.id, userId, 'member');
    const answers = await Promise.all(
      others.map(({ userId }) => root.post(`${ORGS}/${org.id}/force-transfer-owner`, { to_user_id: userId })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await db.query(`select 1 from org_member where org_id = $1 and role = 'owner'`, [org.id])).toHaveLength(1);
  });
});
