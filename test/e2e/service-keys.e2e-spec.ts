import { type Answer, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { actingFor, type OrgRow, seedMember, seedOrg, unseatMember } from '../support/org-rows.js';
import { DEAD, holder, oneSecond, openSession, sql } from '../support/pinned-sessions.js';
import { type ServiceKey, keysOf, serviceKey } from '../support/service-keys.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const PROJECT = 'proj_0123456789abcdef';

let a: TestServer;
let b: TestServer;
let owner: TestAccount;
let admin: TestAccount;
let member: TestAccount;
let org: OrgRow;

beforeAll(async () => {
  a = await startTestServer();
  b = await startOn(a.databaseUrl, a.dataDir);
  [owner, admin, member] = [await signUp(a), await signUp(a), await signUp(a)];
  org = await seedOrg(a, owner);
  await seedMember(a, org, admin, 'admin');
  await seedMember(a, org, member);
  await createRepo(actingFor(owner, org), 'shared');
});

afterAll(async () => {
  await b.close();
  await a.close();
});

const create = (by: Client, body: Record<string, unknown>, id = org.id): Promise<Answer> =>
  by.post(keysOf({ id }), { name: 'ci', scopes: ['repos:read'], ...body } as never);
const statusOn = async (server: TestServer, { key }: Client): Promise<number> =>
  (await new Client(server.url, key).get('/v1/repos')).status;

describe('a service key', () => {
  it('is shown once with its raw value, and afterwards without, to all members', async () => {
    const made = await create(admin, {
      name: '  deploy ',
      scopes: ['repos:write', 'repos:write'],
      expires_in_days: 30,
    });
    expect(made.status).toBe(201);
    const { key, ...shown } = made.body as Record<string, string>;
    expect(key).toMatch(/^rhs_[0-9A-Za-z]{38}$/);
    expect(shown).toEqual({
      id: expect.any(String),
      ...{ name: 'deploy', service_key_name: 'deploy', org_id: org.id, key_prefix: key!.slice(0, 12) },
      ...{ scopes: ['repos:write', 'repos:read'], project_ids: null, created_by_user_id: admin.userId },
      ...{ created_at: expect.any(String), expires_at: expect.any(String), revoked_at: null, revoke_reason: null },
      ...{ last_used_at: null, last_used_ip: null, is_active: true, grace_ends_at: null },
    });
    for (const reader of [owner, admin, member]) {
      expect(await reader.get(`${keysOf(org)}/${shown['id']}`)).toMatchObject({ status: 200, body: shown });
      const { body } = await reader.get(keysOf(org));
      expect(body[0]).toEqual(shown);
      expect(JSON.stringify(body)).not.toContain(key);
    }
  });

  it('acts with the account and the tier of its organisation', async () => {
    const key = await serviceKey(admin, org, ['repos:read']);
    const { body, headers } = await key.get('/v1/repos');
    expect(body.repos.map((repo: { slug: string }) => repo.slug)).toEqual(['shared']);
    expect(headers.get('x-ratelimit-limit')).toBe('600');
    const basic = Buffer.from(`git:${key.key}`).toString('base64');
    const path = `/${org.slug}/shared.git/info/refs?service=git-upload-pack`;
    expect((await new Client(a.url, null).get(path, { authorization: `Basic ${basic}` })).status).toBe(200);
  });

  it('is refused for another organisation than its own', async () => {
    const key = await serviceKey(admin, org, ['repos:read']);
    const other = await seedOrg(a, owner);
    for (const slug of [other.slug, owner.slug, 'no-such-account']) {
      const answer = await key.get('/v1/repos', { 'x-account': slug });
      expect(answer.status).toBe(403);
      expect(answer.body).toEqual({
        ...{ error: 'This service key belongs to another organization', code: 'FORBIDDEN' },
        ...{ reason: 'cross_org_denied', key_org_id: org.id, project_org_id: null },
      });
    }
    expect((await key.get('/v1/repos', { 'x-account': org.slug })).status).toBe(200);
  });

  it('that expired is refused, and stays active in the list', async () => {
    const key = await serviceKey(admin, org, ['repos:read'], {
      expires_at: new Date(Date.now() + 60_000).toISOString(),
    });
    expect(await statusOn(a, key)).toBe(200);
    moveClock([a, b], 61_000);
    for (const server of [a, b]) {
      expect(await new Client(server.url, key.key).get('/api/v1/auth/me')).toMatchObject({
        status: 401,
        body: {
          error: { code: '401', message: 'API key has expired; please rotate', details: { error: 'api_key_expired' } },
          detail: { error: 'api_key_expired', message: 'API key has expired; please rotate' },
        },
      });
    }
    expect((await member.get(`${keysOf(org)}/${key.id}`)).body.is_active).toBe(true);
  });

  it('is in nobody’s list of own keys, and nobody ends or rotates it as one', async () => {
    const key = await serviceKey(admin, org, ['repos:read']);
    for (const path of ['/api/v1/auth/keys', '/api/v1/auth/me/api-keys']) {
      expect(JSON.stringify((await admin.get(path)).body)).not.toContain(key.id);
      expect((await admin.delete(`${path}/${key.id}`, { reason: 'mine' })).status).toBe(404);
    }
    expect((await admin.post(`/api/v1/auth/keys/${key.id}/rotate`)).status).toBe(404);
    expect(await statusOn(a, key)).toBe(200);
  });
});

describe('a service key is not made', () => {
  it.each([
    ['without a name', { name: undefined }],
    ['with a blank name', { name: '   ' }],
    ['with an over-long name', { name: 'x'.repeat(101) }],
    ['with NUL in its name', { name: 'a\0' }],
    ['without scopes', { scopes: undefined }],
    ['with an empty list of scopes', { scopes: [] }],
    ['with the wildcard', { scopes: ['*'] }],
    ['with the wildcard among others', { scopes: ['repos:read', '*'] }],
    ['with scopes that are no texts', { scopes: [7] }],
    ['with more scopes than there are', { scopes: Array(101).fill('repos:read') }],
    ['for no days', { expires_in_days: 0 }],
    ['for too many days', { expires_in_days: 731 }],
    ['for half a day', { expires_in_days: 1.5 }],
    ['with an end in the past', { expires_at: '2020-01-01T00:00:00Z' }],
    ['with an end that is no time', { expires_at: 'soon' }],
    ['with an end of another calendar', { expires_at: '2030-W01-1' }],
    ['for projects of another shape', { scopes: ['tickets:read'], project_ids: ['proj_1'] }],
    ['for projects that are no list', { scopes: ['tickets:read'], project_ids: PROJECT }],
    ['for repositories and projects', { scopes: ['repos:read'], project_ids: [PROJECT] }],
  ])('%s', async (_, body) => {
    expect(await create(admin, body)).toMatchObject({ status: 422, body: { error: { code: '422' } } });
  });

  it('with a scope that does not exist; the answer lists those that do', async () => {
    const { status, body } = await create(admin, { scopes: ['repos:read', 'repos:admin'] });
    expect(status).toBe(422);
    const [problem] = body.error.details.errors as [{ loc: string[]; msg: string; type: string }];
    expect(problem).toMatchObject({ type: 'value_error', loc: ['body'] });
    expect(problem.msg).toMatch(/^Value error, Unknown scopes: repos:admin\. Valid scopes: .*work_queues:write/);
  });

  it('beyond the end of the key that makes it', async () => {
    const short = await admin.post('/api/v1/auth/keys', { expires_in_days: 2 });
    const client = new Client(a.url, short.body.raw_key as string);
    expect((await create(client, {})).body.error.details.error).toBe('key_would_outlive');
    expect((await create(client, { expires_in_days: 1 })).status).toBe(201);
  });

  it('but with its projects trimmed, once each, and none meaning all', async () => {
    const two = 'proj_fedcba9876543210';
    const made = await create(admin, { scopes: ['tickets:read'], project_ids: [` ${PROJECT}`, '', two, PROJECT] });
    expect(made.body.project_ids).toEqual([PROJECT, two]);
    expect((await create(admin, { project_ids: [' '] })).body.project_ids).toBeNull();
  });
});

describe('who may change service keys', () => {
  const mutations = (by: Client, orgId: string, keyId: string): Promise<Answer[]> =>
    Promise.all([
      create(by, {}, orgId),
      by.delete(`${keysOf({ id: orgId })}/${keyId}`),
      by.post(`${keysOf({ id: orgId })}/${keyId}/rotate`),
    ]);
  const details = (answers: Answer[]): unknown[] => answers.map(({ status, body }) => [status, body.error.details]);
  let keyId: string;

  beforeAll(async () => {
    keyId = (await serviceKey(admin, org, ['repos:read'])).id;
  });

  it('is judged by tier first, then by role, then by organisation', async () => {
    const [poor, lonely, elsewhere] = [await signUp(a), await signUp(a), await signUp(a)];
    await sql(a, `update account set tier = 'pro' where id = (select account_id from app_user where id = $1)`, [
      poor.userId,
    ]);
    await seedOrg(a, elsewhere);
    expect(details(await mutations(poor, org.id, keyId))).toEqual(
      Array(3).fill([403, expect.objectContaining({ error: 'upgrade_required', feature: 'team_management' })]),
    );
    expect(details(await mutations(lonely, org.id, keyId))).toEqual(
      Array(3).fill([403, { error: 'insufficient_role', current_role: 'none', required_role: 'admin' }]),
    );
    expect(details(await mutations(member, org.id, keyId))).toEqual(
      Array(3).fill([403, { error: 'insufficient_role', current_role: 'member', required_role: 'admin' }]),
    );
    expect(details(await mutations(elsewhere, org.id, keyId))).toEqual(Array(3).fill([404, {}]));
    expect((await admin.get(`${keysOf(org)}/${keyId}`)).body.is_active).toBe(true);
  });

  it('is judged in the organisation of the path for a member of several', async () => {
    const poor = await seedOrg(a, admin, 'pro');
    await admin.put('/api/v1/auth/me/default-org', { org_id: poor.id });
    expect((await create(admin, {})).status).toBe(201);
    expect((await create(admin, {}, poor.id)).body.error.details.error).toBe('upgrade_required');
    await admin.put('/api/v1/auth/me/default-org', { org_id: null });
    expect((await create(actingFor(admin, poor), {})).status).not.toBe(201);
  });

  it('and who may see them ends at the organisation, as if it did not exist', async () => {
    const stranger = await signUp(a);
    for (const id of [org.id, 'org_0123456789abcdef', 'nonsense', 'x'.repeat(10_000)]) {
      for (const path of [keysOf({ id }), `${keysOf({ id })}/${keyId}`]) {
        expect(await stranger.get(path)).toMatchObject({
          status: 404,
          body: { error: { message: 'Organization not found' } },
        });
      }
    }
  });

  it('finds no key of another organisation, and none that never was', async () => {
    const own = await seedOrg(a, owner);
    for (const id of [keyId, owner.keyId, '00000000-0000-4000-8000-000000000000', 'nonsense']) {
      const path = `${keysOf(own)}/${id}`;
      for (const answer of [await owner.get(path), await owner.delete(path), await owner.post(`${path}/rotate`)]) {
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Service key not found' } } });
      }
    }
  });
});

describe('revoking a service key', () => {
  it.each([
    ['nothing', undefined, 'revoked by an administrator'],
    ['an empty body', {}, 'revoked by an administrator'],
    ['a reason', { reason: ' leaked ' }, 'leaked'],
    ['the seed’s revoke_reason', { revoke_reason: 'leaked' }, 'leaked'],
  ])('takes %s, and repeating it changes nothing', async (_, body, reason) => {
    const key = await serviceKey(admin, org, ['repos:read']);
    const path = `${keysOf(org)}/${key.id}`;
    expect((await admin.delete(path, body as never)).status).toBe(204);
    expect((await admin.delete(path, { reason: 'again' })).status).toBe(204);
    expect((await admin.get(path)).body).toMatchObject({
      ...{ is_active: false, revoke_reason: reason, revoked_at: expect.any(String) },
    });
  });

  it.each([[{ reason: '' }], [{ reason: 7 }], [{ revoke_reason: 'x'.repeat(501) }], [{ reason: 'a\0' }]])(
    'refuses %j',
    async (body) => {
      const key = await serviceKey(admin, org, ['repos:read']);
      expect((await admin.delete(`${keysOf(org)}/${key.id}`, body as never)).status).toBe(422);
      expect(await statusOn(a, key)).toBe(200);
    },
  );

  it('ends it on every node within a second, in its pinned sessions too', async () => {
    const key = await serviceKey(admin, org, ['repos:read']);
    const sessionId = await openSession(key);
    for (const server of [a, b]) {
      expect(await statusOn(server, key)).toBe(200);
      expect((await holder(server, sessionId).get('/v1/repos')).status).toBe(200);
    }
    await admin.delete(`${keysOf(org)}/${key.id}`);
    await oneSecond();
    for (const server of [a, b]) {
      expect(await new Client(server.url, key.key).get('/api/v1/auth/me')).toMatchObject({
        status: 401,
        body: { error: { code: '401', message: 'API key has been revoked', details: { error: 'api_key_revoked' } } },
      });
      expect(await holder(server, sessionId).get('/v1/repos')).toMatchObject(DEAD);
    }
  });
});

describe('rotating a service key', () => {
  const rotate = (key: ServiceKey, body?: Record<string, number>): Promise<Answer> =>
    admin.post(`${keysOf(org)}/${key.id}/rotate`, body);

  it('answers a new key of the same reach, by the one who rotated', async () => {
    const old = await serviceKey(owner, org, ['tickets:write'], { project_ids: [PROJECT], expires_in_days: 10 });
    const { status, body } = await rotate(old);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ name: old.name, scopes: ['tickets:write', 'tickets:read'], project_ids: [PROJECT], is_active: true },
      ...{ created_by_user_id: admin.userId, key: expect.stringMatching(/^rhs_/), revoked_at: null },
    });
    expect(body.id).not.toBe(old.id);
    const email = (await admin.get('/api/v1/auth/me')).body.email as string;
    expect((await member.get(`${keysOf(org)}/${old.id}`)).body).toMatchObject({
      ...{ revoke_reason: `rotated by ${email}`, revoked_at: expect.any(String), is_active: true },
    });
  });

  it('leaves the old one its grace, or none', async () => {
    const [slow, sudden] = [await serviceKey(admin, org, ['repos:read']), await serviceKey(admin, org, ['repos:read'])];
    await rotate(slow);
    await rotate(sudden, { grace_seconds: 0 });
    await oneSecond();
    for (const server of [a, b]) {
      expect(await statusOn(server, slow)).toBe(200);
      expect(await statusOn(server, sudden)).toBe(401);
    }
    expect((await member.get(`${keysOf(org)}/${sudden.id}`)).body.is_active).toBe(false);
  });

  it('is refused once it was revoked or rotated', async () => {
    const [revoked, rotated] = [
      await serviceKey(admin, org, ['repos:read']),
      await serviceKey(admin, org, ['repos:read']),
    ];
    await admin.delete(`${keysOf(org)}/${revoked.id}`);
    expect(await rotate(revoked)).toMatchObject({
      status: 409,
      body: {
        error: {
          code: '409',
          message: 'Cannot rotate a revoked key — create a new one',
          details: { error: 'key_already_revoked' },
        },
      },
    });
    await rotate(rotated);
    expect((await rotate(rotated)).body.error.details.error).toBe('key_already_revoked');
  });
});

