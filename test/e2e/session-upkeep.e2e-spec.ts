import { randomUUID } from 'node:crypto';
import { Database, PeriodicTasks, StoredBytes } from '#platform';
import { auditOf } from '../support/administration.js';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { admin, type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock, nowOn } from '../support/clock.js';
import { startTestServer, type TestServer } from '../support/server.js';

const DAY_MS = 86_400_000;
const PURGE = '/api/v1/admin/purge-deleted';
const SESSIONS = '/api/v1/admin/sessions';

let server: TestServer;
let db: Database;
let root: Client;
let ann: TestAccount;
let bo: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ SESSION_VERSIONS_KEPT: '3', SESSION_VERSION_DAYS: '10', SESSION_BRANCH_DAYS: '60' });
  db = server.app.get(Database);
  root = await admin(server);
  ann = await signUp(server);
  bo = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

const runTask = (name: string): Promise<unknown> => server.app.get(PeriodicTasks).runNow(name);

/** Pushes a session with as many versions as texts; each knows the one before unless `isBlind`. */
async function pushed(owner: Client, texts: readonly string[], id = newSessionId(), isBlind = false): Promise<string> {
  let etag: string | undefined;
  for (const text of texts) {
    const sync = etag === undefined || isBlind ? {} : { sync: { etag } };
    const answer = await pushSession(owner, id, await sessionArchive({ title: text, ...sync }, [userSays(text)]));
    expect([200, 201]).toContain(answer.status);
    etag = answer.body.etag as string;
  }
  return id;
}

async function trashed(owner: Client, ...texts: string[]): Promise<string> {
  const id = await pushed(owner, texts);
  expect((await owner.send('DELETE', `/api/v1/sessions/${id}?scope=cloud`)).status).toBe(200);
  return id;
}

const uidOf = async (id: string, owner: TestAccount): Promise<string> =>
  (
    await db.query<{ uid: string }>('select uid from captured_session where id = $1 and user_id = $2', [
      id,
      owner.userId,
    ])
  )[0]!.uid;
const accountOf = async (owner: TestAccount): Promise<string> =>
  (await db.query<{ id: string }>('select account_id as id from app_user where id = $1', [owner.userId]))[0]!.id;
const storedBy = async (owner: TestAccount): Promise<number> =>
  server.app.get(StoredBytes).usedBy(await accountOf(owner));
const holds = async (): Promise<number> =>
  (await db.query<{ n: number }>('select count(*)::integer as n from blob_hold'))[0]!.n;

describe('a session whose time in the trash is up', () => {
  it('is purged with its versions, blobs and quota, and leaves an event and an audit row', async () => {
    const [storedBefore, holdsBefore] = [await storedBy(ann), await holds()];
    const id = await trashed(ann, 'one', 'two', 'three');
    const uid = await uidOf(id, ann);
    const stored = await storedBy(ann);
    expect(stored).toBeGreaterThan(storedBefore);
    await runTask('sessions.purge');
    expect((await ann.post(`/api/v1/sessions/${id}/restore`)).status).toBe(200);
    await ann.send('DELETE', `/api/v1/sessions/${id}?scope=cloud`);
    moveClock([server], 30 * DAY_MS + 1_000);
    await runTask('sessions.purge');
    expect((await ann.post(`/api/v1/sessions/${id}/restore`)).status).toBe(410);
    expect(await db.query('select from session_version where session_uid = $1', [uid])).toEqual([]);
    expect([await storedBy(ann), await holds()]).toEqual([storedBefore, holdsBefore]);
    const [event] = await db.query<{ payload: object }>(
      `select payload from event where type = 'session.purged' and subject_id = $1`,
      [uid],
    );
    const facts = { session_id: id, user_id: ann.userId, bytes: stored - storedBefore };
    expect(event).toEqual({ payload: facts });
    expect(await auditOf(db, 'purge_deleted', uid)).toMatchObject([{ actor_kind: 'system', facts }]);
    expect(await pushed(ann, ['again'], id)).toBe(id);
  });

  it('goes although another one cannot, which is reported', async () => {
    const [stuck, due] = [await trashed(bo, 'stuck'), await trashed(bo, 'due')];
    await db.query('create table guard (uid uuid references captured_session (uid))');
    await db.query('insert into guard values ($1)', [await uidOf(stuck, bo)]);
    const fresh = await trashed(ann, 'fresh');
    await db.query(`update captured_session set purge_after = purge_after - interval '31 days' where id = any($1)`, [
      [stuck, due],
    ]);
    await expect(runTask('sessions.purge')).rejects.toThrow('1 sessions could not be purged');
    expect((await bo.post(`/api/v1/sessions/${due}/restore`)).status).toBe(410);
    expect((await root.post(PURGE)).body).toEqual({ purged: 0, bytes_reclaimed: 0, failed: 1 });
    expect((await bo.post(`/api/v1/sessions/${stuck}/restore`)).status).toBe(200);
    expect((await ann.post(`/api/v1/sessions/${fresh}/restore`)).status).toBe(200);
    await db.query('drop table guard');
  });

  it('survives being restored at the same moment, or is gone: never half of it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await trashed(ann, `race ${round}`);
      const uid = await uidOf(id, ann);
      await db.query(`update captured_session set purge_after = now() - interval '1 hour' where uid = $1`, [uid]);
      const [restored] = await Promise.all([ann.post(`/api/v1/sessions/${id}/restore`), runTask('sessions.purge')]);
      const pulled = await ann.get(`/api/v1/sessions/${id}/messages`);
      expect([restored.status, pulled.status]).toEqual(restored.status === 200 ? [200, 200] : [410, 404]);
    }
  });
});

