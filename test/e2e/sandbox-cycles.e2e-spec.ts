import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { Random } from '../crash/random.js';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { fingerprint, scramble } from '../support/trees.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 12);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

const sql = <Row>(text: string, values: unknown[]): Promise<Row[]> => server.app.get(Database).query<Row>(text, values);

/** Answers that are not 200 end the test. */
async function sandbox(method: string, verb: string, body: object): Promise<Answer['body']> {
  const answer = await alice.send(method, `/api/sandbox${verb}`, body as never);
  if (answer.status !== 200)
    throw new Error(`${method} ${verb} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function provisioned(): Promise<{ id: string; directory: string }> {
  const { session } = (await alice.post('/api/sessions')).body as { session: { id: string } };
  await sandbox('POST', '', { sessionId: session.id });
  const [row] = await sql<{ account: string }>('select account_id as account from sandbox where id = $1', [session.id]);
  return { id: session.id, directory: join(server.dataDir, 'workspaces', row!.account, '.sessions', session.id) };
}

function commitAll(directory: string): void {
  const git = (...args: string[]): Buffer =>
    execFileSync('git', ['-c', 'safe.directory=*', '-C', join(directory, 'work'), ...args]);
  git('-c', 'core.quotePath=false', 'add', '-A');
  git('-c', 'user.name=t', '-c', 'user.email=t@example.com', 'commit', '-q', '--allow-empty', '-m', 'more');
}

describe('the directory of a sandbox', () => {
  it(
    'is the same after every pause and every restore',
    async () => {
      console.log(`${ROUNDS} rounds of seed ${SEED}`);
      const random = new Random(SEED);
      const { id: sessionId, directory } = await provisioned();
      for (let round = 0; round < ROUNDS; round += 1) {
        scramble(directory, random, random.between(1, 12));
        mkdirSync(join(directory, 'work/empty'), { recursive: true });
        if (random.chance(0.2)) commitAll(directory);
        const before = fingerprint(directory);
        if (random.chance(0.5)) {
          await sandbox('DELETE', '', { sessionId });
          if (random.chance(0.5)) await sandbox('POST', '', { sessionId });
          else await sandbox('PUT', '/snapshot', { sessionId });
        } else {
          const { snapshotId } = await sandbox('POST', '/snapshot', { sessionId });
          if (random.chance(0.3)) rmSync(directory, { recursive: true });
          else scramble(directory, random, 10);
          const { restoredFrom } = await sandbox('PUT', '/snapshot', { sessionId, snapshotId });
          expect(restoredFrom).toBe(snapshotId);
        }
        expect({ round, tree: fingerprint(directory) }).toEqual({ round, tree: before });
      }
    },
    60_000 + ROUNDS * 2_000,
  );

  it('is restored from the snapshot, too, when it is lost', async () => {
    const { id: sessionId, directory } = await provisioned();
    scramble(directory, new Random(1), 20);
    const before = fingerprint(directory);
    const { snapshotId } = await sandbox('POST', '/snapshot', { sessionId });
    rmSync(directory, { recursive: true });
    expect(await sandbox('POST', '', { sessionId })).toMatchObject({ sessionId });
    expect(fingerprint(directory)).toEqual(before);
    const [row] = await sql<{ bytes: string }>(
      'select snapshot_bytes as bytes from coding_session where sandbox_id = $1',
      [sessionId],
    );
    expect(Number(row!.bytes)).toBeGreaterThan(0);
    expect(snapshotId).toMatch(/^snapshot:[0-9a-f]{64}$/);
  });

  it('goes back to a snapshot that is named although it runs, and to no other', async () => {
    const { id: sessionId, directory } = await provisioned();
    const { snapshotId } = await sandbox('POST', '/snapshot', { sessionId });
    const before = fingerprint(directory);
    await sandbox('PUT', '/snapshot', { sessionId });
    scramble(directory, new Random(2), 5);
    const other = await alice.put('/api/sandbox/snapshot', { sessionId, snapshotId: `snapshot:${'0'.repeat(64)}` });
    expect(other).toMatchObject({ status: 404 });
    expect(await sandbox('PUT', '/snapshot', { sessionId, snapshotId })).toMatchObject({ restoredFrom: snapshotId });
    expect(fingerprint(directory)).toEqual(before);
  });

  it('stays as it is when the snapshot is damaged, and the session says why', async () => {
    const { id: sessionId, directory } = await provisioned();
    const { snapshotId } = await sandbox('POST', '/snapshot', { sessionId });
    const before = fingerprint(directory);
    const held = `select digest from blob_hold where kind = 'sandbox_snapshot' and owner_id = $1`;
    for (const { digest } of await sql<{ digest: string }>(held, [sessionId])) {
      if (snapshotId === `snapshot:${digest}`) continue;
      rmSync(join(server.dataDir, 'blobs', digest.slice(0, 2), digest.slice(2, 4), digest));
    }
    expect(await alice.put('/api/sandbox/snapshot', { sessionId, snapshotId } as never)).toMatchObject({
      body: { status: 'error' },
    });
    expect(fingerprint(directory)).toEqual(before);
    expect((await alice.get(`/api/sessions/${sessionId}`)).body).toMatchObject({
      session: { lifecycleState: 'failed', lifecycleError: expect.any(String) as string },
    });
    await sandbox('POST', '', { sessionId });
  });

  it('lets go of its blobs when a newer snapshot, or nothing, needs them', async () => {
    const { id: sessionId, directory } = await provisioned();
    const holds = (): Promise<{ digest: string }[]> =>
      sql('select digest from blob_hold where owner_id = $1', [sessionId]);
    const { snapshotId: first } = await sandbox('POST', '/snapshot', { sessionId });
    scramble(directory, new Random(3), 3);
    const { snapshotId: second } = await sandbox('POST', '/snapshot', { sessionId });
    const held = (await holds()).map(({ digest }) => `snapshot:${digest}`);
    expect([held.includes(first as string), held.includes(second as string)]).toEqual([false, true]);
    await alice.delete(`/api/sessions/${sessionId}`);
    while ((await holds()).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  });
});
