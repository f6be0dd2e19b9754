import { admin as rootOf, type Answer, signUp, type TestAccount } from '../support/client.js';
import { addMember, createOrg, setTier } from '../support/organisations.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let owner: TestAccount;
let member: TestAccount;
let outsider: TestAccount;
let orgId: string;

beforeAll(async () => {
  server = await startTestServer();
  owner = await signUp(server, 'owner');
  member = await signUp(server, 'member');
  outsider = await signUp(server, 'outsider');
  ({ orgId } = await createOrg(owner));
  await addMember(server, orgId, member, 'member');
  await createOrg(outsider, 'Elsewhere');
});

afterAll(async () => {
  await server.close();
});

let count = 0;

async function makeTeam(): Promise<{ id: string; slug: string; path: string }> {
  const slug = `team-${(count += 1)}`;
  const { status, body } = await owner.post('/api/v1/teams', { name: 'Core', slug });
  if (status !== 201) throw new Error(`creating a team answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.id as string, slug, path: `/api/v1/teams/${body.id}` };
}

describe('teams', () => {
  it('are created by admins of the home organisation', async () => {
    const created = await owner.post('/api/v1/teams', { name: ' Core ', slug: 'core' });
    expect(created).toMatchObject({
      status: 201,
      body: { org_id: orgId, name: 'Core', slug: 'core', created_by: owner.userId, member_count: 0 },
    });
    expect(created.body.id).toMatch(/^tm_[0-9a-f]{16}$/);
    expect((await member.get(`/api/v1/teams/${created.body.id}`)).body).toEqual(created.body);
    expect(await member.post('/api/v1/teams', { name: 'Mine', slug: 'mine' })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'insufficient_role', current_role: 'member', required_role: 'admin' } } },
    });
  });

  it('are listed oldest first to every member', async () => {
    const [first, second] = [await makeTeam(), await makeTeam()];
    const ids = (await member.get('/api/v1/teams')).body.map((team: { id: string }) => team.id);
    expect(ids.indexOf(first.id)).toBeLessThan(ids.indexOf(second.id));
    expect(ids).toContain(first.id);
    expect((await outsider.get('/api/v1/teams')).body).toEqual([]);
  });

  it('have a slug of their own in each organisation', async () => {
    const { slug } = await makeTeam();
    expect(await owner.post('/api/v1/teams', { name: 'Again', slug })).toMatchObject({
      status: 409,
      body: { error: { message: `A team with slug '${slug}' already exists in this org` } },
    });
    expect((await outsider.post('/api/v1/teams', { name: 'Ours', slug })).status).toBe(201);
  });

  it('of one slug are created and renamed to once, however many try', async () => {
    const racers = await Promise.all(Array.from({ length: 4 }, makeTeam));
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => owner.post('/api/v1/teams', { name: 'Race', slug: 'race' })),
      ...racers.map(({ path }) => owner.patch(path, { slug: 'race' })),
    ]);
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(7);
  });

  it('are renamed and deleted by admins', async () => {
    const { path, slug } = await makeTeam();
    expect((await member.patch(path, { name: 'Theirs' })).status).toBe(403);
    expect(await owner.patch(path, { name: 'New' })).toMatchObject({ status: 200, body: { name: 'New', slug } });
    expect((await owner.patch(path, { slug: `${slug}-b`, name: null })).body).toMatchObject({
      name: 'New',
      slug: `${slug}-b`,
    });
    expect((await member.get(path)).body).toMatchObject({ name: 'New', slug: `${slug}-b` });
    expect((await member.delete(path)).status).toBe(403);
    expect((await owner.delete(path)).status).toBe(204);
    expect((await owner.get(path)).status).toBe(404);
  });

  it('belong to every organisation of a person, not only to the home one', async () => {
    const both = await signUp(server);
    const own = await createOrg(both);
    await addMember(server, orgId, both, 'admin');
    const { path } = await makeTeam();
    expect((await both.patch(path, { name: 'By both' })).status).toBe(200);
    const second = await both.post('/api/v1/teams', { name: 'There', slug: 'there', org_id: orgId });
    expect(second).toMatchObject({ status: 201, body: { org_id: orgId } });
    expect((await both.get('/api/v1/teams')).body).toEqual([]);
    expect((await both.get(`/api/v1/teams?org_id=${orgId}`)).body).toContainEqual(second.body);
    expect((await outsider.get(`/api/v1/teams?org_id=${own.orgId}`)).status).toBe(404);
  });
});

describe('the members of a team', () => {
  it('are members of the organisation, once each', async () => {
    const { path } = await makeTeam();
    const added = await owner.post(`${path}/members`, { user_id: member.userId });
    expect(added).toMatchObject({ status: 201, body: { user_id: member.userId, added_by: owner.userId } });
    expect(added.body.user_email).toContain('member-');
    expect(await owner.post(`${path}/members`, { user_id: member.userId })).toMatchObject({
      status: 409,
      body: { error: { message: 'User is already a member of this team' } },
    });
    for (const id of [outsider.userId, '00000000-0000-4000-8000-000000000000', 'nobody', 'a\0b', 'x'.repeat(9_000)]) {
      expect(await owner.post(`${path}/members`, { user_id: id })).toMatchObject({
        status: 422,
        body: { error: { message: 'Target user is not a member of this org' } },
      });
    }
    expect((await member.get(`${path}/members`)).body).toEqual([added.body]);
    expect((await member.get(path)).body.member_count).toBe(1);
  });

  it('are taken out by admins', async () => {
    const { path } = await makeTeam();
    await owner.post(`${path}/members`, { user_id: member.userId });
    expect((await member.delete(`${path}/members/${member.userId}`)).status).toBe(403);
    expect((await owner.delete(`${path}/members/${member.userId}`)).status).toBe(204);
    for (const id of [member.userId, 'nobody', 'x'.repeat(9_000)]) {
      expect(await owner.delete(`${path}/members/${id}`)).toMatchObject({
        status: 404,
        body: { error: { message: 'Team member not found' } },
      });
    }
  });

  it('never outlast their membership, even when both change at once', async () => {
    for (let round = 0; round < 6; round += 1) {
      const leaver = await signUp(server);
      await addMember(server, orgId, leaver);
      const { path } = await makeTeam();
      const [added, left] = await Promise.all([
        owner.post(`${path}/members`, { user_id: leaver.userId }),
        leaver.post(`/api/v1/orgs/${orgId}/leave`),
      ]);
      expect([201, 422]).toContain(added.status);
      expect(left.status).toBe(200);
      expect((await owner.get(`${path}/members`)).body).toEqual([]);
    }
  });
});

describe('who may not', () => {
  const everyRoute = (caller: TestAccount, path: string): Promise<Answer>[] => [
    caller.get(path),
    caller.patch(path, { name: 'x' }),
    caller.delete(path),
    caller.get(`${path}/members`),
    caller.post(`${path}/members`, { user_id: owner.userId }),
    caller.delete(`${path}/members/${owner.userId}`),
  ];

  it('see a team of others finds none', async () => {
    const { path } = await makeTeam();
    const unknown = ['tm_0123456789abcdef', 'nonsense', 'x'.repeat(9_000)].map((id) => `/api/v1/teams/${id}`);
    for (const each of [path, ...unknown]) {
      for (const answer of await Promise.all(everyRoute(outsider, each))) {
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Team not found' } } });
      }
    }
  });

  it('have an organisation is told so', async () => {
    const nobody = await signUp(server);
    const { path } = await makeTeam();
    for (const answer of await Promise.all([nobody.get('/api/v1/teams'), ...everyRoute(nobody, path)])) {
      expect(answer).toMatchObject({ status: 403, body: { error: { message: 'Organization required' } } });
    }
    expect(await nobody.post('/api/v1/teams', { name: 'x', slug: 'x' })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'insufficient_role', current_role: 'none' } } },
    });
  });

  it('afford them is asked to upgrade', async () => {
    const small = await signUp(server);
    await setTier(await rootOf(server), small, 'pro');
    expect(await small.get('/api/v1/teams')).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'upgrade_required', feature: 'team_management', required_tier: 'team' } } },
    });
  });

  it.each([
    ['name', { slug: 'x' }],
    ['name', { name: '', slug: 'x' }],
    ['name', { name: '  ', slug: 'x' }],
    ['name', { name: 'x'.repeat(101), slug: 'x' }],
    ['name', { name: 'a\0b', slug: 'x' }],
    ['name', { name: 7, slug: 'x' }],
    ['slug', { name: 'x' }],
    ['slug', { name: 'x', slug: '' }],
    ['slug', { name: 'x', slug: 'Upper' }],
    ['slug', { name: 'x', slug: 'a b' }],
    ['slug', { name: 'x', slug: 'a\0b' }],
    ['slug', { name: 'x', slug: 'x'.repeat(51) }],
    ['slug', { name: 'x', slug: ['x'] }],
    ['org_id', { name: 'x', slug: 'x', org_id: 7 }],
  ])('refuses a bad %s: %j', async (field, body) => {
    const { path } = await makeTeam();
    const answer = await owner.post('/api/v1/teams', body);
    expect(answer).toMatchObject({ status: 422, body: { error: { details: { errors: [{ loc: ['body', field] }] } } } });
    const value = (body as Record<string, unknown>)[field] as string | undefined;
    if (field !== 'org_id' && value !== undefined)
      expect((await owner.patch(path, { [field]: value })).status).toBe(422);
  });

  it.each(['org_0123456789abcdef', 'nonsense', 'x'.repeat(9_000), 'a\0b'])(
    'create in an organisation of others: %s',
    async (id) => {
      expect((await owner.post('/api/v1/teams', { name: 'x', slug: 'x', org_id: id })).status).toBe(404);
    },
  );
});
