import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { type Route, RouteTable } from '../../libs/platform/src/index.js';
import { newSessionId, pushSession, sendFile, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { addMember, createOrg } from '../support/organisations.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** What everybody may ask for: the second word stands beside it wherever the first one does, and is nobody else's. */
const ASKED = `zebrafinch${randomBytes(6).toString('hex')}`;
const PLANTED = `quokka${randomBytes(6).toString('hex')}`;
const SECRET = `${ASKED} ${PLANTED}`;

/** Under these prefixes live routes that belong to accounts; the tests of accounts compare their tenants. */
const NOT_SESSIONS = ['admin', 'auth', 'billing', 'health', 'me', 'org', 'orgs', 'sso', 'teams', 'webhooks'];

const PUSH = 'PUT /api/v1/sessions/:session_id/sync';

/** What answers otherwise than 404 to a path in which somebody else's thing is named, and with what. */
const OTHERWISE: Readonly<Record<string, number>> = {
  // An id is its owner's: the caller's own session comes to be.
  [PUSH]: 201,
  // As for any id that is not, or no longer, there.
  'POST /api/v1/sessions/:session_id/restore': 410,
  // One may watch what is not there yet; and what was never watched is no error.
  'POST /api/v1/sync/watch/:session_id': 200,
  'DELETE /api/v1/sync/watch/:session_id': 200,
  'PUT /api/v1/sync/watch/:session_id/:status': 200,
};
/** Who has the address may read: that is what it was made for. */
const CAPABILITIES = [
  'GET /api/v1/sessions/share/:token',
  'POST /api/v1/sessions/share/:token',
  'GET /api/v1/handoffs/:id/summary',
];
/** Without a parameter, but about the session that the body names. */
const NAMED_IN_BODY = ['POST /api/v1/handoffs', 'POST /api/v1/bookmarks'];

let server: TestServer;
let ann: TestAccount;
let bob: TestAccount;
let colleague: TestAccount;
let dora: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  [ann, bob, colleague, dora] = await Promise.all([signUp(server), signUp(server), signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
});

function sessionRoutes(): Route[] {
  const routes = server.app.get(RouteTable).routes();
  const rest = (path: string): string => path.slice('/api/v1/'.length).split('/')[0]!;
  return routes.filter(({ path }) => path.startsWith('/api/v1/') && !NOT_SESSIONS.includes(rest(path)));
}

const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
const isAbout = (route: Route): boolean => /[:*]/.test(route.path) || NAMED_IN_BODY.includes(nameOf(route));

async function must(answer: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return body;
}

/** A session of `owner` with everything that can hang on one; the values of paths by the names of their parameters. */
async function plant(owner: Client): Promise<Record<string, string>> {
  const id = newSessionId();
  const says = [userSays(`Why does ${SECRET} fail?`), userSays(`Because of ${SECRET}`)];
  const members = ['workspace.json', 'tools.json'].map((name) => ({ name, content: JSON.stringify({ note: SECRET }) }));
  const archive = await sessionArchive({ title: 'First' }, says, members);
  await must(pushSession(owner, id, archive));
  const next = await sessionArchive({ title: `About ${SECRET}`, tags: [PLANTED] }, [...says, userSays('x')], members);
  await must(pushSession(owner, id, next));
  // Asked for, and so perhaps said again.
  const alias = `a-${ASKED}`;
  await must(owner.put(`/api/v1/sessions/${id}/alias`, { alias }));
  await must(owner.put('/api/v1/settings/judge', { provider: 'openai', model: PLANTED, api_key: PLANTED }));
  await must(owner.get(`/api/v1/sessions/${id}/summary`));
  await must(owner.post(`/api/v1/sync/watch/${id}`));
  const link = await must(owner.post(`/api/v1/sessions/${id}/share`, {}));
  await must(owner.post(`/api/v1/sessions/${id}/audit`, { model: 'rules' }));
  let audits: { id: string }[] = [];
  while (audits.length === 0) {
    await setTimeout(50);
    audits = await must(owner.get(`/api/v1/sessions/${id}/audits`));
  }
  const handoff = await must(
    owner.post('/api/v1/handoffs', { session_id: id, recipient_user_id: dora.userId, message: SECRET }),
  );
  await must(owner.post(`/api/v1/handoffs/${handoff.id}/comments`, { content: SECRET }));
  const folder = await must(owner.post('/api/v1/bookmarks/folders', { name: SECRET }));
  const bookmark = await must(owner.post('/api/v1/bookmarks', { folder_id: folder.id, session_id: id }));
  return {
    ...{ folder_id: folder.id, bookmark_id: bookmark.id },
    ...{ session_id: id, alias, link_id: link.link_id, token: link.url.split('/').at(-1), audit_id: audits[0]!.id },
    ...{ id: handoff.id, status: 'synced' },
  };
}

/** A request that would reach the thing, and do something to it, if it were the caller's own. */
function ask(client: Client, route: Route, values: Readonly<Record<string, string>>): Promise<Answer> {
  const path = route.path.replace(/[:*](\w+)/g, (_, name: string) => {
    if (values[name] === undefined) throw new Error(`${nameOf(route)}: say here what :${name} is`);
    return values[name];
  });
  if (path.endsWith('/sync') && route.method === 'PUT') return sendFile(client, 'PUT', path, OWN_ARCHIVE);
  if (path === '/api/v1/sessions' && route.method === 'POST')
    return sendFile(client, 'POST', `${path}?source_tool=codex`, OWN_ARCHIVE);
  const body = ['GET', 'HEAD'].includes(route.method) ? undefined : { ...values, ...BODY };
  return client.send(route.method, `${path}?q=${ASKED}&base_url=http%3A%2F%2F127.0.0.1%3A9`, body);
}

const BODY = {
  ...{ title: 'mine', alias: 'mine-now', visibility: 'private', reason: 'r', content: 'c', finding_index: 0 },
  ...{
    text: 'x',
    mode: 'warn',
    trigger: 'manual',
    provider: 'openai',
    model: 'rules',
    recipient_email: 'e@example.com',
  },
  ...{ access_token: 'glpat-0', message: 'm', name: 'n' },
};
let OWN_ARCHIVE: Buffer;

/** What Ann sees of all of it, to be compared; views and times of looking are hers. */
async function seenBy(owner: Client, { session_id: id, id: handoff }: Record<string, string>): Promise<unknown[]> {
  const paths = ['', '/messages', '/versions', '/share', '/audits', '/summary', '/workspace', '/tools'];
  const seen = await Promise.all(paths.map((path) => owner.get(`/api/v1/sessions/${id}${path}`)));
  const others = [
    'settings/judge',
    'settings/audit-trigger',
    'sync/settings',
    'sync/watchlist',
    'bookmarks/folders',
    `handoffs/${handoff}`,
  ];
  const more = await Promise.all(others.map((path) => owner.get(`/api/v1/${path}`)));
  return [...seen, ...more].map(({ status, body }) => [status, body]);
}

/** What a stranger may be told: for an alias, which is no id everywhere, that it cannot be one; else that there is none. */
const REFUSALS = { id: [404], alias: [400, 404, 422] };

/** Goes through all routes as `intruder`, those about one thing first. */
async function intrude(intruder: Client, owner: Client, values: Record<string, string>): Promise<void> {
  OWN_ARCHIVE = await sessionArchive({ title: 'Own' }, [userSays('own')]);
  const before = await seenBy(owner, values);
  const routes = sessionRoutes();
  expect(routes.length).toBeGreaterThanOrEqual(60);
  const about = routes.filter((route) => isAbout(route) && !CAPABILITIES.includes(nameOf(route)));
  // Last, because the intruder has a session of that id from then on.
  about.sort((a, b) => Number(nameOf(a) === PUSH) - Number(nameOf(b) === PUSH));
  for (const route of about) {
    for (const kind of ['id', 'alias'] as const) {
      const named = kind === 'id' ? values : { ...values, session_id: values['alias']! };
      const { status, body } = await ask(intruder, route, named);
      assertNothingOf(route, status, body);
      const isFine = status === OTHERWISE[nameOf(route)] || REFUSALS[kind].includes(status);
      if (!isFine) throw new Error(`${nameOf(route)} by its ${kind} answered ${status}: ${JSON.stringify(body)}`);
    }
  }
  for (const route of routes.filter((route) => !isAbout(route))) {
    const { status, body } = await ask(intruder, route, values);
    assertNothingOf(route, status, body);
  }
  expect(await seenBy(owner, values)).toEqual(before);
}

function assertNothingOf(route: Route, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  if (status >= 500 || text.includes(PLANTED)) throw new Error(`${nameOf(route)} answered ${status}: ${text}`);
}

describe("another user's session", () => {
  it('and all that hangs on it is found on no route, by nothing that names it, and stays as it was', async () => {
    await intrude(bob, ann, await plant(ann));
  });

  it('is nobody else’s in an organisation either, while it is private', async () => {
    const { orgId, slug } = await createOrg(ann);
    await addMember(server, orgId, colleague);
    const forOrg = { 'x-account': slug };
    await intrude(colleague.with(forOrg), ann.with(forOrg), await plant(ann.with(forOrg)));
  });

  it('is closed on every route to callers without a key, but for what is public', async () => {
    const values = await plant(bob);
    const nobody = new Client(server.url, null);
    const closed = sessionRoutes().filter(
      (route) => route.rule?.kind !== 'public' && !CAPABILITIES.includes(nameOf(route)),
    );
    for (const route of closed) {
      const { status } = await ask(nobody, route, values);
      expect([nameOf(route), status]).toEqual([nameOf(route), 401]);
    }
  });
});

it('every exception is a route that there is', () => {
  const names = sessionRoutes().map(nameOf);
  expect(names).toEqual(expect.arrayContaining([...Object.keys(OTHERWISE), ...CAPABILITIES]));
});
