import { admin as rootOf, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { accept, invite, invitee } from '../support/invites.js';
import { actingFor } from '../support/org-rows.js';
import { addMember, createOrg } from '../support/organisations.js';
import { eventually, holder, mintKey, oneSecond, openSession, sql } from '../support/pinned-sessions.js';
import { serviceKey } from '../support/service-keys.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let other: TestServer;
let owner: TestAccount;
let admin: TestAccount;
let member: TestAccount;
let orgId: string;
let slug: string;

beforeAll(async () => {
  server = await startTestServer();
  other = await startOn(server.databaseUrl, server.dataDir);
});

afterAll(async () => {
  await other.close();
  await server.close();
});

beforeEach(async () => {
  owner = await signUp(server, 'owner');
  admin = await signUp(server, 'admin');
  member = await signUp(server, 'member');
  ({ orgId, slug } = await createOrg(owner));
  await addMember(server, orgId, admin, 'admin');
  await addMember(server, orgId, member, 'member');
});

const ALL = { kb_retention_days: 30, kb_max_context_words: 2_000, kb_section_page_limit: 20 };
const NONE = { kb_retention_days: null, kb_max_context_words: null, kb_section_page_limit: null };

describe('the settings of an organisation', () => {
  it('are read by members and replaced as a whole by admins', async () => {
    const path = `/api/v1/orgs/${orgId}/settings`;
    expect(await member.get(path)).toMatchObject({ status: 200, body: NONE });
    expect(await admin.put(path, ALL)).toMatchObject({ status: 200, body: ALL });
    expect((await member.get(path)).body).toEqual(ALL);
    expect((await owner.put(path, { kb_retention_days: 730 })).body).toEqual({ ...NONE, kb_retention_days: 730 });
    expect((await member.get(path)).body).toEqual({ ...NONE, kb_retention_days: 730 });
    expect((await owner.put(path, { ...ALL, kb_retention_days: null })).body.kb_retention_days).toBeNull();
    expect(await member.put(path, ALL)).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'insufficient_role' } } },
    });
    expect((await owner.get(`/api/v1/orgs/${orgId}`)).status).toBe(200);
  });

  it.each([
    [400, 'kb_retention_days', 0],
    [400, 'kb_retention_days', 731],
    [400, 'kb_retention_days', -1],
    [400, 'kb_retention_days', 1e300],
    [400, 'kb_max_context_words', 99],
    [400, 'kb_max_context_words', 50_001],
    [400, 'kb_section_page_limit', 0],
    [400, 'kb_section_page_limit', 201],
    [422, 'kb_retention_days', 1.5],
    [422, 'kb_retention_days', 'many'],
    [422, 'kb_max_context_words', true],
    [422, 'kb_section_page_limit', [1]],
  ])('answer %i for %s = %j and stay', async (status, field, value) => {
    const path = `/api/v1/orgs/${orgId}/settings`;
    await owner.put(path, ALL);
    const refused = await owner.put(path, { ...ALL, [field]: value });
    expect(refused).toMatchObject({ status, body: { error: { code: String(status) } } });
    const { field: named, errors } = refused.body.error.details;
    expect(named ?? errors[0].loc[1]).toBe(field);
    expect((await owner.get(path)).body).toEqual(ALL);
  });

  it('of others are unknown', async () => {
    const stranger = await signUp(server);
    for (const id of [orgId, 'org_0123456789abcdef', 'x'.repeat(9_000)]) {
      const path = `/api/v1/orgs/${id}`;
      for (const answer of [
        await stranger.get(`${path}/settings`),
        await stranger.put(`${path}/settings`, ALL),
        await stranger.delete(path),
      ]) {
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Organization not found' } } });
      }
    }
  });
});