describe('administrators', () => {
  it('purge one deleted session, due or not, and are told what came of it', async () => {
    const id = await trashed(ann, 'now');
    const { status, body } = await root.post(PURGE, { session_id: id });
    expect({ status, body }).toEqual({
      status: 200,
      body: { purged: 1, bytes_reclaimed: expect.any(Number), failed: 0 },
    });
    expect(body.bytes_reclaimed).toBeGreaterThan(0);
    expect((await root.post(PURGE, { session_id: id })).status).toBe(404);
    const [row] = await db.query(
      `select actor_user_id as "by" from audit where action = 'purge_deleted' order by audit.id desc limit 1`,
    );
    expect(row).toEqual({ by: (await root.get('/api/v1/auth/me')).body.user_id });
  });

  it('must say whose, when two have deleted a session of one id', async () => {
    const id = await trashed(ann, 'mine');
    await pushed(bo, ['his'], id);
    await bo.send('DELETE', `/api/v1/sessions/${id}?scope=cloud`);
    const refused = await root.post(PURGE, { session_id: id });
    expect(refused.status).toBe(409);
    expect([...refused.body.error.details.user_ids].sort()).toEqual([ann.userId, bo.userId].sort());
    expect((await root.post(PURGE, { session_id: id, user_id: bo.userId })).status).toBe(200);
    expect((await bo.post(`/api/v1/sessions/${id}/restore`)).status).toBe(410);
    expect((await ann.post(`/api/v1/sessions/${id}/restore`)).status).toBe(200);
    expect((await root.post(PURGE, { session_id: id })).status).toBe(404);
  });

  it.each([
    [{ session_id: 'x'.repeat(51) }, 400],
    [{ session_id: 'ses_\0bad' }, 404],
    [{ session_id: '' }, 404],
    [{ session_id: 7 }, 422],
    [{ session_id: newSessionId(), user_id: 'me' }, 422],
    [{ session_id: newSessionId(), user_id: randomUUID() }, 404],
  ])('are refused a purge of %j with %i', async (body, status) => {
    expect((await root.post(PURGE, body)).status).toBe(status);
  });

  it('list, filter, sort, search and page everybody’s sessions, which is audited', async () => {
    const cy = await signUp(server);
    const ids = [await pushed(cy, ['Apples']), await pushed(cy, ['Pears %_']), await pushed(cy, ['Plums'])];
    const list = async (query: string): Promise<Answer> => root.get(`${SESSIONS}?user_id=${cy.userId}&${query}`);
    const { status, body } = await list('page_size=1');
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        total: 3,
        page: 1,
        page_size: 1,
        sessions: [
          {
            id: ids[2],
            user_id: cy.userId,
            account_id: await accountOf(cy),
            title: 'Plums',
            source_tool: 'codex',
            message_count: expect.any(Number),
            blob_size_bytes: expect.any(Number),
            created_at: expect.stringMatching(/Z$/),
            deleted_at: null,
            purge_after: null,
          },
        ],
        next_cursor: expect.any(String),
      },
    });
    for (const sort of ['created_at', 'message_count', 'blob_size', 'nonsense']) {
      const seen: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Answer = await list(`page_size=2&sort=${sort}&cursor=${cursor}`);
        seen.push(...page.body.sessions.map(({ id }: { id: string }) => id));
        cursor = page.body.next_cursor;
      }
      expect(seen.sort()).toEqual([...ids].sort());
    }
    const found = async (query: string): Promise<string[]> =>
      (await list(query)).body.sessions.map(({ id }: { id: string }) => id);
    expect(await found('search=pears')).toEqual([ids[1]]);
    expect(await found('search=%25_')).toEqual([ids[1]]);
    expect(await found(`search=${ids[0]}`)).toEqual([ids[0]]);
    expect(await found('source_tool=gemini')).toEqual([]);
    expect(await found('deleted=true')).toEqual([]);
    expect((await auditOf(db, 'admin_read', cy.userId)).length).toBeGreaterThan(5);
  });

  it('move anybody’s session to the trash of its owner', async () => {
    const id = await pushed(ann, ['Unwanted']);
    const uid = await uidOf(id, ann);
    expect((await root.send('DELETE', `${SESSIONS}/${id}`)).status).toBe(204);
    expect((await root.send('DELETE', `${SESSIONS}/${id}`)).status).toBe(404);
    expect((await ann.get(`/api/v1/sessions/${id}`)).status).toBe(404);
    expect(await auditOf(db, 'delete_session', uid)).toHaveLength(1);
    expect((await ann.post(`/api/v1/sessions/${id}/restore`)).body).toMatchObject({
      is_deleted: false,
      title: 'Unwanted',
    });
    await pushed(bo, ['Same id'], id);
    expect((await root.send('DELETE', `${SESSIONS}/${id}`)).status).toBe(409);
    expect((await root.send('DELETE', `${SESSIONS}/${id}?user_id=${bo.userId}`)).status).toBe(204);
    expect((await ann.get(`/api/v1/sessions/${id}`)).status).toBe(200);
  });

  it.each([`${SESSIONS}?user_id=me`, `${SESSIONS}?page=0`, `${SESSIONS}?cursor=x`, `${SESSIONS}?search=%00`])(
    'are refused %s with 422',
    async (path) => {
      expect((await root.get(path)).status).toBe(422);
    },
  );

  it.each(['x'.repeat(10_000), '%F0%9F%92%A9', 'ses_unknown1', '__proto__'])('know no session %.20s', async (id) => {
    expect((await root.send('DELETE', `${SESSIONS}/${id}`)).status).toBe(404);
  });

  it.each([
    ['POST', PURGE],
    ['GET', SESSIONS],
    ['DELETE', `${SESSIONS}/ses_00000000`],
  ])('alone may %s %s', async (method, path) => {
    expect((await ann.send(method, path)).status).toBe(403);
  });

  it('are the only ones who clean up: no route lets anybody delete what others left', async () => {
    expect((await ann.post('/api/v1/sessions/admin/cleanup')).status).toBe(404);
  });
});

