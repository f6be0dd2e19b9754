import { Database } from '../../libs/platform/src/index.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { addMember, createOrg, uniqueSlug } from '../support/organisations.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ada: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  ada = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

async function setTier(who: TestAccount, tier: string): Promise<void> {
  const { status } = await (await admin(server)).put(`/api/v1/admin/users/${who.userId}/tier`, { tier });
  if (status !== 200) throw new Error(`setting a tier answered ${status}`);
}

describe('creating an organisation', () => {
  it('answers its id, name and slug, and makes the creator its owner', async () => {
    const slug = uniqueSlug();
    const created = await ada.post('/api/v1/org', { name: '  Acme Ltd ', slug });
    expect(created).toMatchObject({ status: 200, body: { name: 'Acme Ltd', slug } });
    expect(Object.keys(created.body).sort()).toEqual(['name', 'org_id', 'slug']);
    expect(created.body.org_id).toMatch(/^org_[0-9a-f]{16}$/);
    const org = await ada.get(`/api/v1/orgs/${created.body.org_id}`);
    expect(org).toMatchObject({
      status: 200,
      body: {
        org: { id: created.body.org_id, name: 'Acme Ltd', slug, tier: 'enterprise', seats_limit: 25, seats_used: 1 },
        members: [{ user_id: ada.userId, role: 'owner', display_name: null }],
        current_user_role: 'owner',
      },
    });
    expect(org.body.org).toMatchObject({ storage_limit_bytes: 0, storage_used_bytes: 0 });
    expect(Date.parse(org.body.members[0].joined_at)).not.toBeNaN();
  });

  it('gives a team five seats and a GiB for each', async () => {
    const team = await signUp(server);
    await setTier(team, 'team');
    await createOrg(team);
    expect((await team.get('/api/v1/org')).body.org).toMatchObject({
      tier: 'team',
      seats_limit: 5,
      storage_limit_bytes: 5 * 1024 ** 3,
    });
  });

  it.each(['free', 'starter', 'pro'])('takes the team tier: %s is asked to upgrade', async (tier) => {
    const small = await signUp(server);
    await setTier(small, tier);
    const refused = await small.post('/api/v1/org', { name: 'Acme', slug: uniqueSlug() });
    expect(refused).toMatchObject({
      status: 403,
      body: { error: { code: '403', message: 'This feature requires team or above.' } },
    });
    expect(refused.body.error.details).toEqual({
      error: 'upgrade_required',
      feature: 'team_management',
      current_tier: tier,
      required_tier: 'team',
      upgrade_url: expect.any(String),
    });
    expect((await small.get('/api/v1/org')).body).toEqual({ org: null, members: [], current_user_role: null });
  });

  it('is written down with its event and audit row', async () => {
    const { orgId } = await createOrg(ada);
    const db = server.app.get(Database);
    const events = await db.query('select type, payload from event where subject_id = $1', [orgId]);
    expect(events).toMatchObject([{ type: 'organisation.created', payload: { owner: ada.userId } }]);
    const audit = await db.query('select action, actor_user_id as actor from audit where subject_id = $1', [orgId]);
    expect(audit).toEqual([{ action: 'org.created', actor: ada.userId }]);
  });
});

describe('the slug of an organisation', () => {
  it('shares one namespace with people', async () => {
    const taken = await ada.post('/api/v1/org', { name: 'Acme', slug: ada.slug });
    expect(taken).toMatchObject({ status: 409, body: { error: { code: '409', details: { field: 'slug' } } } });
    const { slug } = await createOrg(ada);
    expect((await ada.post('/api/v1/org', { name: 'Acme', slug })).status).toBe(409);
  });

  it.each(['api', 'admin', 'docs', 'health', 'orgs'])('is not the reserved word %s', async (slug) => {
    expect((await ada.post('/api/v1/org', { name: 'Acme', slug })).status).toBe(409);
  });

  it('is given to exactly one of several simultaneous creations', async () => {
    const bea = await signUp(server);
    const slug = uniqueSlug('race');
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 ? ada : bea).post('/api/v1/org', { name: 'Acme', slug })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(9).fill(409)]);
  });

  it('is free for one only, be it a sign-up or a creation', async () => {
    const slug = uniqueSlug('both');
    const nobody = new Client(server.url, null);
    const [org, person] = await Promise.all([
      ada.post('/api/v1/org', { name: 'Acme', slug }),
      nobody.post('/api/v1/auth/signup', { email: `${slug}@example.com` }),
    ]);
    expect(person.status).toBe(201);
    const me = await new Client(server.url, person.body.raw_key as string).get('/api/v1/auth/me');
    // A person's slug gives way; an organisation's is refused.
    expect((me.body.account_slug === slug) === (org.status === 409)).toBe(true);
  });
});

describe('several organisations', () => {
  it('are listed by name with the role in each', async () => {
    const bea = await signUp(server);
    const [zoo, abc] = [await createOrg(ada, 'Zoo'), await createOrg(bea, 'Abc')];
    await addMember(server, zoo.orgId, bea.userId, 'admin');
    expect((await bea.get('/api/v1/orgs')).body).toEqual({
      orgs: [
        { org_id: abc.orgId, name: 'Abc', slug: abc.slug, role: 'owner' },
        { org_id: zoo.orgId, name: 'Zoo', slug: zoo.slug, role: 'admin' },
      ],
    });
  });

  it('have one called home: the default one, else the one joined first', async () => {
    const bea = await signUp(server);
    const [first, second] = [await createOrg(bea, 'First'), await createOrg(bea, 'Second')];
    expect((await bea.get('/api/v1/org')).body.org.id).toBe(first.orgId);
    await server.app
      .get(Database)
      .query('update app_user set default_org_id = $1 where id = $2', [second.orgId, bea.userId]);
    expect((await bea.get('/api/v1/org')).body.org.id).toBe(second.orgId);
  });

  it('of others look like unknown ones', async () => {
    const { orgId } = await createOrg(ada);
    const bea = await signUp(server);
    const unknown = ['org_0123456789abcdef', 'nonsense', 'ORG_0123456789ABCDEF', 'o'.repeat(5000), '%F0%9F%98%80'];
    for (const id of [orgId, ...unknown]) {
      for (const answer of [await bea.get(`/api/v1/orgs/${id}`), await bea.patch(`/api/v1/orgs/${id}`, { name: 'x' })])
        expect(answer).toMatchObject({
          status: 404,
          body: { error: { code: '404', message: 'Organization not found', details: {} } },
        });
    }
    expect((await ada.get('/api/v1/orgs/%00')).status).toBe(422);
  });
});
