import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../libs/platform/src/index.js';
import { LifeSteps } from '../../libs/sandboxes/src/lifecycle/life-steps.js';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

async function codingSession(): Promise<string> {
  const { body } = await alice.post('/api/sessions');
  const { id } = (body as { session: { id: string } }).session;
  await alice.post('/api/sandbox', { sessionId: id });
  return id;
}

/** What requests answer that came while somebody had the sandbox in hand, who did `change` to it before letting go. */
async function whileHeld(
  id: string,
  ask: () => readonly Promise<Answer>[],
  change: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Answer[]> {
  const [isHeld, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = server.app.get(Database).transaction(async () => {
    await sql(server, 'select from sandbox where id = $1 for update', [id]);
    isHeld.resolve();
    await letGo.promise;
    await change();
  });
  await isHeld.promise;
  const asked = ask();
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  await eventually(async () => (await sql(server, waiting)).length >= asked.length);
  letGo.resolve();
  await holding;
  return Promise.all(asked);
}

onAbleMachines('what had to wait for a sandbox acts on what the one before has left', () => {
  it('so that every extension counts', async () => {
    const id = await codingSession();
    const extend = (): Promise<Answer> => alice.post('/api/sandbox/extend', { sessionId: id });
    const answers = await whileHeld(id, () => [extend(), extend()]);
    const [first = 0, second = 0] = answers.map(({ body }) => body.expiresAt as number).sort((a, b) => a - b);
    expect(second - first).toBe(20 * 60_000);
  });

  it('so that a session is put into the archive once, and what runs in it is stopped', async () => {
    const id = await codingSession();
    const archive = (): Promise<Answer> => alice.patch(`/api/sessions/${id}`, { status: 'archived' });
    const answers = await whileHeld(id, () => [archive(), archive()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const moves = `select payload from event where subject_id = $1 and payload ->> 'to' = 'archived'`;
    expect(await sql(server, moves, [id])).toHaveLength(1);
  });

  it('so that a session which just got busy is not destroyed as an idle one', async () => {
    const { body } = await alice.post('/v1/sessions');
    const id = body.id as string;
    const [answer] = await whileHeld(
      id,
      () => [alice.delete('/v1/sessions?status=idle')],
      async () => {
        await sql(server, 'update sandbox set last_activity_at = now() where id = $1', [id]);
        await sql(server, `update agent_session set response_id = 'msg_1' where sandbox_id = $1`, [id]);
      },
    );
    expect(answer).toMatchObject({ status: 200, body: { deleted: 0 } });
  });
});

onAbleMachines('a step of a sandbox that loses it', () => {
  const step = { caller: null, action: 'sandbox.snapshot' };

  it.each([
    ['to a deletion', (id: string) => alice.delete(`/api/sessions/${id}`), { code: 'not_found' }],
    [
      'to another process',
      (id: string) => sql(server, `update sandbox set lease_id = 'other' where id = $1`, [id]),
      { reason: 'lease_lost' },
    ],
    ['to nobody', () => Promise.resolve(), { message: 'no such directory' }],
  ])('%s says so, whatever it failed of then', async (_to, lose, failure) => {
    const id = await codingSession();
    const steps = server.app.get(LifeSteps);
    const life = await steps.take(id, step, () => ({ lease: steps.newLease() }));
    const work = steps.complete(step, life, async () => {
      await lose(id);
      throw new Error('no such directory');
    });
    await expect(work).rejects.toMatchObject(failure);
  });
});

onAbleMachines('an answer that comes in whole', () => {
  const command = ['sh', '-c', 'sleep 3; echo done'] as const;

  it('is waited for longer than a connection may be silent', async () => {
    const [{ body }, id] = await Promise.all([alice.post('/v1/sessions'), codingSession()]);
    const http = server.app.getHttpServer() as Server;
    http.setTimeout(2_000);
    try {
      const [executed, made, [paused]] = await Promise.all([
        alice.post(`/v1/sessions/${body.id}/exec`, { argv: command }, { accept: 'application/json' }),
        alice.post('/api/sandboxes', { command: command.at(-1)! }),
        whileHeld(
          id,
          () => [alice.post('/api/sandbox/snapshot', { sessionId: id })],
          () => sleep(3_000),
        ),
      ]);
      expect(executed).toMatchObject({ status: 200, body: { stdout: 'done\n' } });
      expect(made).toMatchObject({ status: 200, body: { execution: { stdout: 'done\n' } } });
      expect(paused).toMatchObject({ status: 200 });
    } finally {
      http.setTimeout(120_000);
    }
  });
});
