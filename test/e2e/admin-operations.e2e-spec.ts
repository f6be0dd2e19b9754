import { createHash, randomUUID } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { getQueueToken } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { Database } from '../../libs/platform/src/index.js';
import { ADMIN_USERS, auditOf } from '../support/administration.js';
import { admin, type Answer, type Client, createRepo, signUp } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const LOG = '/api/v1/admin/audit-log';
const JOBS = '/api/v1/admin/jobs';

let server: TestServer;
let db: Database;
let root: Client;

beforeAll(async () => {
  server = await startTestServer();
  db = server.app.get(Database);
  root = await admin(server);
});

afterAll(async () => {
  await server.close();
});

it.each([
  ['GET', LOG],
  ['GET', `${LOG}/export`],
  ['GET', JOBS],
  ['GET', `${JOBS}/failed`],
  ['POST', `${JOBS}/repos.maintain/1/retry`],
  ['GET', '/api/v1/admin/maintenance'],
  ['GET', '/api/v1/admin/stats'],
])('%s %s is for administrators alone', async (method, path) => {
  const ada = await signUp(server);
  expect(await ada.send(method, path)).toMatchObject({
    status: 403,
    body: { error: { message: 'Admin access required' } },
  });
});

describe('the audit log', () => {
  it('shows the newest first, in the shape of the contract', async () => {
    const ada = await signUp(server);
    await root.put(`${ADMIN_USERS}/${ada.userId}/verify`);
    const me = (await root.get('/api/v1/auth/me')).body.user_id as string;
    const answer = await root.get(`${LOG}?page_size=1`);
    expect(answer.body).toEqual({
      total: expect.any(Number),
      page: 1,
      page_size: 1,
      actions: [
        {
          id: expect.stringMatching(/^\d+$/),
          admin_id: me,
          action: 'verify',
          target_type: 'user',
          target_id: ada.userId,
          details: {},
          created_at: expect.stringMatching(/Z$/),
          actor_kind: 'user_key',
          actor_key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          account_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          address: '127.0.0.1',
          request_id: expect.stringMatching(/^[0-9a-f]{8}$/),
        },
      ],
      next_cursor: expect.any(String),
    });
  });

  it('is filtered by action, actor, subject, account and time, all at once', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    await createRepo(ada, 'one');
    await createRepo(ada, 'two');
    await createRepo(bob, 'three');
    const [row] = await db.query<{ at: Date; subjectId: string; accountId: string }>(
      `select at, subject_id as "subjectId", account_id as "accountId" from audit
        where action = 'repo.create' and actor_user_id = $1 order by id limit 1`,
      [ada.userId],
    );
    const count = async (query: string): Promise<number> => {
      const answer = await root.get(`${LOG}?${query}`);
      expect(answer.status).toBe(200);
      expect(answer.body.actions).toHaveLength(answer.body.total as number);
      return answer.body.total as number;
    };
    expect(await count(`action=repo.create&actor=${ada.userId}`)).toBe(2);
    expect(await count(`action=repo.create&actor=${ada.keyId}`)).toBe(2);
    expect(await count(`action=repo.create&account=${bob.slug}`)).toBe(1);
    expect(await count(`action=repo.create&account=${row?.accountId}`)).toBe(2);
    expect(await count(`action=repo.create&subject=${row?.subjectId}&subject_type=repo`)).toBe(1);
    expect(await count(`action=repo.create&account=nobody-is-called-so`)).toBe(0);
    const later = new Date(row!.at.getTime() + 1).toISOString();
    expect(await count(`action=repo.create&actor=${ada.userId}&from=${later}`)).toBe(1);
    expect(await count(`action=repo.create&actor=${ada.userId}&to=${later}`)).toBe(1);
    expect(await count(`action=repo.create&actor=${ada.userId}&from=2000-01-01&to=2000-01-02`)).toBe(0);
    expect(await count('account=platform&action=repo.create')).toBe(0);
  });

  it('shows refusals', async () => {
    const ada = await signUp(server);
    await ada.get(ADMIN_USERS);
    const answer = await root.get(`${LOG}?action=access.denied&actor=${ada.userId}`);
    expect(answer.body.actions).toMatchObject([{ target_type: 'route', target_id: `GET ${ADMIN_USERS}` }]);
  });

  it('pages by cursor through every row once', async () => {
    const ada = await signUp(server);
    for (let index = 0; index < 5; index += 1) await createRepo(ada, `page-${index}`);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Answer = await root.get(`${LOG}?actor=${ada.userId}&page_size=2&cursor=${cursor}`);
      seen.push(...page.body.actions.map((action: { id: string }) => action.id));
      cursor = page.body.next_cursor;
    }
    const rows = await db.query<{ id: string }>(
      'select id::text from audit where actor_user_id = $1 order by audit.id desc',
      [ada.userId],
    );
    expect(seen).toEqual(rows.map(({ id }) => id));
  });

  it.each([
    'actor=nobody',
    'actor=%00',
    'action=%00',
    `action=${'x'.repeat(101)}`,
    'action=a&action=b',
    `subject=${'x'.repeat(501)}`,
    'from=yesterday',
    'from=2024-99-99',
    'to=%2B275760-09-13T00:00:00Z',
  ])('refuses ?%.50s with 422, in the export too', async (query) => {
    for (const path of [LOG, `${LOG}/export`]) {
      expect(await root.get(`${path}?${query}`)).toMatchObject({ status: 422, body: { error: { code: '422' } } });
    }
  });

  it.each(['page=0', 'page_size=201', 'cursor=x'])('is not paged by ?%s', async (query) => {
    expect((await root.get(`${LOG}?${query}`)).status).toBe(422);
  });

  it('is exported with what it takes to check every seal, and the export is in it', async () => {
    const ada = await signUp(server);
    for (let index = 0; index < 3; index += 1) await createRepo(ada, `export-${index}`);
    while ((await root.get('/api/v1/admin/maintenance')).body.audit.unsealed > 0) await setTimeout(50);
    const answer = await root.get(`${LOG}/export?account=${ada.slug}`);
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (answer.body as string)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const inOrder = lines.sort((a, b) => Number(a.seal.seq) - Number(b.seal.seq));
    expect(inOrder.map(({ action }) => action)).toEqual([
      ...['user.create', 'key.create', 'repo.create', 'repo.create', 'repo.create'],
    ]);
    let hash = createHash('sha256').update(`roundhouse-audit-1\n${inOrder[0].seal.chain}`).digest();
    for (const { seal, id } of inOrder) {
      hash = createHash('sha256').update(hash).update(JSON.stringify(seal.entry)).digest();
      expect(seal.hash).toBe(hash.toString('hex'));
      expect(seal.entry[0]).toBe(id);
    }
    const [exported] = await db.query('select facts from audit where action = $1', ['audit_export']);
    expect(exported).toMatchObject({ facts: { account: ada.slug } });
  });

  it('is exported in pieces, which a client may stop taking', async () => {
    await db.query(
      `insert into audit (actor_kind, action, subject_kind, subject_id, facts)
       select 'system', 'bulk', 'thing', n::text, jsonb_build_object('text', repeat('x', 1000)) from generate_series(1, 3000) n`,
    );
    const whole = await root.get(`${LOG}/export?action=bulk`);
    expect((whole.body as string).split('\n')).toHaveLength(3_001);
    const started = await fetch(`${server.url}${LOG}/export`, { headers: { 'x-api-key': root.key! } });
    const reader = started.body!.getReader();
    await reader.read();
    await reader.cancel();
    expect((await root.get(LOG)).status).toBe(200);
  });
});