describe('deleting an organisation', () => {
  it('is the owner’s', async () => {
    for (const caller of [admin, member]) {
      expect(await caller.delete(`/api/v1/orgs/${orgId}`)).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'insufficient_role', required_role: 'owner' } } },
      });
    }
    expect((await member.get(`/api/v1/orgs/${orgId}`)).status).toBe(200);
  });

  it('is refused while it owns anything, naming it', async () => {
    const acting = actingFor(owner, { slug });
    await createRepo(acting, 'one');
    await createRepo(acting, 'two');
    const refused = await owner.delete(`/api/v1/orgs/${orgId}`);
    expect(refused).toMatchObject({
      status: 409,
      body: { error: { details: { error: 'org_not_empty', left: { repositories: 2 } } } },
    });
    expect(refused.body.error.message).toContain('repositories (2)');
    await acting.delete('/v1/repos/one');
    await acting.delete('/v1/repos/two');
    expect(await owner.delete(`/api/v1/orgs/${orgId}`)).toMatchObject({ status: 200, body: { deleted: orgId } });
  });

  it('ends members, invites, teams, transfers and keys, and keeps the slug', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    const key = await serviceKey(admin, { id: orgId }, ['repos:read']);
    await owner.post('/api/v1/teams', { name: 'Core', slug: 'core' });
    await owner.post(`/api/v1/orgs/${orgId}/owner/transfer`, { to_user_id: admin.userId });
    await sql(server, 'update app_user set default_org_id = $1 where id = $2', [orgId, member.userId]);
    expect((await owner.delete(`/api/v1/orgs/${orgId}`)).status).toBe(200);
    expect((await owner.delete(`/api/v1/orgs/${orgId}`)).status).toBe(404);
    for (const caller of [owner, admin, member]) {
      expect((await caller.get(`/api/v1/orgs/${orgId}`)).status).toBe(404);
      expect((await caller.get('/api/v1/org')).body.org).toBeNull();
    }
    expect((await guest.get('/api/v1/org/invites/me')).body.invites).toEqual([]);
    expect((await accept(guest, inviteId)).status).toBe(404);
    await eventually(async () => (await key.get('/v1/repos')).status === 401);
    expect((await owner.post('/api/v1/org', { name: 'Heir', slug })).status).toBe(409);
    const events = await sql(server, `select 1 from event where type = 'organisation.deleted' and subject_id = $1`, [
      orgId,
    ]);
    expect(events).toHaveLength(1);
  });

  it('ends what anybody does for it on every node within a second', async () => {
    const bound = await mintKey(member, { account: slug });
    const session = await openSession(actingFor(member, { slug }));
    const asks = async (node: TestServer): Promise<number[]> => {
      const there = new Client(node.url, member.key);
      return [
        (await actingFor(there, { slug }).get('/v1/repos')).status,
        (await new Client(node.url, bound.key).get('/v1/repos')).status,
        (await holder(node, session).get('/v1/repos')).status,
      ];
    };
    for (const node of [server, other]) expect(await asks(node)).toEqual([200, 200, 200]);
    await owner.delete(`/api/v1/orgs/${orgId}`);
    await oneSecond();
    for (const node of [server, other]) expect(await asks(node)).toEqual([403, 401, 401]);
    expect((await member.get('/v1/repos')).status).toBe(200);
  });

  it('and creating a repository in it at once: never a repository without an organisation', async () => {
    for (let round = 0; round < 6; round += 1) {
      const org = await createOrg(owner);
      const acting = actingFor(owner, org);
      await acting.get('/v1/repos');
      const [created, deleted] = await Promise.all([
        acting.post('/v1/repos', { slug: 'late' }),
        owner.delete(`/api/v1/orgs/${org.orgId}`),
      ]);
      expect([created.status === 201, deleted.status === 200].filter(Boolean)).toHaveLength(1);
      const orphans = await sql(
        server,
        `select 1 from repo r join account a on a.id = r.account_id where a.slug = $1 and a.closed_at is not null`,
        [org.slug],
      );
      expect(orphans).toEqual([]);
    }
  });
});

describe('access to organisations', () => {
  const routes = (): [string, string, Record<string, string>?][] => [
    ['POST', '/api/v1/org', { name: 'Acme', slug: 'some-slug' }],
    ['GET', '/api/v1/org'],
    ['GET', '/api/v1/orgs'],
    ['GET', `/api/v1/orgs/${orgId}`],
    ['PATCH', `/api/v1/orgs/${orgId}`, { name: 'x' }],
    ['DELETE', `/api/v1/orgs/${orgId}`],
    ['POST', `/api/v1/orgs/${orgId}/leave`],
    ['GET', `/api/v1/orgs/${orgId}/members`],
    ['PUT', `/api/v1/orgs/${orgId}/members/${member.userId}/role`, { role: 'admin' }],
    ['DELETE', `/api/v1/orgs/${orgId}/members/${member.userId}`],
    ['GET', `/api/v1/orgs/${orgId}/settings`],
    ['PUT', `/api/v1/orgs/${orgId}/settings`, {}],
    ['POST', `/api/v1/orgs/${orgId}/owner/transfer`, { to_user_id: admin.userId }],
    ['GET', `/api/v1/orgs/${orgId}/owner/transfer`],
    ['PATCH', '/api/v1/auth/me', { display_name: 'x' }],
    ['GET', '/api/v1/teams'],
  ];

  it('takes an unrestricted key of a person', async () => {
    const narrow = await mintKey(owner, { scopes: ['repos:write'] });
    const nobody = new Client(server.url, null);
    for (const [method, path, body] of routes()) {
      expect({ method, path, status: (await nobody.send(method, path, body)).status }).toMatchObject({ status: 401 });
      expect(await narrow.send(method, path, body)).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'insufficient_scope' } } },
      });
    }
    expect((await owner.get(`/api/v1/orgs/${orgId}`)).body.org.seats_used).toBe(3);
  });

  it('is not widened by platform administration', async () => {
    const root = await rootOf(server);
    expect((await root.get(`/api/v1/orgs/${orgId}`)).status).toBe(404);
    expect((await root.delete(`/api/v1/orgs/${orgId}/members/${member.userId}`)).status).toBe(404);
  });

  it('has both slash forms', async () => {
    for (const path of ['/api/v1/org', '/api/v1/orgs', `/api/v1/orgs/${orgId}`, `/api/v1/orgs/${orgId}/members`]) {
      expect(await owner.get(`${path}/`)).toMatchObject({ status: 200, body: (await owner.get(path)).body });
    }
  });
});
