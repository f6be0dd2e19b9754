import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Client, signUp } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { answerIn, openFrames, sendChat, userSays } from '../support/ui-stream.js';

let peer: LlmPeer;
let database: TestDatabase;
let dataDir: string;
let server: ServerProcess;

const start = (): Promise<ServerProcess> =>
  startServerProcess({
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    ...modelSettings(peer),
  });

beforeAll(async () => {
  [peer, database, dataDir] = await Promise.all([
    LlmPeer.start(),
    createTestDatabase(),
    mkdtemp(join(tmpdir(), 'roundhouse-e2e-')),
  ]);
  server = await start();
});

afterAll(async () => {
  await server.stop();
  await peer.stop();
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

it('a server that is killed in the middle of a response leaves what it told, one end, and no busy session or chat', async () => {
  const alice = await signUp(server);
  const chat = await chatUnderWay(alice);
  const session = (await alice.post('/v1/sessions', { persistent: true })).body.id as string;
  peer.next({ text: 'I will sleep.', toolCalls: [{ name: 'exec', arguments: { command: 'sleep 600' } }] });
  const stream = await EventStream.open(alice, `/v1/sessions/${session}/messages`, { body: { message: 'Sleep' } });
  await stream.until('tool_use.executing');
  server.child.kill('SIGKILL');
  await Promise.all([once(server.child, 'exit'), stream.all().catch(() => undefined)]);
  const told = stream.text;

  server = await start();
  const again = new Client(server.url, alice.key);
  await asIfLeasesHadRunOut();
  const resumed = await EventStream.open(again, `/v1/sessions/${session}/responses/${stream.id}/events`);
  const events = await resumed.all();
  expect(resumed.text.startsWith(told)).toBe(true);
  expect(events.at(-1)).toMatchObject({ event: 'message.error', data: { id: stream.id, error: 'interrupted' } });
  expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index));
  expect((await again.get(`/v1/sessions/${session}`)).body.busy).toBe(false);
  peer.next('Good morning.');
  const next = await EventStream.open(again, `/v1/sessions/${session}/messages`, { body: { message: 'Wake up' } });
  expect((await next.all()).at(-1)?.event).toBe('message.completed');

  const lost = await openFrames(again, `/api/chat/${chat.id}/stream`);
  // Whoever looks first ends it; after that there is nothing to follow.
  if (lost.response.status === 200) expect((await lost.read()).join()).toContain('"type":"error"');
  expect((await again.get(`/api/chat/runs/${chat.runId}`)).body.status).toBe('failed');
  const { body } = await again.get(chat.path);
  expect(body).toMatchObject({ isStreaming: false, messages: [{ role: 'user' }, { role: 'assistant' }] });
  expect(body.messages[1].parts[1]).toMatchObject({ type: 'text', text: 'I will wait.', state: 'done' });
  const answer = await answerIn(await sendChat(again, chat, [userSays('Go on')]));
  expect(answer.parts.at(-1)).toMatchObject({ type: 'text', state: 'done' });
}, 60_000);

interface LostChat {
  readonly session: string;
  readonly id: string;
  readonly path: string;
  readonly runId: string;
}

/** A chat whose answer has begun and waits for a command. */
async function chatUnderWay(by: Client): Promise<LostChat> {
  const { session, chat } = (await by.post('/api/sessions')).body;
  await by.post('/api/sandbox', { sessionId: session.id });
  peer.next({ text: 'I will wait.', toolCalls: [{ name: 'exec', arguments: { command: 'sleep 600' } }] });
  const request = { sessionId: session.id, chatId: chat.id, messages: [userSays('Wait')] };
  const frames = await openFrames(by, '/api/chat', request);
  while (!(await frames.read(frames.all.length + 1)).join().includes('tool-input-available'));
  await frames.leave();
  const runId = frames.response.headers.get('x-workflow-run-id')!;
  return { session: session.id, id: chat.id, path: `/api/sessions/${session.id}/chats/${chat.id}`, runId };
}

async function asIfLeasesHadRunOut(): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`update agent_run set lease_expires_at = now() - interval '1 second' where ended_at is null`);
  await client.end();
}
