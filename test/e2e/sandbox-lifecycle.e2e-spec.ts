import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database, PeriodicTasks } from '../../libs/platform/src/index.js';
import { SandboxLifecycle } from '../../libs/sandboxes/src/index.js';
import { runIn } from '../support/checkouts.js';
import { type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const MINUTE = 60_000;

let peer: LlmPeer;
let server: TestServer;
let alice: TestAccount;
let workspace: string;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer(modelSettings(peer));
  alice = await signUp(server);
  const { body } = await alice.post('/v1/sessions');
  const [row] = await sql<{ account: string }>('select account_id as account from sandbox where id = $1', [body.id]);
  workspace = join(server.dataDir, 'workspaces', row!.account);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

const reconcile = (): Promise<unknown> => server.app.get(PeriodicTasks).runNow('sandboxes.reconcile');
const lifecycle = (): SandboxLifecycle => server.app.get(SandboxLifecycle);
const sql = <Row>(text: string, values: unknown[] = []): Promise<Row[]> =>
  server.app.get(Database).query<Row>(text, values);
const directoryOf = (id: string): string => join(workspace, '.sessions', id);

interface Session {
  readonly id: string;
  readonly lifecycleState: string | null;
  readonly lifecycleVersion: number;
  readonly lifecycleError: string | null;
  readonly sandboxState: object;
  readonly lifecycleRunId: string | null;
  readonly hibernateAfter: string | null;
  readonly sandboxExpiresAt: string | null;
}

async function sessionOf(id: string, client: Client = alice): Promise<Session> {
  return ((await client.get(`/api/sessions/${id}`)).body as { session: Session }).session;
}

/** A session with a directory, as if it had been provisioned. */
async function provisioned(state: string | null = 'active', lease: 'alive' | 'dead' | null = null): Promise<string> {
  const { session } = (await alice.post('/api/sessions')).body as { session: Session };
  await mkdir(directoryOf(session.id), { recursive: true });
  await writeFile(join(directoryOf(session.id), 'kept'), 'x');
  await sql(
    `with moved as (
       update sandbox set state = $2, lease_id = case when $3 <> 0 then 'lifecycle:0:test' end,
         lease_expires_at = case when $3 <> 0 then now() + make_interval(secs => $3) end where id = $1)
     update coding_session set provider_state = '{"type":"vercel","sandboxName":"x"}',
       hibernate_after = now() + interval '30 min', expires_at = now() + interval '5 h' where sandbox_id = $1`,
    [session.id, state, lease === null ? 0 : lease === 'alive' ? 3_600 : -1],
  );
  return session.id;
}

describe('the end of a sandbox', () => {
  it('comes to an agent session by itself, and its row goes', async () => {
    const { id } = (await alice.post('/v1/sessions', { ttl: 60 })).body as { id: string };
    await sql(`update agent_session set ends_at = now() - interval '1 s' where sandbox_id = $1`, [id]);
    await reconcile();
    expect(await sql('select id from sandbox where id = $1', [id])).toEqual([]);
    const events = await sql<{ payload: unknown }>(`select payload from event where subject_id = $1 order by id`, [id]);
    expect(events.at(-1)).toMatchObject({ payload: { reason: 'expired' } });
  });

  it('leaves its directory for the time of the retention, whoever deleted it', async () => {
    const id = await provisioned();
    expect(await alice.delete(`/api/sessions/${id}`)).toMatchObject({ status: 200 });
    await eventually(async () => (await sql('select id from sandbox where id = $1', [id])).length === 0);
    await reconcile();
    expect(await readFile(join(directoryOf(id), 'kept'), 'utf8')).toBe('x');
    const due = (): Promise<unknown> =>
      sql(`update sandbox_remains set remove_after = now() - interval '1 s' where sandbox_id = $1`, [id]);
    const directory = directoryOf(id);
    await due();
    await reconcile();
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    // As a clone does that was under way when its sandbox was destroyed.
    await mkdir(directory);
    await due();
    await reconcile();
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await sql('select sandbox_id from sandbox_remains where sandbox_id = $1', [id])).toEqual([]);
  });

  it('does not wait for a use that never ends by itself: the use is asked to', async () => {
    const id = await provisioned();
    const use = await lifecycle().use({ id });
    use.signal.addEventListener('abort', () => use.release());
    await alice.delete(`/api/sessions/${id}`);
    await eventually(async () => (await sql('select id from sandbox where id = $1', [id])).length === 0);
    expect(use.signal.aborted).toBe(true);
    await expect(lifecycle().use({ id })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what a crash left', () => {
  it.each([
    ['provisioning', 'failed', 'Provisioning was interrupted; try again'],
    ['hibernating', 'hibernated', null],
    ['restoring', 'hibernated', null],
    ['active', 'active', null],
  ])('in %s is %s once its lease is over, and not before', async (state, settled, error) => {
    const abandoned = await provisioned(state, 'dead');
    const held = await provisioned(state, 'alive');
    await reconcile();
    expect(await sessionOf(abandoned)).toMatchObject({
      lifecycleState: settled,
      lifecycleError: error,
      lifecycleRunId: null,
      lifecycleVersion: 2,
    });
    expect(await sessionOf(held)).toMatchObject({ lifecycleState: state, lifecycleVersion: 0 });
  });

  it('of an archived sandbox that was still being stopped no longer stands in the way', async () => {
    const id = await provisioned('archived');
    await sql('update coding_session set is_stopping = true where sandbox_id = $1', [id]);
    await sql(`update coding_session set status = 'archived' where sandbox_id = $1`, [id]);
    expect(await alice.patch(`/api/sessions/${id}`, { status: 'running' })).toMatchObject({ status: 409 });
    await reconcile();
    expect(await alice.patch(`/api/sessions/${id}`, { status: 'running' })).toMatchObject({ status: 200 });
  });
});

describe('a workspace', () => {
  it('is cleared of what crashes left, once nobody can be at it any more', async () => {
    const own = join(workspace, '.sessions');
    const old = new Date(Date.now() - 25 * 60 * MINUTE);
    const [stale, fresh, built, moved] = [
      '.uploads/stale',
      '.uploads/fresh',
      '.staging/x.0123456789abcdef',
      '.staging/x.old',
    ];
    for (const name of [stale, fresh, built, moved]) {
      await mkdir(join(own, name!), { recursive: true });
      if (name !== fresh) await utimes(join(own, name!), old, old);
    }
    await server.app.get(PeriodicTasks).runNow('sandboxes.sweep');
    expect(await readdir(join(own, '.uploads'))).toEqual(['fresh']);
    expect(await readdir(join(own, '.staging'))).toEqual(['x.old']);
    await rm(join(own, moved!), { recursive: true });
  });
});

describe('a sandbox that is not used', () => {
  it('hibernates when its time is over, and wakes up for whoever uses it', async () => {
    const [idle, used] = [await provisioned(), await provisioned()];
    const use = await lifecycle().use({ id: used });
    moveClock([server], 31 * MINUTE);
    await reconcile();
    moveClock([server], -31 * MINUTE);
    expect(await sessionOf(used)).toMatchObject({ lifecycleState: 'active' });
    use.release();
    const asleep = await sessionOf(idle);
    expect(asleep).toMatchObject({ lifecycleState: 'hibernated', hibernateAfter: null, lifecycleVersion: 2 });
    const place = await lifecycle().ensureActive({ id: idle });
    expect(place.scope.ownDirectory).toEqual(['.sessions', idle]);
    expect(await sessionOf(idle)).toMatchObject({ lifecycleState: 'active', lifecycleVersion: 4 });
    expect(await readFile(join(directoryOf(idle), 'kept'), 'utf8')).toBe('x');
  });

  it('is up for whoever began to use it while it was falling asleep', async () => {
    const id = await provisioned();
    for (let round = 0; round < 12; round += 1) {
      await sql(`update coding_session set hibernate_after = now() - interval '1 s' where sandbox_id = $1`, [id]);
      const asleep = reconcile();
      await new Promise((resolve) => setTimeout(resolve, round));
      const use = await lifecycle().use({ id });
      await asleep;
      expect([round, use.signal.aborted, (await sessionOf(id)).lifecycleState]).toEqual([round, false, 'active']);
      use.release();
    }
  });

  it('has no answer begun in it that would outlive its way into the archive', async () => {
    const id = await provisioned();
    const { body } = await alice.get(`/api/sessions/${id}/chats`);
    const db = server.app.get(Database);
    const waiting = (): Promise<unknown[]> =>
      db.detached(() =>
        sql(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`),
      );
    // So that it is not noted once more when the answer is asked for.
    await lifecycle().touch({ id });
    const messages = [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'Go' }] }];
    const both = await db.transaction(async () => {
      await sql('select from sandbox where id = $1 for update', [id]);
      const first = alice.patch(`/api/sessions/${id}`, { status: 'archived' });
      await eventually(async () => (await waiting()).length >= 1);
      const second = alice.post('/api/chat', { sessionId: id, chatId: body.chats[0].id as string, messages });
      await eventually(async () => (await waiting()).length >= 2);
      return [first, second];
    });
    const [archived, asked] = await Promise.all(both);
    expect([archived!.status, asked!.status, asked!.body.code]).toEqual([200, 409, 'session_archived']);
    expect(peer.calls).toEqual([]);
  });

  it('is woken up once by many at the same time', async () => {
    const id = await provisioned('hibernated');
    await Promise.all(Array.from({ length: 10 }, () => lifecycle().ensureActive({ id })));
    expect(await sessionOf(id)).toMatchObject({ lifecycleState: 'active', lifecycleVersion: 2 });
  });

  it.each([
    ['provisioning', 'bad_request'],
    ['archived', 'conflict'],
  ])('is not opened while %s', async (state, code) => {
    const { session } = (await alice.post('/api/sessions')).body as { session: Session };
    await sql('update sandbox set state = $2 where id = $1', [session.id, state]);
    await expect(lifecycle().ensureActive(session)).rejects.toMatchObject({ code });
  });
});

describe('what clients do to a sandbox', () => {
  const sandbox = (method: string, verb: string, body: object): Promise<Answer> =>
    alice.send(method, `/api/sandbox${verb}`, body as never);

  it('see it as it is: never running, running, paused and running again', async () => {
    const { session } = (await alice.post('/api/sessions')).body as { session: Session };
    const id = session.id;
    const states = async (): Promise<unknown[]> => [
      (await alice.get(`/api/sandbox/status?sessionId=${id}`)).body.status,
      (await alice.get(`/api/sandbox/reconnect?sessionId=${id}`)).body.status,
    ];
    expect(await states()).toEqual(['no_sandbox', 'no_sandbox']);
    await alice.post('/api/sandbox', { sessionId: id });
    expect(await states()).toEqual(['active', 'connected']);
    expect(await sandbox('POST', '/snapshot', { sessionId: id })).toMatchObject({
      status: 200,
      body: { createdAt: expect.any(Number) as number },
    });
    expect(await states()).toEqual(['no_sandbox', 'expired']);
    const { body } = await alice.get(`/api/sandbox/status?sessionId=${id}`);
    expect(body).toMatchObject({ hasSnapshot: true, lifecycle: { state: 'hibernated', sandboxExpiresAt: null } });
    expect(await sandbox('PUT', '/snapshot', { sessionId: id })).toMatchObject({
      status: 200,
      body: { success: true, sandboxId: `session-${id}` },
    });
    expect(await sandbox('PUT', '/snapshot', { sessionId: id })).toMatchObject({ body: { alreadyRunning: true } });
    expect(await states()).toEqual(['active', 'connected']);
  });

  it('give it more time, tell that it is used, and stop it', async () => {
    const id = await provisioned();
    const { body: before } = await alice.get(`/api/sandbox/status?sessionId=${id}`);
    const extended = await sandbox('POST', '/extend', { sessionId: id });
    expect(extended).toMatchObject({
      status: 200,
      body: { success: true, expiresAt: before.lifecycle.sandboxExpiresAt + 1_200_000, extendedBy: 1_200_000 },
    });
    expect((await sessionOf(id)).lifecycleVersion).toBe(1);
    moveClock([server], MINUTE);
    expect((await sandbox('POST', '/activity', { sessionId: id })).body).toEqual({ success: true });
    moveClock([server], -MINUTE);
    const { body: after } = await alice.get(`/api/sandbox/status?sessionId=${id}`);
    expect(after.lifecycle.hibernateAfter).toBeGreaterThan(before.lifecycle.hibernateAfter as number);
    expect((await sandbox('DELETE', '', { sessionId: id })).body).toEqual({ success: true });
    expect((await sandbox('DELETE', '', { sessionId: id })).body).toEqual({ success: true, alreadyStopped: true });
    expect((await sandbox('POST', '/activity', { sessionId: id })).body).toEqual({
      success: false,
      reason: 'not-active',
    });
  });

  it.each([
    ['POST', '/extend', 400, 'Sandbox not initialized'],
    ['POST', '/snapshot', 400, 'Sandbox not initialized'],
    ['PUT', '/snapshot', 404, 'No sandbox available for resume'],
  ])('%s %s on what was never provisioned is %d', async (method, verb, status, error) => {
    const { session } = (await alice.post('/api/sessions')).body as { session: Session };
    expect(await sandbox(method, verb, { sessionId: session.id })).toMatchObject({ status, body: { error } });
  });

  it.each([
    ['POST', '/extend'],
    ['POST', '/activity'],
    ['POST', '/snapshot'],
    ['PUT', '/snapshot'],
    ['DELETE', ''],
  ])('%s %s names a session of the caller’s own', async (method, verb) => {
    const id = await provisioned();
    const stranger = await signUp(server);
    const send = (client: Client, body: object): Promise<Answer> =>
      client.send(method, `/api/sandbox${verb}`, body as never);
    for (const body of [{}, { sessionId: null }, { sessionId: '' }, { sessionId: [id] }])
      expect(await send(alice, body)).toMatchObject({ status: 400, body: { error: 'Missing sessionId' } });
    expect(await send(alice, { sessionId: 'nosuch' })).toMatchObject({ status: 404 });
    expect(await send(stranger, { sessionId: id })).toMatchObject({ status: 403, body: { error: 'Forbidden' } });
    expect(await sessionOf(id)).toMatchObject({ lifecycleState: 'active', lifecycleVersion: 0 });
  });

  it.each([
    ['POST', ''],
    ['POST', '/extend'],
    ['POST', '/snapshot'],
    ['PUT', '/snapshot'],
    ['DELETE', ''],
  ])('%s %s may be for one version only', async (method, verb) => {
    const id = await provisioned();
    const answer = await alice.send(method, `/api/sandbox${verb}`, { sessionId: id }, { 'If-Match': '"9"' });
    expect(answer).toMatchObject({ status: 412, body: { lifecycleVersion: 0 } });
  });

  it('end what runs before they keep a copy, which has all that it wrote', async () => {
    const { id } = ((await alice.post('/api/sessions')).body as { session: Session }).session;
    await sandbox('POST', '', { sessionId: id });
    const begun = runIn(server, id, 'echo written > before; touch ready; sleep 1000').catch((error: unknown) => error);
    await eventually(() =>
      stat(join(directoryOf(id), 'ready')).then(
        () => true,
        () => false,
      ),
    );
    const { status, body } = await sandbox('POST', '/snapshot', { sessionId: id });
    expect(status).toBe(200);
    expect(String(await begun)).toMatch(/the script exited/);
    await rm(directoryOf(id), { recursive: true });
    expect((await sandbox('PUT', '/snapshot', { sessionId: id, snapshotId: body.snapshotId })).status).toBe(200);
    expect(await readFile(join(directoryOf(id), 'before'), 'utf8')).toBe('written\n');
  });

  it('say in sandboxState when it ends, while it runs', async () => {
    const id = await provisioned();
    const stateOf = async (): Promise<unknown> => (await sessionOf(id)).sandboxState;
    const { expiresAt } = (await sandbox('POST', '/extend', { sessionId: id })).body;
    expect(await stateOf()).toEqual({ type: 'vercel', sandboxName: 'x', expiresAt });
    await alice.patch(`/api/sessions/${id}`, { status: 'archived' });
    await eventually(async () => (await sql('select from coding_session where is_stopping')).length === 0);
    expect(await stateOf()).toEqual({ type: 'vercel', sandboxName: `session-${id}` });
  });

  it('at the same time end in one of the states that one after the other would', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await provisioned();
      const answers = await Promise.all([
        sandbox('POST', '/extend', { sessionId: id }),
        alice.patch(`/api/sessions/${id}`, { status: 'archived' }),
        sandbox('POST', '/activity', { sessionId: id }),
        sandbox('POST', '/snapshot', { sessionId: id }),
        sandbox('POST', '/extend', { sessionId: id }),
      ]);
      expect(answers.map(({ status }) => status).filter((status) => ![200, 400, 409].includes(status))).toEqual([]);
      await eventually(async () => (await sql('select from coding_session where is_stopping')).length === 0);
      expect(await sessionOf(id)).toMatchObject({
        lifecycleState: 'archived',
        hibernateAfter: null,
        sandboxExpiresAt: null,
        lifecycleRunId: null,
      });
    }
  });
});
