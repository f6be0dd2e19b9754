import pg from 'pg';
import { admin, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { moveClock, nowOn } from '../support/clock.js';
import { DEAD, eventually, holder, mintKey, oneSecond, openSession, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

interface EndedRow {
  readonly endReason: string | null;
}

let a: TestServer;
let b: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  a = await startTestServer();
  b = await startOn(a.databaseUrl, a.dataDir);
  alice = await signUp(a, 'alice');
});

afterAll(async () => {
  await b.close();
  await a.close();
});

/** Opens a session on A that both nodes have in memory afterwards. */
async function openOnBoth(owner = alice as Parameters<typeof openSession>[0], body = {}): Promise<string> {
  const sessionId = await openSession(owner, body);
  expect(await uses(a, sessionId)).toBe(200);
  expect(await uses(b, sessionId)).toBe(200);
  return sessionId;
}

async function uses(server: TestServer, sessionId: string): Promise<number> {
  return (await holder(server, sessionId).get('/v1/repos')).status;
}

/** The end of the account's newest session as the database knows it. */
async function newestEnd(): Promise<string | null> {
  const [row] = await sql<EndedRow>(
    a,
    `select end_reason as "endReason" from pinned_session order by created_at desc, id limit 1`,
  );
  return row!.endReason;
}

describe('a pinned session on two nodes', () => {
  it('is accepted by both and refused by both within a second of its close', async () => {
    const sessionId = await openOnBoth();
    await alice.delete(`/v1/session/${sessionId}`);
    expect(await uses(a, sessionId)).toBe(401);
    await oneSecond();
    expect(await holder(b, sessionId).get('/v1/repos')).toMatchObject(DEAD);
    expect((await holder(b, sessionId).get(`/v1/session/${sessionId}/status`)).body.closed).toBe(true);
  });

  it('ends on both within a second of the revocation of its key', async () => {
    const key = await mintKey(alice);
    const [{ key_id: keyId }] = (await alice.get('/api/v1/auth/keys')).body as [{ key_id: string }];
    const sessionId = await openOnBoth(key);
    expect((await alice.delete(`/api/v1/auth/keys/${keyId}`)).status).toBe(204);
    await oneSecond();
    expect(await uses(a, sessionId)).toBe(401);
    expect(await uses(b, sessionId)).toBe(401);
    expect(await newestEnd()).toBe('key_revoked');
    const status = await alice.get(`/v1/session/${sessionId}/status`);
    expect(status.body).toMatchObject({ closed: true });
  });

  it('survives the rotation of its key', async () => {
    const key = await mintKey(alice);
    const [{ key_id: keyId }] = (await alice.get('/api/v1/auth/keys')).body as [{ key_id: string }];
    const sessionId = await openOnBoth(key);
    const rotated = await alice.post(`/api/v1/auth/keys/${keyId}/rotate`, { grace_seconds: 0 });
    expect(rotated.status).toBe(200);
    await oneSecond();
    expect((await key.get('/v1/repos')).status).toBe(401);
    expect(await uses(a, sessionId)).toBe(200);
    expect(await uses(b, sessionId)).toBe(200);
    const successor = await mintKey(alice);
    expect((await successor.get('/v1/repos', { 'x-session-id': sessionId })).status).toBe(200);
  });

  it('ends when its user is deactivated', async () => {
    const carol = await signUp(a);
    const sessionId = await openOnBoth(carol);
    await sql(a, 'update app_user set is_active = false where id = $1', [carol.userId]);
    await sql(a, `insert into revocation (kind, subject_id) values ('user', $1)`, [carol.userId]);
    await oneSecond();
    expect(await uses(b, sessionId)).toBe(401);
    expect(await uses(a, sessionId)).toBe(401);
    expect(await newestEnd()).toBe('user_deactivated');
  });

  it('ends when its account falls to a lower tier, not when it rises', async () => {
    const root = await admin(a);
    const dora = await signUp(a);
    const toTier = async (tier: string): Promise<void> => {
      await root.put(`/api/v1/admin/users/${dora.userId}/tier`, { tier });
      await oneSecond();
    };
    await toTier('starter');
    const sessionId = await openOnBoth(dora, { ttl_seconds: 28_800 });
    await toTier('team');
    expect(await uses(b, sessionId)).toBe(200);
    await toTier('free');
    expect(await uses(b, sessionId)).toBe(401);
    expect(await uses(a, sessionId)).toBe(401);
    await toTier('team');
    expect(await uses(a, sessionId)).toBe(401);
  });

  it('that one node slid is alive on the other', async () => {
    const sessionId = await openOnBoth(alice, { ttl_seconds: 100 });
    moveClock([a, b], 95_000);
    expect(await uses(a, sessionId)).toBe(200);
    await eventually(async () => {
      const [row] = await sql<{ slid: boolean }>(
        a,
        `select max(expires_at) > $1::timestamptz as slid from pinned_session where ttl_seconds = 100`,
        [new Date(nowOn(a) + 90_000)],
      );
      return row!.slid;
    });
    moveClock([a, b], 90_000);
    expect(await uses(b, sessionId)).toBe(200);
    moveClock([a, b], 101_000);
    expect(await uses(a, sessionId)).toBe(401);
    expect(await uses(b, sessionId)).toBe(401);
  });

  it('has its slides written behind the requests, for the other node to see', async () => {
    const sessionId = await openSession(alice, { ttl_seconds: 5 });
    const opened = (await alice.get(`/v1/session/${sessionId}/status`)).body.createdAt as number;
    for (let request = 0; request < 10; request += 1) expect(await uses(a, sessionId)).toBe(200);
    await eventually(async () => {
      // With the key: asking by the session itself would be a use.
      const seenByB = await new Client(b.url, alice.key).get(`/v1/session/${sessionId}/status`);
      return (seenByB.body.lastActivityAt as number) > opened;
    });
  });

  it('is looked up again by a node that cannot follow the revocations', async () => {
    const key = await mintKey(alice);
    const [{ key_id: keyId }] = (await alice.get('/api/v1/auth/keys')).body as [{ key_id: string }];
    const sessionId = await openOnBoth(key);
    await sql(a, 'alter table revocation rename to revocation_hidden');
    try {
      await sql(a, 'update api_key set revoked_at = now() where id = $1', [keyId]);
      await oneSecond();
      // Nobody could announce the end, and it cannot be recorded now either; accepted it may not be.
      expect(await uses(a, sessionId)).not.toBe(200);
      expect(await uses(b, sessionId)).not.toBe(200);
      expect((await key.get('/v1/repos')).status).toBe(401);
    } finally {
      await sql(a, 'alter table revocation_hidden rename to revocation');
    }
    expect(await uses(b, sessionId)).toBe(401);
  });
});

