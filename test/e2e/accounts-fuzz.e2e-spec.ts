import { type Route, RouteTable } from '#platform';
import { type SellingServer, startSellingServer } from '../support/billing.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { seedMember, seedOrg } from '../support/org-rows.js';
import {
  BODIES,
  generator,
  HEADERS,
  type HostileRequest,
  JSON_TEXTS,
  QUERY_TEXTS,
  SEGMENTS,
  sendHostile,
} from '../support/hostile-requests.js';

/** Requests per route; a third of them to those that start processes. */
const ROUNDS = Number(process.env.ROUNDS ?? 24);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const AT_ONCE = 6;
/** Below what one key may ask in a minute. */
const PER_KEY = 100;
const CAPTURED = /^\/(?:api\/v1|webhooks)\//;
const SANDBOX_API = /^\/api\/(?:sessions|chats?|sandbox(?:es)?|git-status|keys)(?:\/|$)/;
/** The surface of agents, in an envelope of its own. */
const AGENT = /^\/v1\/(?:sessions|responses|skills)(?:\/|$)/;
/** Routes that people open in a browser. */
const PAGES = /^\/api\/v1\/auth\/(?:verify|sso)/;

interface Operation {
  readonly route: Route;
  readonly queries: readonly string[];
  /** Member → JSON text of something acceptable. */
  readonly members: ReadonlyMap<string, string>;
}

let server: SellingServer;
let root: Client;
let ids: Readonly<Record<string, readonly string[]>>;
let operations: Operation[];

beforeAll(async () => {
  server = await startSellingServer({ DEFAULT_TIER: 'enterprise' });
  root = await admin(server);
  ids = await knownIds();
  operations = await listOperations();
});

afterAll(async () => {
  await server.close();
});

async function idOfRoot(): Promise<string> {
  return (await root.get('/api/v1/auth/me')).body.user_id as string;
}

/** What the hostile caller owns, so that most requests pass the look-up of what their path names. */
async function knownIds(): Promise<Record<string, string[]>> {
  const me = Object.assign(root, { userId: await idOfRoot(), slug: '', keyId: '' }) as TestAccount;
  const org = await seedOrg(server, me, 'enterprise');
  const mate = await signUp(server);
  await seedMember(server, org, mate, 'admin');
  const paths = `/api/v1/orgs/${org.id}`;
  const invite = await root.post(`${paths}/invite`, { email: 'guest@example.com' });
  const key = await root.post(`${paths}/service-keys`, { name: 'k', scopes: ['repos:read'] });
  const team = await root.post('/api/v1/teams', { name: 'T', slug: 'team-t', org_id: org.id });
  await root.post(`${paths}/domains`, { domain: 'corp.example' });
  const made = [invite.body.invite_id, key.body.id, team.body.id] as (string | undefined)[];
  if (made.includes(undefined)) throw new Error(JSON.stringify([invite.body, key.body, team.body]));
  const [inviteId, keyId, teamId] = made as [string, string, string];
  const { session, chat } = (await root.post('/api/sessions')).body as Record<'session' | 'chat', { id: string }>;
  expect((await root.post('/api/sandbox', { sessionId: session.id })).status).toBe(200);
  const agent = (await root.post('/v1/sessions', { persistent: true })).body as { id: string };
  return {
    session_id: [session.id, agent.id],
    chat_id: [chat.id],
    org_id: [org.id],
    user_id: [mate.userId],
    invite_id: [inviteId],
    key_id: [keyId],
    id: [teamId],
    transfer_id: ['1'],
    domain: ['corp.example'],
    queue: ['mail', 'maintenance'],
    job_id: ['1'],
    path: ['docs', 'docs/a', '.sessions', '..%2fx', 'a%2f%00'],
    name: ['skill-1'],
  };
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
}

