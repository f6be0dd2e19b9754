import { type Route, RouteTable } from '#platform';
import { signUp, type TestAccount } from '../support/client.js';
import { createOrg } from '../support/organisations.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** Ids of what the stranger has no part in, and of nothing, by the parameter that may name them. */
type Ids = Readonly<Record<string, string>>;

const NOTHING: Ids = {
  org_id: 'org_00000000000000aa',
  user_id: '00000000-0000-4000-8000-0000000000aa',
  key_id: '00000000-0000-4000-8000-0000000000aa',
  invite_id: 'inv_00000000000000aa',
  id: 'tm_00000000000000aa',
  domain: 'nobody.example',
  transfer_id: '999999',
};

/** Whoever has an invite's id learns that it is meant for another address (sessionfs-2.md §14.2). */
const TOLD_APART = /\/invite\/:invite_id\/(?:accept|decline)$/;

/** What passes the validation of every route at once; members a route does not know are dropped. */
const BODY = {
  name: 'n',
  slug: 'some-slug',
  email: 'q@example.com',
  role: 'member',
  scopes: ['repos:read'],
  reason: 'r',
  issuer: 'https://id.example.com',
  client_id: 'c',
  domain: 'q.example',
};

let server: TestServer;
let stranger: TestAccount;
let own: Ids;
let theirs: Ids;
let routes: Route[];

beforeAll(async () => {
  server = await startTestServer();
  const owner = await signUp(server);
  stranger = await signUp(server);
  theirs = await filledOrg(owner);
  own = await filledOrg(stranger);
  routes = server.app
    .get(RouteTable)
    .routes()
    .filter(({ path, rule }) => path.startsWith('/api/v1/') && path.includes('/:') && rule?.kind === 'user')
    .filter(({ path }) => !TOLD_APART.test(path));
});

afterAll(async () => {
  await server.close();
});

async function filledOrg(owner: TestAccount): Promise<Ids> {
  const { orgId } = await createOrg(owner);
  const path = `/api/v1/orgs/${orgId}`;
  const key = await owner.post(`${path}/service-keys`, { name: 'k', scopes: ['repos:read'] });
  const invite = await owner.post(`${path}/invite`, { email: `guest-of-${orgId}@example.com` });
  const team = await owner.post('/api/v1/teams', { name: 'T', slug: 'team', org_id: orgId });
  const domain = `${orgId.slice(4)}.example`;
  await owner.post(`${path}/domains`, { domain });
  const ids = { org_id: orgId, user_id: owner.userId, key_id: key.body.id, invite_id: invite.body.invite_id };
  return { ...ids, id: team.body.id, domain, transfer_id: '1' };
}

/** The route with ids of `ids`, except `parameter`'s, which is one of `others`. */
function pathOf({ path }: Route, parameter: string, ids: Ids, others: Ids): string {
  return path.replace(/:(\w+)/g, (_, name: string) => (name === parameter ? others : ids)[name]!);
}

const parametersOf = ({ path }: Route): string[] => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);

async function ask({ method }: Route, path: string, ids: Ids): Promise<unknown> {
  const body = { ...BODY, org_id: ids['org_id']!, user_id: ids['user_id']!, to_user_id: ids['user_id']! };
  const { status, body: answer } = await stranger.send(method, path, method === 'GET' ? undefined : body);
  return { status, answer };
}

describe('what belongs to an organisation the caller is not in', () => {
  it('answers on every route as what does not exist, named alone or below what is the caller’s own', async () => {
    expect(routes.length).toBeGreaterThan(35);
    for (const route of routes) {
      for (const parameter of parametersOf(route)) {
        for (const ids of [own, theirs]) {
          // Below what is theirs anyway nothing of it may show either.
          const named = pathOf(route, parameter, ids, theirs);
          const unknown = pathOf(route, parameter, ids === own ? own : NOTHING, NOTHING);
          const asked = await ask(route, named, theirs);
          expect({ route: `${route.method} ${named}`, asked }).toEqual({
            route: `${route.method} ${named}`,
            asked: await ask(route, unknown, NOTHING),
          });
          expect((asked as { status: number }).status).toBeGreaterThanOrEqual(400);
        }
      }
    }
  });

  it('is not shown by lists, nor chosen as a home', async () => {
    const list = (orgId: string) => stranger.get(`/api/v1/teams?org_id=${orgId}`);
    const home = (orgId: string) => stranger.put('/api/v1/auth/me/default-org', { org_id: orgId });
    for (const ask of [list, home]) {
      const [one, other] = [await ask(theirs['org_id']!), await ask(NOTHING['org_id']!)];
      expect([one.status, one.body]).toEqual([other.status, other.body]);
      expect(one.status).toBeGreaterThanOrEqual(400);
    }
  });
});