describe('what a pinned session wrote', () => {
  const COMMIT = { branch: 'main', message: 'Add a file', changes: [{ path: 'dir/file.txt', content: 'text\n' }] };
  let blocker: pg.Client;

  beforeAll(async () => {
    blocker = new pg.Client({ connectionString: a.databaseUrl });
    await blocker.connect();
  });

  afterAll(async () => {
    await blocker.end();
  });

  /** Keeps the ref files of a repository behind until the answer is called. */
  async function holdRefFiles(slug: string): Promise<() => Promise<void>> {
    const [repo] = await sql<{ id: string }>(a, 'select id from repo where slug = $1', [slug]);
    const lock = `hashtextextended('ref-projection:' || '${repo!.id}', 0)`;
    await blocker.query(`select pg_advisory_lock(${lock})`);
    return async () => void (await blocker.query(`select pg_advisory_unlock(${lock})`));
  }

  it('counts until the ref files show it, and a flush waits for that', async () => {
    await createRepo(alice, 'counted');
    const sessionId = await openOnBoth();
    const release = await holdRefFiles('counted');
    const session = holder(a, sessionId);
    const commit = await session.post('/v1/repos/counted/commits', COMMIT);
    expect(commit.status).toBe(201);
    const branch = await session.post('/v1/repos/counted/branches', { name: 'side', from: 'main' });
    expect(branch.status).toBe(201);
    expect((await alice.get(`/v1/repos/counted/blob/side/dir/file.txt`)).body.content).toBe('text\n');

    // Blob, two trees and the commit; two refs.
    expect((await session.get(`/v1/session/${sessionId}/status`)).body.objectCount).toBe(6);
    await eventually(async () => {
      const onB = await holder(b, sessionId).get(`/v1/session/${sessionId}/status`);
      return onB.body.objectCount === 6;
    });
    const flush = session.post(`/v1/session/${sessionId}/flush`);
    const isEarly = await Promise.race([flush.then(() => true), oneSecond().then(() => false)]);
    expect(isEarly).toBe(false);
    await release();
    expect(await flush).toMatchObject({ status: 200, body: { flushedObjects: 4, flushedRefs: 2 } });
    const again = await session.post(`/v1/session/${sessionId}/flush`);
    expect(again).toMatchObject({ status: 200, body: { flushedObjects: 0, flushedRefs: 0 } });
    expect((await session.get(`/v1/session/${sessionId}/status`)).body.objectCount).toBe(0);
  });

  it('stops counting by itself once the ref files show it', async () => {
    await createRepo(alice, 'projected');
    const sessionId = await openSession(alice);
    const session = holder(a, sessionId);
    expect((await session.post('/v1/repos/projected/commits', COMMIT)).status).toBe(201);
    await eventually(async () => {
      const { body } = await session.get(`/v1/session/${sessionId}/status`);
      return body.objectCount === 0;
    });
  });

  it('is flushed by the close, which counts it once', async () => {
    await createRepo(alice, 'closing');
    const sessionId = await openSession(alice);
    const release = await holdRefFiles('closing');
    expect((await holder(a, sessionId).post('/v1/repos/closing/commits', COMMIT)).status).toBe(201);
    const close = alice.delete(`/v1/session/${sessionId}`);
    await eventually(async () => (await uses(a, sessionId)) === 401);
    await release();
    expect((await close).body).toEqual({ status: 'closed', flushedObjects: 4, flushedRefs: 1 });
    expect((await alice.delete(`/v1/session/${sessionId}`)).body).toEqual({
      status: 'closed',
      flushedObjects: 0,
      flushedRefs: 0,
    });
  });

  it('is flushed at expiry, which leaves a tombstone for a day', async () => {
    await createRepo(alice, 'expiring');
    const sessionId = await openSession(alice, { ttl_seconds: 20 });
    expect((await holder(a, sessionId).post('/v1/repos/expiring/commits', COMMIT)).status).toBe(201);
    moveClock([a, b], 60_000);
    await eventually(async () => (await newestEnd()) === 'expired');
    await eventually(async () => {
      const [left] = await sql<{ count: string }>(a, 'select count(*) from pinned_session_write');
      return left!.count === '0';
    });
    moveClock([a, b], 24 * 3_600_000);
    expect((await alice.get(`/v1/session/${sessionId}/status`)).body).toMatchObject({ closed: false, objectCount: 0 });
    moveClock([a, b], 2 * 3_600_000);
    await eventually(async () => (await alice.get(`/v1/session/${sessionId}/status`)).status === 404);
  });
});