interface Described {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

async function listOperations(): Promise<Operation[]> {
  const { body: document } = await root.get('/openapi.json');
  const schemas = document.components.schemas as Record<string, Schema>;
  const routes = server.app.get(RouteTable).routes();
  return routes
    .filter(({ path }) => CAPTURED.test(path) || SANDBOX_API.test(path) || AGENT.test(path))
    .map((route) => {
      const path = route.path.replace(/[:*](\w+)/g, '{$1}');
      const described = (document.paths[path]?.[route.method.toLowerCase()] ?? {}) as Described;
      const schema = Object.values(described.requestBody?.content ?? {})[0]?.schema;
      const properties = schemas[schema?.$ref?.split('/').at(-1) ?? '']?.properties ?? {};
      return {
        route,
        queries: (described.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name),
        members: new Map(Object.entries(properties).map(([name, member]) => [name, acceptable(name, member)])),
      };
    });
}

/** JSON text that the route would mostly take for that member. */
function acceptable(name: string, schema: Schema): string {
  if (schema.enum) return JSON.stringify(schema.enum[0]);
  if (schema.type === 'integer' || schema.type === 'number') return String(schema.minimum ?? 1);
  if (schema.type === 'boolean') return 'false';
  if (schema.type === 'array') return name === 'scopes' ? '["repos:read"]' : '[]';
  if (name.includes('email')) return '"somebody@example.com"';
  if (name === 'sessionId') return JSON.stringify(ids['session_id']![0]);
  if (name === 'chatId') return JSON.stringify(ids['chat_id']![0]);
  if (name === 'user_id' || name.endsWith('user_id')) return JSON.stringify(ids['user_id']![0]);
  if (name === 'org_id') return JSON.stringify(ids['org_id']![0]);
  if (schema.format === 'date-time') return '"2099-01-01T00:00:00Z"';
  return '"acme-1"';
}

class Requests {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  next({ route, queries, members }: Operation): HostileRequest {
    const path = this.path(route) + this.query(queries);
    const isRead = route.method === 'GET';
    const body = isRead && this.random() < 0.9 ? null : this.body(members);
    const json: Record<string, string> = body
      ? { 'Content-Type': 'application/json', 'Content-Length': String(body.length) }
      : {};
    const headers = { ...json, ...(this.random() < 0.25 && this.pick(HEADERS)) };
    return { method: route.method, path, headers, body };
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  private path({ path, method }: Route): string {
    // What the requests live on is not to be ended by one of them.
    const ends = (method === 'DELETE' && !path.includes('*')) || path.startsWith('/api/v1/admin/users/');
    return path.replace(/[:*](\w+)/g, (_, name: string) => {
      const isKept = ends && path.endsWith(`:${name}`);
      return this.random() < 0.6 && !isKept ? this.pick(ids[name] ?? ['x']) : this.pick(SEGMENTS);
    });
  }

  private query(names: readonly string[]): string {
    if (this.random() < (names.length > 0 ? 0.1 : 0.8)) return '';
    const all = [...names, 'page', 'limit', '__proto__', 'x'];
    const parts = Array.from({ length: 1 + Math.floor(this.random() * 3) }, () => {
      const name = this.pick(this.random() < 0.85 && names.length > 0 ? names : all);
      const suffix = this.pick(['', '', '', '', '[]', '[a]', '[__proto__]', '%00']);
      return `${name}${suffix}=${this.pick(QUERY_TEXTS)}`;
    });
    return `?${parts.join('&')}`;
  }

  private body(members: ReadonlyMap<string, string>): Buffer {
    if (members.size === 0 || this.random() < 0.25) return this.pick(BODIES);
    const names = [...members.keys()];
    const hostile = new Set(Array.from({ length: this.random() < 0.8 ? 1 : 3 }, () => this.pick(names)));
    const text = names
      .filter((name) => hostile.has(name) || this.random() < 0.9)
      .map((name) => `${JSON.stringify(name)}:${hostile.has(name) ? this.pick(JSON_TEXTS) : members.get(name)!}`);
    return Buffer.from(`{${text.join(',')}}`);
  }
}

/** Keys of the administrator, a new one before the last is used up. */
class Keys {
  private used = PER_KEY;
  private current = '';
  private minting: Promise<void> = Promise.resolve();

  constructor(private maker: Client) {}

  take(): Promise<string> {
    const taken = this.minting.then(async () => {
      if (this.used >= PER_KEY) await this.mint();
      this.used += 1;
      return this.current;
    });
    this.minting = taken.then(() => undefined);
    return taken;
  }