describe('jobs', () => {
  const queueOf = (name: string): Queue => server.app.get<Queue>(getQueueToken(name), { strict: false });

  it('are listed by queue and state, repeating ones with their rounds', async () => {
    const { status, body } = await root.get(JOBS);
    expect(status).toBe(200);
    const names = body.queues.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['platform.periodic', 'repos.maintain']));
    const periodic = body.queues.find(({ name }: { name: string }) => name === 'platform.periodic');
    expect(periodic.counts).toMatchObject({ waiting: expect.any(Number), failed: expect.any(Number) });
    for (const name of ['blobs.sweep', 'repos.sweep', 'idempotency.sweep', 'entitlements.expire']) {
      expect(periodic.schedules).toContainEqual({
        name,
        last_at: expect.stringMatching(/Z$/),
        next_at: expect.stringMatching(/Z$/),
      });
    }
  });

  it('that failed are shown and tried again, with an audit row', async () => {
    const queue = queueOf('repos.maintain');
    await createRepo(await signUp(server), 'lost');
    const [repo] = await db.query<{ id: string; storage: string }>(
      `select id, storage_id as storage from repo where slug = 'lost'`,
    );
    const storage = repo!.storage;
    const folder = join(server.dataDir, 'repos', storage.slice(0, 2), storage.slice(2, 4), `${storage}.git`);
    await rename(folder, `${folder}.away`);
    const data = { repoId: repo!.id };
    const job = await queue.add('repos.maintain', data, { attempts: 1 });
    const failures = async (): Promise<Answer['body']> => (await root.get(`${JOBS}/failed?queue=repos.maintain`)).body;
    while ((await failures()).total === 0) await setTimeout(50);
    expect(await failures()).toMatchObject({
      total: 1,
      page: 1,
      page_size: 50,
      jobs: [{ queue: 'repos.maintain', id: job.id, data, attempts: 1 }],
    });
    expect((await root.get(`${JOBS}/failed`)).body.jobs).toHaveLength(1);
    const retried = await root.post(`${JOBS}/repos.maintain/${job.id}/retry`);
    expect(retried).toMatchObject({ status: 200, body: { queue: 'repos.maintain', id: job.id, status: 'retrying' } });
    expect(await auditOf(db, 'retry_job', `repos.maintain/${job.id}`)).toHaveLength(1);
    while ((await failures()).jobs[0]?.attempts !== 2) await setTimeout(50);
    await rename(`${folder}.away`, folder);
    await root.post(`${JOBS}/repos.maintain/${job.id}/retry`);
    while ((await failures()).total > 0 || (await job.getState()) === 'active') await setTimeout(50);
  });

  it('that have not failed are not tried again', async () => {
    const job = await queueOf('repos.maintain').add('repos.maintain', { repoId: 'none' }, { delay: 3_600_000 });
    expect((await root.post(`${JOBS}/repos.maintain/${job.id}/retry`)).status).toBe(409);
  });

  it.each([
    `${JOBS}/unknown/1/retry`,
    `${JOBS}/repos.maintain/unknown/retry`,
    `${JOBS}/repos.maintain/${'x'.repeat(10_000)}/retry`,
    `${JOBS}/repos.maintain/%F0%9F%92%A9/retry`,
    `${JOBS}/__proto__/constructor/retry`,
    `${JOBS}/${randomUUID()}/${randomUUID()}/retry`,
  ])('are unknown at %.70s', async (path) => {
    expect(await root.post(path)).toMatchObject({ status: 404, body: { error: { code: '404' } } });
  });

  it('of an unknown queue cannot have failed', async () => {
    expect((await root.get(`${JOBS}/failed?queue=unknown`)).status).toBe(404);
    expect((await root.get(`${JOBS}/failed?cursor=x`)).status).toBe(422);
  });
});

it('what is behind is told part by part', async () => {
  const { status, body } = await root.get('/api/v1/admin/maintenance');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    audit: { sealed: expect.any(Number), unsealed: expect.any(Number) },
    mail: { waiting: expect.any(Number), failed: expect.any(Number) },
    repositories: { waiting_for_repack: expect.any(Number), refs_not_on_disk: expect.any(Number) },
  });
});

it('the statistics count users, tiers and bytes', async () => {
  const before = (await root.get('/api/v1/admin/stats')).body;
  const ada = await signUp(server);
  await root.put(`${ADMIN_USERS}/${ada.userId}/tier`, { tier: 'team' });
  const after = (await root.get('/api/v1/admin/stats')).body;
  expect(after.users.total).toBe(before.users.total + 1);
  expect(after.users.by_tier).toMatchObject({ admin: 1, team: 1 });
  expect(after).toMatchObject({
    users: { verified: expect.any(Number) },
    sessions: { total: 0, total_size_bytes: 0, by_tool: {} },
    handoffs: { total: 0, pending: 0, claimed: 0 },
    storage: { total_bytes: expect.any(Number), blob_count: expect.any(Number) },
  });
});
