import { type Answer, admin, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { actingFor, type OrgRow, seedMember, seedOrg } from '../support/org-rows.js';
import { eventually, holder, oneSecond, openSession } from '../support/pinned-sessions.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { keysOf, type ServiceKey, serviceKey } from '../support/service-keys.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

/** Two processes on one database; the second reaches it through a line that can freeze. */
let near: TestServer;
let far: ServerProcess;
let line: TcpProxy;
let owner: TestAccount;
let root: Client;
let org: OrgRow;

beforeAll(async () => {
  near = await startTestServer();
  const database = new URL(near.databaseUrl);
  line = await startTcpProxy({ host: database.hostname, port: Number(database.port) });
  const throughLine = Object.assign(new URL(near.databaseUrl), { hostname: '127.0.0.1', port: String(line.port) });
  far = await startServerProcess({
    ...{ DATA_DIR: near.dataDir, DATABASE_URL: throughLine.href, STORE_WORKERS: '2', LOG_LEVEL: 'silent' },
    AUTH_FAILURE_LIMIT_PER_MINUTE: '100000',
  });
  owner = await signUp(near, 'owner');
  root = await admin(near);
  org = await seedOrg(near, owner);
  await createRepo(actingFor(owner, org), 'shared');
});

afterAll(async () => {
  line.thaw();
  expect(await far.stop()).toBe(0);
  await line.close();
  await near.close();
});

/** Everything one person can call with, and what ends it. */
interface Credentials {
  readonly callers: Record<string, Client>;
  readonly person: TestAccount;
  readonly machine: ServiceKey;
}

async function credentials(): Promise<Credentials> {
  const person = await signUp(near);
  await seedMember(near, org, person, 'admin');
  const machine = await serviceKey(owner, org, ['repos:read']);
  const bound = await person.post('/api/v1/auth/keys', { account: org.slug });
  const boundKey = new Client(near.url, bound.body.raw_key as string);
  const callers = {
    key: person,
    'key for the organisation': actingFor(person, org),
    'bound key': boundKey,
    'session of the key': holder(near, await openSession(person)),
    'session for the organisation': holder(near, await openSession(actingFor(person, org))),
    'session of the bound key': holder(near, await openSession(boundKey)),
    'service key': machine,
    'session of the service key': holder(near, await openSession(machine)),
  };
  await warm(callers);
  return { callers, person, machine };
}

/** Asks both nodes until each has all of the callers in its memory. */
async function warm(callers: Record<string, Client>): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    for (const at of [near.url, far.url]) {
      expect(Object.values(await statuses(callers, at)).filter((status) => status !== 200)).toEqual([]);
    }
  }
}

const at = (client: Client, url: string): Client => Object.assign(client.with({}), { url });

async function statuses(callers: Record<string, Client>, url: string): Promise<Record<string, number>> {
  const answers = await Promise.all(
    Object.entries(callers).map(async ([name, client]) => [name, (await at(client, url).get('/v1/repos')).status]),
  );
  return Object.fromEntries(answers) as Record<string, number>;
}

/** Which of the callers are still let in. */
async function accepted(callers: Record<string, Client>, url: string): Promise<string[]> {
  return Object.entries(await statuses(callers, url)).flatMap(([name, status]) => (status < 400 ? [name] : []));
}

/**
 * These are let in and nobody else. Whoever is not among them must be out from the first look; a busy machine may take
 * longer over some of those who are.
 */
async function expectAccepted(callers: Record<string, Client>, url: string, left: readonly string[]): Promise<void> {
  await eventually(async () => {
    const found = await accepted(callers, url);
    expect(left).toEqual(expect.arrayContaining(found));
    return found.length === left.length;
  });
}

const OF_THE_PERSON = ['key', 'session of the key'];
const OF_THE_KEY = [...OF_THE_PERSON, 'key for the organisation', 'session for the organisation'];
const OF_THE_MACHINE = ['service key', 'session of the service key'];
const OF_THE_BOUND_KEY = ['bound key', 'session of the bound key'];

interface Case {
  readonly what: string;
  end(who: Credentials): Promise<Answer>;
  readonly left: readonly string[];
}

const CASES: readonly Case[] = [
  {
    what: 'a revoked key',
    end: ({ person }) => person.delete(`/api/v1/auth/keys/${person.keyId}`),
    left: [...OF_THE_MACHINE, ...OF_THE_BOUND_KEY],
  },
  {
    what: 'a revoked service key',
    end: ({ machine }) => owner.delete(`${keysOf(org)}/${machine.id}`),
    left: [...OF_THE_KEY, ...OF_THE_BOUND_KEY],
  },
  {
    what: 'a removed member',
    end: ({ person }) => owner.delete(`/api/v1/orgs/${org.id}/members/${person.userId}`),
    left: [...OF_THE_PERSON, ...OF_THE_MACHINE],
  },
  {
    what: 'a deactivated user',
    end: ({ person }) => root.delete(`/api/v1/admin/users/${person.userId}`),
    left: OF_THE_MACHINE,
  },
];

describe.each(CASES)('$what', ({ end, left }) => {
  it('is refused by both processes within a second, and nobody else is', async () => {
    const who = await credentials();
    expect((await end(who)).status).toBeLessThan(300);
    await oneSecond();
    for (const url of [near.url, far.url]) await expectAccepted(who.callers, url, left);
  });
});

describe('a process whose database connections are frozen', () => {
  it('lets nobody in whose access ended meanwhile, then and once they thaw', async () => {
    const all: (Case & { who: Credentials })[] = [];
    for (const ending of CASES) all.push({ ...ending, who: await credentials() });
    // What is on its way when the line freezes, and is answered when it thaws, tells of before the ending.
    const early: Promise<string[]>[] = [];
    line.freeze();
    try {
      early.push(...all.map(({ who }) => accepted(who.callers, far.url)));
      for (const { end, who } of all) expect((await end(who)).status).toBeLessThan(300);
      await oneSecond();
      const late = all.map(({ who }) => accepted(who.callers, far.url));
      expect((await Promise.all(late)).flat()).toEqual([]);
    } finally {
      line.thaw();
    }
    await Promise.all(early);
    await oneSecond();
    for (const { who, left } of all) await expectAccepted(who.callers, far.url, left);
  });

  it('says that it cannot verify anybody, and when to come again', async () => {
    const who = await credentials();
    line.freeze();
    try {
      await oneSecond();
      const answers = await Promise.all(
        Object.values(who.callers).map((caller) => at(caller, far.url).get('/v1/repos')),
      );
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 503, body: { reason: 'credentials_unverifiable' } });
        expect(answer.headers.get('retry-after')).toBe('1');
      }
      expect((await accepted(who.callers, near.url)).length).toBe(Object.keys(who.callers).length);
    } finally {
      line.thaw();
    }
  });
});