  private async mint(): Promise<void> {
    const { status, body } = await this.maker.post('/api/v1/auth/keys', { name: 'fuzz' });
    if (status !== 201) throw new Error(`minting answered ${status}`);
    this.current = body.raw_key as string;
    this.maker = new Client(server.url, this.current);
    this.used = 0;
  }
}

/** What is wrong with an answer; null when nothing is. */
function problemOf(path: string, status: number, text: string): string | null {
  const isOfSandboxes = !CAPTURED.test(path);
  // What this installation does not offer: a model, browsers' ways into sandboxes.
  if (isOfSandboxes && (status === 501 || status === 503)) return null;
  if (status >= 500) return 'a failure of ours';
  if (status === 429 && !path.endsWith('/resend')) return 'nothing was tried';
  // Node's own word about a request line that is too long for it.
  if (status === 431 && text === '') return null;
  if (status < 400 || (PAGES.test(path) && text.startsWith('<!doctype html>'))) return null;
  const isWhole = AGENT.test(path) ? isAgentEnvelope : isOfSandboxes ? isOfSandboxSurface : isEnvelope;
  return isWhole(text) ? null : 'no envelope';
}

function isOfSandboxSurface(text: string): boolean {
  if (!text.startsWith('{')) return false;
  const { status, error, message, code } = JSON.parse(text) as Record<string, unknown>;
  return status === 'error' && [error, message, code].every((part) => typeof part === 'string' && part !== '');
}

function isEnvelope(text: string): boolean {
  if (!text.startsWith('{')) return false;
  const { error, detail, ...more } = JSON.parse(text) as Record<string, unknown>;
  const { code, message, details, ...others } = (error ?? {}) as Record<string, unknown>;
  const isWhole = typeof code === 'string' && typeof message === 'string' && message !== '' && isObject(details);
  const hasDetail = typeof detail === 'string' || Array.isArray(detail) || isObject(detail);
  return isWhole && hasDetail && Object.keys({ ...more, ...others }).length === 0;
}

/** sandbox-sessions.md §B1: members may be added to these two. */
function isAgentEnvelope(text: string): boolean {
  if (!text.startsWith('{')) return false;
  const { error, message } = JSON.parse(text) as Record<string, unknown>;
  return typeof error === 'string' && error !== '' && typeof message === 'string' && message !== '';
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

describe('hostile requests to every route of accounts and sandboxes', () => {
  it(
    `end in the envelope and never in a 5xx (seed ${SEED}, ${ROUNDS} rounds)`,
    async () => {
      const requests = new Requests(SEED);
      const keys = new Keys(root);
      const problems = new Map<string, string>();
      const statuses = new Map<number, number>();
      const queue = Array.from({ length: ROUNDS }, () => operations)
        .flatMap((all, round) => (round % 3 === 0 ? all : all.filter(({ route }) => CAPTURED.test(route.path))))
        .map((operation) => ({ operation, request: requests.next(operation) }));
      expect(operations.length).toBeGreaterThan(80);
      const work = async (): Promise<void> => {
        for (let next = queue.pop(); next; next = queue.pop()) {
          const { operation, request } = next;
          const headers = { 'x-api-key': await keys.take(), ...request.headers };
          const { status, text } = await sendHostile(server.url, { ...request, headers });
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          const problem = problemOf(operation.route.path, status, text);
          const name = `${operation.route.method} ${operation.route.path}`;
          if (problem) problems.set(`${name}: ${problem}`, shown({ ...request, headers }, status, text));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      expect(Object.fromEntries(problems)).toEqual({});
      // They reach further than the first check.
      for (const status of [200, 403, 404, 422]) expect(statuses.get(status) ?? 0).toBeGreaterThan(ROUNDS);
    },
    60_000 + ROUNDS * 3_000,
  );
});

function shown({ path, headers, body }: HostileRequest, status: number, text: string): string {
  const { 'x-api-key': _, ...others } = headers;
  const parts = [path.slice(0, 300), JSON.stringify(others).slice(0, 200), body?.toString().slice(0, 600) ?? ''];
  return `${status} ${text.slice(0, 300)} for ${parts.join(' ')}`;
}
