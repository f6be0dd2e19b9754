import { type Route, RouteTable, SCOPES, type Scope } from '#platform';
import { createRepo, signUp, type TestAccount } from '../support/client.js';
import { actingFor, type OrgRow, seedOrg } from '../support/org-rows.js';
import { keysOf, type ServiceKey, serviceKey } from '../support/service-keys.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** Routes for any key at all: what they reach is the key itself. */
const FOR_ANY_KEY = [
  'DELETE /v1/session/:id',
  'GET /v1/session/:id/status',
  'POST /v1/session',
  'POST /v1/session/:id/flush',
];

let server: TestServer;
let owner: TestAccount;
let org: OrgRow;
let routes: Route[];

beforeAll(async () => {
  server = await startTestServer();
  owner = await signUp(server);
  // More routes are asked than the limit of a smaller plan admits in a minute.
  org = await seedOrg(server, owner, 'enterprise');
  await createRepo(actingFor(owner, org), 'demo');
  routes = server.app.get(RouteTable).routes();
});

afterAll(async () => {
  await server.close();
});

function pathOf({ path }: Route): string {
  return path
    .replace(':account', org.slug)
    .replace(':org_id', org.id)
    .replace(':slug', 'demo')
    .replace(/:\w*id\b/g, '00000000-0000-4000-8000-000000000000')
    .replace(/[:*]\w+/g, 'main')
    .replace(/info\/refs$/, 'info/refs?service=git-upload-pack');
}

interface Denial {
  readonly reason: string;
  readonly message: string;
  readonly details: Record<string, unknown>;
}

/** The whole answer of each surface, as its contract writes it. */
function answerOf(path: string, { reason, message, details }: Denial): unknown {
  if (path.startsWith('/api/v1')) {
    const error = { code: '403', message, details: { ...details, error: reason } };
    return { error, detail: { ...details, error: reason, message } };
  }
  if (path.startsWith('/api')) return { ...details, status: 'error', error: message, message, code: reason };
  if (/^\/v1\/(?:sessions|responses|skills)/.test(path)) return { ...details, error: reason, message };
  if (!path.includes('.git')) return { ...details, reason, error: message, code: 'FORBIDDEN' };
  const required = details['required'] as string[];
  return `Token does not have ${required.includes('repos:write') ? 'write' : 'read'} access to this repository`;
}

function insufficientScope(required: readonly string[], current: readonly string[]): Denial {
  const details = { required: [...required].sort(), current: [...current] };
  return { reason: 'insufficient_scope', message: 'Insufficient permissions', details };
}

async function expectDenied(key: ServiceKey, route: Route, denial: Denial): Promise<void> {
  const name = `${route.method} ${route.path}`;
  const { status, body } = await key.send(route.method, pathOf(route));
  expect({ name, status, body }).toEqual({ name, status: 403, body: answerOf(route.path, denial) });
}

const scoped = (): { route: Route; scopes: readonly Scope[] }[] =>
  routes.flatMap((route) => (route.rule?.kind === 'scopes' ? [{ route, scopes: route.rule.scopes }] : []));

/** A key's scopes in the order they are stored. */
async function currentOf(key: ServiceKey): Promise<string[]> {
  return (await owner.get(`${keysOf(org)}/${key.id}`)).body.scopes as string[];
}

describe('a service key', () => {
  it('reaches no route that asks for a scope it lacks, whatever else it holds', async () => {
    const all = Object.keys(SCOPES);
    const demanded = new Set(scoped().flatMap(({ scopes }) => scopes));
    expect(demanded.size).toBeGreaterThan(1);
    for (const lacking of demanded) {
      // write holds read, so a key that lacks reading lacks writing too.
      const held = all.filter((scope) => scope !== lacking && scope !== lacking.replace(/:read$/, ':write'));
      const key = await serviceKey(owner, org, held);
      const current = await currentOf(key);
      for (const { route, scopes } of scoped()) {
        const mustFail = scopes.some((scope) => !current.includes(scope));
        if (scopes.includes(lacking)) expect(mustFail).toBe(true);
        if (mustFail) await expectDenied(key, route, insufficientScope(scopes, current));
      }
    }
  });

  it('with nothing but unrelated scopes reaches no route that asks for one', async () => {
    const key = await serviceKey(owner, org, ['retrieval_audit:read', 'admin:*']);
    const current = await currentOf(key);
    expect(current).toEqual(['retrieval_audit:read', 'admin:*']);
    for (const { route, scopes } of scoped()) {
      if (scopes.every((scope) => current.includes(scope))) continue;
      await expectDenied(key, route, insufficientScope(scopes, current));
    }
  });

  it('with every scope there is reaches no route of people and administrators', async () => {
    const key = await serviceKey(owner, org, Object.keys(SCOPES));
    const forPeople = routes.filter(({ rule }) => rule?.kind === 'user' || rule?.kind === 'admin');
    expect(forPeople.length).toBeGreaterThan(10);
    for (const route of forPeople) {
      await expectDenied(key, route, {
        reason: 'service_key_not_allowed',
        message: 'Service keys may not use this route',
        details: { service_key_name: key.name },
      });
    }
  });

  it('leaves no route out: each is public, of people, of scopes, or of the listed few', () => {
    const rest = routes.filter(({ rule }) => rule?.kind === 'authenticated');
    expect(rest.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(FOR_ANY_KEY);
    expect(routes.filter(({ rule }) => rule === undefined)).toEqual([]);
  });
});