describe('a service key whose maker', () => {
  it('left the organisation, or was deactivated, goes on: it is the organisation’s', async () => {
    const leaver = await signUp(a);
    await seedMember(a, org, leaver, 'admin');
    const key = await serviceKey(leaver, org, ['repos:read']);
    const sessionId = await openSession(key);
    await unseatMember(a, org, leaver);
    await sql(a, 'update app_user set is_active = false where id = $1', [leaver.userId]);
    await oneSecond();
    for (const server of [a, b]) {
      expect(await statusOn(server, key)).toBe(200);
      expect((await holder(server, sessionId).get('/v1/repos')).status).toBe(200);
    }
    expect((await leaver.get('/v1/repos')).status).toBe(403);
    expect((await owner.delete(`${keysOf(org)}/${key.id}`)).status).toBe(204);
    expect(await statusOn(a, key)).toBe(401);
  });

  it('belonged to an organisation that is gone has nothing to act for', async () => {
    const gone = await seedOrg(a, owner);
    const key = await serviceKey(owner, gone, ['repos:read']);
    await sql(a, 'delete from organisation where id = $1', [gone.id]);
    await sql(a, `insert into revocation (kind, subject_id) values ('account', $1)`, [gone.accountId]);
    await oneSecond();
    expect(await key.get('/api/v1/auth/me')).toMatchObject({
      status: 403,
      body: { error: { code: '403', details: { error: 'service_key_missing_org' } } },
    });
  });
});
