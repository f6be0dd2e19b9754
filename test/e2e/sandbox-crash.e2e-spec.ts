import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { FaultPoint } from '../../libs/kernel/src/index.js';
import { Random } from '../crash/random.js';
import { ServerProcess } from '../crash/server-process.js';
import { Client, createRepo, signUp } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { GitHttpsPeer } from '../support/peers/git-https.js';
import { LOCALHOST } from '../support/peers/localhost-certificate.js';
import { eventually } from '../support/pinned-sessions.js';
import { running } from '../support/sandboxes.js';
import { fingerprint, scramble } from '../support/trees.js';

/** Every transitional state, and every step of what replaces a directory; a few of them unless this is the soak. */
const CASES: readonly Case[] = [
  { at: 'sandbox.provisioning', from: 'new', does: ['POST', ''], settles: 'failed' },
  { at: 'sandbox.cloned', from: 'new', does: ['POST', ''], settles: 'failed' },
  { at: 'sandbox.directory-built', from: 'new', does: ['POST', ''], settles: 'failed' },
  { at: 'sandbox.provisioned', from: 'new', does: ['POST', ''], settles: 'failed' },
  { at: 'sandbox.hibernating', from: 'active', does: ['DELETE', ''], settles: 'hibernated' },
  { at: 'sandbox.stopped', from: 'active', does: ['DELETE', ''], settles: 'hibernated' },
  { at: 'sandbox.snapshot-stored', from: 'active', does: ['POST', '/snapshot'], settles: 'hibernated' },
  { at: 'sandbox.restoring', from: 'paused', does: ['PUT', '/snapshot'], settles: 'hibernated' },
  { at: 'sandbox.directory-built', from: 'changed', does: ['PUT', '/snapshot'], settles: 'hibernated' },
  { at: 'sandbox.directory-moved-away', from: 'changed', does: ['PUT', '/snapshot'], settles: 'hibernated' },
  { at: 'sandbox.destroying', from: 'active', does: ['DELETE', 'session'], settles: null },
  { at: 'sandbox.destroyed', from: 'active', does: ['DELETE', 'session'], settles: null },
];
const A_FEW = 3;
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));

interface Case {
  readonly at: FaultPoint;
  /** `changed`: paused with a snapshot, and changed after it. */
  readonly from: 'new' | 'active' | 'paused' | 'changed';
  readonly does: readonly [string, string];
  /** Null: gone. */
  readonly settles: string | null;
}

interface Prepared extends Case {
  readonly id: string;
  readonly snapshotId: string | undefined;
  /** What its directory may look like afterwards. */
  readonly trees: readonly (readonly string[])[];
}

let database: TestDatabase;
let dataDir: string;

beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = mkdtempSync(join(tmpdir(), 'roundhouse-crash-'));
});

