import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../libs/platform/src/index.js';
import { ADMIN_USERS, auditOf, createOrg, joinOrg, roleIn } from '../support/administration.js';
import { admin, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

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

/** An administrator besides the first one. */
async function otherAdmin(): Promise<TestAccount> {
  const user = await signUp(server);
  expect((await root.put(`${USERS}/${user.userId}/tier`, { tier: 'admin' })).status).toBe(200);
  await until(async () => (await user.get(USERS)).status === 200);
  return user;
}

describe('a lost key', () => {
  it('is replaced by one that works, shown once, with its audit row', async () => {
    const ada = await signUp(server);
    const answer = await root.post(`${USERS}/${ada.userId}/api-keys`, { name: 'rescue' });
    expect(answer).toMatchObject({ status: 201 });
    expect(answer.body).toEqual({
      key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      raw_key: expect.stringMatching(/^rhu_/),
      name: 'rescue',
      created_at: expect.stringMatching(/Z$/),
      user_id: ada.userId,
      user_email: expect.stringContaining('@example.com'),
    });
    const me = await new Client(server.url, answer.body.raw_key as string).get('/api/v1/auth/me');
    expect(me.body).toMatchObject({ user_id: ada.userId });
    const [row] = await auditOf(db, 'mint_api_key_on_behalf', ada.userId);
    expect(row).toMatchObject({ facts: { key_id: answer.body.key_id, name: 'rescue' }, actor_kind: 'user_key' });
    expect(JSON.stringify(row)).not.toContain(answer.body.raw_key.slice(12));
  });

  it('is called admin-minted unless it has a name', async () => {
    const ada = await signUp(server);
    for (const body of [{}, { name: null }]) {
      expect((await root.post(`${USERS}/${ada.userId}/api-keys`, body)).body).toMatchObject({ name: 'admin-minted' });
    }
  });

  it.each([
    ['no body', undefined],
    ['a name that is no text', { name: 7 }],
    ['an over-long name', { name: 'x'.repeat(256) }],
    ['a name with NUL', { name: 'a\0b' }],
  ])('is not minted with %s', async (_, body) => {
    const ada = await signUp(server);
    expect((await root.post(`${USERS}/${ada.userId}/api-keys`, body as never)).status).toBe(422);
    expect((await root.get(`${USERS}/${ada.userId}`)).body).toMatchObject({ api_key_count: 1 });
  });

  it('is not minted for nobody, nor for a deactivated user', async () => {
    expect((await root.post(`${USERS}/${randomUUID()}/api-keys`, {})).status).toBe(404);
    const ada = await signUp(server);
    await root.delete(`${USERS}/${ada.userId}`);
    expect(await root.post(`${USERS}/${ada.userId}/api-keys`, {})).toMatchObject({
      status: 403,
      body: { error: { message: 'Cannot mint key for inactive user' } },
    });
  });

  it('is minted once for one Idempotency-Key, and told again', async () => {
    const ada = await signUp(server);
    const again = { 'Idempotency-Key': randomUUID() };
    const first = await root.post(`${USERS}/${ada.userId}/api-keys`, {}, again);
    const second = await root.post(`${USERS}/${ada.userId}/api-keys`, {}, again);
    expect(second.body).toEqual(first.body);
    expect((await root.get(`${USERS}/${ada.userId}`)).body).toMatchObject({ api_key_count: 2 });
  });
});

describe('a deactivated user', () => {
  it('is refused on every node within a second, in pinned sessions too, and leaves the list', async () => {
    const node = await startOn(server.databaseUrl, server.dataDir);
    try {
      const ada = await signUp(server);
      await createRepo(ada, 'kept');
      const there = new Client(node.url, ada.key);
      const opened = await ada.post('/v1/session', {});
      const pinned = new Client(node.url, null).with({ 'x-session-id': opened.body.session_id as string });
      expect((await there.get('/v1/repos')).status).toBe(200);
      expect((await pinned.get('/v1/repos')).status).toBe(200);

      expect(await root.delete(`${USERS}/${ada.userId}`)).toMatchObject({ status: 204, body: '' });
      expect((await ada.get('/v1/repos')).status).toBe(401);
      const deadline = Date.now() + 1_000;
      while (Date.now() < deadline && (await there.get('/v1/repos')).status === 200) await setTimeout(20);
      while (Date.now() < deadline && (await pinned.get('/v1/repos')).status === 200) await setTimeout(20);
      expect((await there.get('/v1/repos')).status).toBe(401);
      expect((await pinned.get('/v1/repos')).status).toBe(401);

      const search = `${USERS}?search=${encodeURIComponent(ada.slug.slice(0, 12))}`;
      const ids = async (status: string): Promise<string[]> =>
        (await root.get(`${search}&status=${status}`)).body.users.map((user: { id: string }) => user.id);
      expect(await ids('active')).not.toContain(ada.userId);
      expect(await ids('inactive')).toContain(ada.userId);
      expect(await ids('all')).toContain(ada.userId);
      expect(await auditOf(db, 'delete_user', ada.userId)).toMatchObject([{ facts: { keys: 1 } }]);
      expect(
        await db.query(`select 1 from pinned_session where user_id = $1 and ended_at is null`, [ada.userId]),
      ).toEqual([]);
    } finally {
      await node.close();
    }
  });

  it('comes back with a new key only', async () => {
    const ada = await signUp(server);
    await root.delete(`${USERS}/${ada.userId}`);
    expect((await root.delete(`${USERS}/${ada.userId}`)).status).toBe(204);
    expect((await root.put(`${USERS}/${ada.userId}/activate`)).body).toEqual({ user_id: ada.userId, is_active: true });
    expect((await ada.get('/v1/repos')).status).toBe(401);
    const minted = await root.post(`${USERS}/${ada.userId}/api-keys`, {});
    expect((await new Client(server.url, minted.body.raw_key as string).get('/v1/repos')).status).toBe(200);
  });

  it('cannot be oneself, nor the last administrator', async () => {
    const me = await root.get('/api/v1/auth/me');
    expect((await root.delete(`${USERS}/${me.body.user_id}`)).status).toBe(400);
    const other = await otherAdmin();
    expect((await root.delete(`${USERS}/${other.userId}`)).status).toBe(204);
  });

  it('stays where nobody could take over an organisation, which nothing is taken from', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    const org = await createOrg(db, ada, `sole-${randomUUID().slice(0, 8)}`);
    await joinOrg(db, org.id, bob.userId, 'member');
    expect(await root.delete(`${USERS}/${ada.userId}`)).toMatchObject({
      status: 409,
      body: {
        error: { details: { error: 'sole_owner', org_id: org.id, org_name: expect.stringMatching(/^Org sole-/) } },
      },
    });
    expect((await ada.get('/v1/repos')).status).toBe(200);
    expect(await roleIn(db, org.id, ada.userId)).toBe('owner');
  });

  it('hands organisations to the longest-serving active administrator, service keys too', async () => {
    const [ada, gone, bob, eve] = await Promise.all([1, 2, 3, 4].map(() => signUp(server)));
    const org = await createOrg(db, ada!, `hand-${randomUUID().slice(0, 8)}`);
    await joinOrg(db, org.id, gone!.userId, 'admin');
    await joinOrg(db, org.id, bob!.userId, 'admin');
    await joinOrg(db, org.id, eve!.userId, 'admin');
    await db.query('update app_user set is_active = false where id = $1', [gone!.userId]);
    const keyId = randomUUID();
    await db.query(
      `insert into api_key (id, kind, user_id, account_id, prefix, digest, scopes)
       values ($1, 'service_key', $2, $3, 'rhs_', $4, '{repos:read}')`,
      [keyId, ada!.userId, org.accountId, Buffer.from(keyId)],
    );
    expect((await root.delete(`${USERS}/${ada!.userId}`)).status).toBe(204);
    expect(await roleIn(db, org.id, bob!.userId)).toBe('owner');
    expect(await roleIn(db, org.id, ada!.userId)).toBeNull();
    expect(await roleIn(db, org.id, eve!.userId)).toBe('admin');
    const [key] = await db.query<{ user_id: string; revoked_at: Date | null }>('select * from api_key where id = $1', [
      keyId,
    ]);
    expect(key).toMatchObject({ user_id: bob!.userId, revoked_at: null });
    const rows = await db.query('select action, facts from audit where subject_id = $1 order by audit.id', [org.id]);
    expect(rows).toEqual(
      expect.arrayContaining([
        {
          action: 'org.owner_transferred',
          facts: { from_user_id: ada!.userId, to_user_id: bob!.userId, reason: 'owner_deactivated' },
        },
      ]),
    );
  });

  it('and another one deactivated at once leave no organisation without an owner', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    const org = await createOrg(db, ada, `both-${randomUUID().slice(0, 8)}`);
    await joinOrg(db, org.id, bob.userId, 'admin');
    const answers = await Promise.all([root.delete(`${USERS}/${ada.userId}`), root.delete(`${USERS}/${bob.userId}`)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
    expect(await db.query(`select 1 from org_member where org_id = $1 and role = 'owner'`, [org.id])).toHaveLength(1);
  });
});

it('an address is vouched for once, with an audit row', async () => {
  const ada = await signUp(server);
  for (let times = 0; times < 2; times += 1) {
    expect((await root.put(`${USERS}/${ada.userId}/verify`)).body).toEqual({
      user_id: ada.userId,
      email_verified: true,
    });
  }
  expect((await ada.get('/api/v1/auth/me')).body).toMatchObject({ email_verified: true });
  expect(await auditOf(db, 'verify', ada.userId)).toHaveLength(1);
});