describe('versions', () => {
  const etags = async (id: string): Promise<string[]> =>
    (await ann.get(`/api/v1/sessions/${id}/versions`)).body.versions.map(({ etag }: { etag: string }) => etag);
  /** Makes the versions of a session, newest first, as old as said. */
  const age = async (id: string, days: readonly number[]): Promise<void> => {
    const now = nowOn(server);
    await db.query(
      `update session_version v set created_at = $2::timestamptz - make_interval(secs => ($3::float8[])[r.place] * 86400)
         from (select id, row_number() over (order by id desc) as place from session_version where session_uid = $1) r
        where r.id = v.id`,
      [await uidOf(id, ann), new Date(Math.floor(now / DAY_MS) * DAY_MS + DAY_MS / 2), days],
    );
  };

  it('are thinned out to the newest, then one a day for a while; their blobs and bytes are given back', async () => {
    const id = await pushed(ann, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    await age(id, [0, 20, 20, 3, 3.1, 5, 12, 20]);
    const [all, stored] = [await etags(id), await storedBy(ann)];
    await runTask('sessions.prune');
    expect(await etags(id)).toEqual([all[0], all[1], all[2], all[3], all[5]]);
    const removed = [all[4]!, all[6]!, all[7]!];
    expect(await db.query('select from blob_hold where digest = any($1)', [removed])).toEqual([]);
    for (const etag of removed) expect((await ann.get(`/api/v1/sessions/${id}/sync?etag=${etag}`)).status).toBe(404);
    const [row] = await auditOf(db, 'session.prune', await uidOf(id, ann));
    expect(row).toMatchObject({ actor_kind: 'system', facts: { versions: 3, bytes: expect.any(Number) } });
    expect(await storedBy(ann)).toBe(stored - (row as { facts: { bytes: number } }).facts.bytes);
    await runTask('sessions.prune');
    expect(await etags(id)).toHaveLength(5);
    expect((await ann.send('DELETE', `/api/v1/sessions/${id}?scope=cloud`)).status).toBe(200);
    const before = await storedBy(ann);
    const { body } = await root.post(PURGE, { session_id: id });
    expect(await storedBy(ann)).toBe(before - (body.bytes_reclaimed as number));
  });

  it('that a push overwrote unseen stay longer', async () => {
    const id = await pushed(ann, ['a', 'b', 'c', 'd', 'e', 'f'], newSessionId(), true);
    await age(id, [0, 1, 2, 50, 50, 61]);
    const all = await etags(id);
    await runTask('sessions.prune');
    expect(await etags(id)).toEqual(all.slice(0, 5));
  });
});

describe('telemetry', () => {
  const body = { install_id: 'i', version: '1', os: 'linux' };
  const send = (more: object): Promise<Answer> =>
    new Client(server.url, null).post('/api/v1/telemetry', { ...body, ...more });

  it('is taken from anybody, and thrown away', async () => {
    expect(await send({ features_used: ['push'], errors_24h: 0, unknown: 1 })).toMatchObject({
      status: 200,
      body: { status: 'ok' },
    });
  });

  it.each([
    [{ os: 'ann@example.com' }, 400],
    [{ tools_active: ['10.0.0.7'] }, 400],
    [{ os: 'x'.repeat(101) }, 422],
    [{ version: null }, 422],
    [{ features_used: Array(51).fill('x') }, 422],
    [{ errors_24h: 'many' }, 422],
  ])('of %.60j is refused with %i', async (more, status) => {
    expect((await send(more)).status).toBe(status);
  });
});