afterAll(async () => {
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function serve<Result>(
  fault: string | undefined,
  work: (server: ServerProcess) => Promise<Result>,
  more: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const env = { PUBLIC_URL: 'https://roundhouse.test', ...more };
  const server = ServerProcess.spawn({ dataDir, databaseUrl: database.url, fault, env });
  try {
    if (!(await server.ready())) throw new Error(server.output);
    return await work(server);
  } finally {
    await server.stop();
  }
}

async function sql<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

function directoryOf(id: string): string {
  const workspaces = join(dataDir, 'workspaces');
  const [account] = readdirSync(workspaces);
  return join(workspaces, account!, '.sessions', id);
}

async function prepare(client: Client, slug: string, one: Case, random: Random): Promise<Prepared> {
  const cloneUrl = `https://roundhouse.test/${slug}/app.git`;
  const { id } = ((await client.post('/api/sessions', { cloneUrl })).body as { session: { id: string } }).session;
  if (one.from === 'new') return { ...one, id, snapshotId: undefined, trees: [] };
  const made = await client.post('/api/sandbox', { sessionId: id });
  if (made.status !== 200) throw new Error(JSON.stringify(made.body));
  scramble(directoryOf(id), random, 15);
  const trees = [fingerprint(directoryOf(id))];
  if (one.from === 'active') return { ...one, id, snapshotId: undefined, trees };
  const { snapshotId } = (await client.post('/api/sandbox/snapshot', { sessionId: id })).body as { snapshotId: string };
  if (one.from === 'paused') return { ...one, id, snapshotId: undefined, trees };
  scramble(directoryOf(id), random, 10);
  return { ...one, id, snapshotId, trees: [...trees, fingerprint(directoryOf(id))] };
}

/** Sends what kills the server, and sees it die where it should. */
async function strike(one: Prepared, key: string): Promise<string | undefined> {
  return serve(one.at, async (server) => {
    const client = new Client(server.url, key);
    const [method, verb] = one.does;
    const path = verb === 'session' ? `/api/sessions/${one.id}` : `/api/sandbox${verb}`;
    const body = { sessionId: one.id, ...(one.snapshotId && { snapshotId: one.snapshotId }) };
    await client.send(method, path, body).catch((error: unknown) => error);
    await server.diesWithin(30_000);
    return server.reachedFault;
  });
}

async function settled({ id, settles, trees, at }: Prepared, client: Client): Promise<void> {
  if (settles === null) {
    await eventually(async () => (await sql('select from sandbox where id = $1', [id])).length === 0);
    return;
  }
  const session = await eventually(async () => {
    const { body } = await client.get(`/api/sessions/${id}`);
    return body.session.lifecycleRunId === null && (body.session as Record<string, unknown>);
  });
  expect([at, session['lifecycleState']]).toEqual([at, settles]);
  if (trees.length > 0) expect(trees).toContainEqual(fingerprint(directoryOf(id)));
  expect([at, (await client.post('/api/sandbox', { sessionId: id })).status]).toEqual([at, 200]);
  if (trees.length > 0) expect(trees).toContainEqual(fingerprint(directoryOf(id)));
}

it('settles every sandbox that a server was changing when it was killed, and loses nothing in it', async () => {
  const random = new Random(SEED);
  const isAll = process.env['ROUNDS'] !== undefined;
  const chosen = CASES.map((one) => ({ one, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, isAll ? CASES.length : A_FEW)
    .map(({ one }) => one);
  console.log(`${chosen.length} crashes of seed ${SEED}: ${chosen.map(({ at }) => at).join(' ')}`);
  const prepared: Prepared[] = [];
  const key = await serve(undefined, async (server) => {
    const alice = await signUp(server);
    await createRepo(alice, 'app');
    for (const one of chosen) prepared.push(await prepare(alice, alice.slug, one, random));
    return alice.key!;
  });
  for (const one of prepared) expect(await strike(one, key)).toBe(one.at);
  // As if the time of the leases had passed.
  await sql(`update sandbox set lease_expires_at = now() - interval '1 s' where lease_id is not null`);
  await serve(undefined, async (server) => {
    const client = new Client(server.url, key);
    for (const one of prepared) await settled(one, client);
    expect(readdirSync(join(directoryOf('x'), '..', '.staging'))).toEqual([]);
  });
}, 600_000);

describe('a repository that was being fetched from elsewhere', () => {
  const content = randomBytes(1_500_000);
  let peer: GitHttpsPeer;
  let env: Record<string, string>;
  let cloneUrl: string;

  beforeAll(async () => {
    peer = await GitHttpsPeer.start();
    await peer.repository('large', [{ 'large.bin': content }]);
    writeFileSync(join(dataDir, 'ca.pem'), LOCALHOST.cert);
    env = {
      SANDBOX_CLONE_HOSTS: peer.host,
      OUTBOUND_ALLOW_PRIVATE: 'localhost',
      NODE_EXTRA_CA_CERTS: join(dataDir, 'ca.pem'),
    };
    cloneUrl = `${peer.origin}/stalled/large.git`;
  });

  afterAll(() => peer.stop());

  /** Kills the server once some of the pack has come, and no more is going to. */
  async function struck(server: ServerProcess): Promise<{ id: string; key: string }> {
    const person = await signUp(server);
    const { id } = ((await person.post('/api/sessions', { cloneUrl })).body as { session: { id: string } }).session;
    const answer = person.post('/api/sandbox', { sessionId: id }).catch((error: unknown) => error);
    await eventually(() => Promise.resolve(peer.stalled > 0 && running(cloneUrl).length > 0));
    await server.kill();
    await answer;
    return { id, key: person.key! };
  }

  it('is fetched anew after a crash: no part passes for the whole, and no git is left', async () => {
    const { id, key } = await serve(undefined, struck, env);
    await eventually(() => Promise.resolve(running(cloneUrl).length === 0));
    await sql(`update sandbox set lease_expires_at = now() - interval '1 s' where lease_id is not null`);
    const read = async (server: ServerProcess): Promise<void> => {
      const client = new Client(server.url, key);
      const about = async () => (await client.get(`/api/sessions/${id}`)).body.session as Record<string, unknown>;
      const session = await eventually(async () => {
        const now = await about();
        return now['lifecycleRunId'] === null && now;
      });
      expect(session).toMatchObject({ lifecycleState: 'failed', lifecycleError: expect.any(String) as string });
      const { account } = (
        await sql<{ account: string }>('select account_id as account from sandbox where id = $1', [id])
      )[0]!;
      const sessions = join(dataDir, 'workspaces', account, '.sessions');
      expect(readdirSync(sessions).filter((name) => name === id)).toEqual([]);
      await sql('update coding_session set clone_url = $2 where sandbox_id = $1', [
        id,
        `${peer.origin}/open/large.git`,
      ]);
      expect((await client.post('/api/sandbox', { sessionId: id })).status).toBe(200);
      expect(readFileSync(join(sessions, id, 'work', 'large.bin')).equals(content)).toBe(true);
      expect(readdirSync(join(sessions, '.staging'))).toEqual([]);
    };
    await serve(undefined, read, env);
  }, 120_000);
});
