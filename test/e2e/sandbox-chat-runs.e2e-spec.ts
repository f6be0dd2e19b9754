import type { UIMessage } from 'ai';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { found } from '../support/search.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';
import { answerIn, type Frames, gate, openFrames, sendChat, transport, userSays } from '../support/ui-stream.js';

let peer: LlmPeer;
let server: TestServer;
let ann: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer({ LLM_BASE_URL: peer.baseUrl, LLM_API_KEY: peer.key, LLM_MODEL: 'test-model' });
  [ann, bob] = await Promise.all([signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

interface TestChat {
  readonly session: string;
  readonly id: string;
  readonly path: string;
}

async function newChat(by: Client = ann): Promise<TestChat> {
  const { session, chat } = (await by.post('/api/sessions')).body;
  return { session: session.id, id: chat.id, path: `/api/sessions/${session.id}/chats/${chat.id}` };
}

/** A chat in a sandbox that is up. */
async function readyChat(by: Client = ann): Promise<TestChat> {
  const chat = await newChat(by);
  expect((await by.post('/api/sandbox', { sessionId: chat.session })).status).toBe(200);
  return chat;
}

const ask = async (chat: TestChat, text: string): Promise<UIMessage> =>
  answerIn(await sendChat(ann, chat, [userSays(text)]));

const open = (path: string, body?: object): Promise<Frames> => openFrames(ann, path, body);

const bodyOf = ({ session, id }: TestChat, ...messages: UIMessage[]): object => ({
  sessionId: session,
  chatId: id,
  messages,
});

/** An answer that has begun and waits: what was begun, and what lets it go on. */
async function underWay(chat: TestChat, message = userSays('Tell me')): Promise<{ frames: Frames; open: () => void }> {
  const held = gate();
  peer.next({ text: 'So far I have said this much.', then: held.closed });
  const frames = await open('/api/chat', bodyOf(chat, message));
  expect(frames.response.status).toBe(200);
  await frames.read(4);
  return { frames, open: held.open };
}

const idle = (chat: TestChat): Promise<boolean> =>
  eventually(async () => (await ann.get(chat.path)).body.chat.activeStreamId === null);

const runOf = ({ response }: Frames): string => response.headers.get('x-workflow-run-id')!;
const statusOf = async (run: Frames): Promise<string> => (await ann.get(`/api/chat/runs/${runOf(run)}`)).body.status;

describe('an answer in a chat', () => {
  it('is read by an unmodified client, and stored as that client has it', async () => {
    const chat = await readyChat();
    peer.next({ thinking: 'A greeting.', text: 'Hello, dear person! How are you today?' });
    const message = userSays('Hello\nthere');
    const answer = await answerIn(await sendChat(ann, chat, [message]));
    expect(answer).toMatchObject({ id: expect.stringMatching(/^msg_/), role: 'assistant' });
    expect(answer.parts).toEqual([
      { type: 'step-start' },
      { type: 'reasoning', id: expect.any(String), text: 'A greeting.', state: 'done' },
      { type: 'text', text: 'Hello, dear person! How are you today?', state: 'done' },
    ]);
    const { body } = await ann.get(chat.path);
    expect(body).toMatchObject({ isStreaming: false, chat: { title: 'Hello there', modelId: 'test-model' } });
    expect(body.messages).toEqual([message, answer]);
    const { chats } = (await ann.get(`/api/sessions/${chat.session}/chats`)).body;
    expect(chats).toMatchObject([{ hasUnread: true, isStreaming: false }]);
  });

  it('comes with the headers of the protocol, and ends with its mark', async () => {
    const chat = await readyChat();
    const frames = await open('/api/chat', bodyOf(chat, userSays('Hi')));
    expect(Object.fromEntries(frames.response.headers)).toMatchObject({
      'content-type': expect.stringMatching(/^text\/event-stream/),
      'x-vercel-ai-ui-message-stream': 'v1',
      'x-workflow-run-id': expect.stringMatching(/^wrun_[0-9a-f]{24}$/),
    });
    const all = await frames.read();
    expect(all.at(-1)).toBe('[DONE]');
    expect(JSON.parse(all.at(-2)!)).toEqual({ type: 'finish', finishReason: 'stop' });
    expect(await statusOf(frames)).toBe('completed');
  });

  it('has commands run in the real sandbox', async () => {
    const chat = await readyChat();
    peer.next(
      {
        text: 'I write.',
        toolCalls: [{ name: 'exec', arguments: { command: 'echo 42 > made.txt; pwd; cat made.txt' } }],
      },
      { toolCalls: [{ name: 'read_file', arguments: { path: 'made.txt' } }] },
      { toolCalls: [{ name: 'read_file', arguments: { path: '/opt/sandbox/workspace/elsewhere' } }] },
      'It is 42.',
    );
    const { parts } = await ask(chat, 'Make a file');
    expect(parts.filter(({ type }) => type.startsWith('tool-'))).toMatchObject([
      { type: 'tool-exec', state: 'output-available', output: expect.stringMatching(/\/work\n42\n\[exit code 0\]$/) },
      { type: 'tool-read_file', state: 'output-available', input: { path: 'made.txt' }, output: '42\n' },
      { type: 'tool-read_file', state: 'output-error' },
    ]);
    expect((await ann.get(chat.path)).body.messages[1].parts).toEqual(parts);
  });

  it('knows what was said before, whether it is sent again or not', async () => {
    const chat = await readyChat();
    const first = userSays('My name is Quokka.');
    const answer = await answerIn(await sendChat(ann, chat, [first]));
    await answerIn(await sendChat(ann, chat, [first, answer, userSays('Who am I?')]));
    await answerIn(await sendChat(ann, chat, [userSays('And now?')]));
    const said = peer.calls.at(-1)!.messages.filter(({ role }) => role === 'user');
    expect(JSON.stringify(said)).toMatch(/Quokka.*Who am I.*And now/);
    expect((await ann.get(chat.path)).body.messages).toHaveLength(6);
  });

  it('takes the place of the one before when its message is sent again', async () => {
    const chat = await readyChat();
    const message = userSays('Again');
    peer.next('First.', 'Second.');
    await answerIn(await sendChat(ann, chat, [message]));
    const second = await answerIn(await sendChat(ann, chat, [message]));
    expect((await ann.get(chat.path)).body.messages).toEqual([message, second]);
    expect(JSON.stringify(second)).toContain('Second.');
  });

  it('is recorded, and found by what both have said', async () => {
    const chat = await readyChat();
    peer.next('A numbat is a marsupial.');
    await ask(chat, 'Explain the numbatology');
    const id = await eventually(async () => (await ann.get(chat.path)).body.chat.capturedSessionId as string | null);
    await eventually(async () => (await found(ann, 'numbatology marsupial')).includes(id));
  });
});

describe('a run that nobody listens to', () => {
  const start = (body: Record<string, unknown>, by: Client = ann): Promise<Answer> =>
    by.post('/api/chat/runs', body as Record<string, string>);

  it('has a session, a chat and a sandbox made for it', async () => {
    peer.next({ toolCalls: [{ name: 'exec', arguments: { command: 'echo made > made.txt; cat made.txt' } }] }, 'Made.');
    const { status, body, headers } = await start({ prompt: 'Make it', model: 'other-model' });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/api/chat/runs/${body.runId}`);
    const told = await eventually(async () => {
      const answer = await ann.get(`/api/chat/runs/${body.runId}`);
      return answer.body.status !== 'running' && answer;
    });
    expect(told.body).toEqual({ runId: body.runId, status: 'completed' });
    const { chat, messages } = (await ann.get(`/api/sessions/${body.sessionId}/chats/${body.chatId}`)).body;
    expect(chat).toMatchObject({ title: 'Make it', modelId: 'other-model' });
    expect(messages[1].parts[1]).toMatchObject({ type: 'tool-exec', output: expect.stringContaining('made\n') });
    expect(peer.calls.at(-1)!.model).toBe('other-model');
    expect((await bob.get(`/api/chat/runs/${body.runId}`)).status).toBe(404);
  });

  it.each([
    [{}, 400],
    [{ prompt: '  ' }, 400],
    [{ prompt: 'a\0' }, 400],
    [{ messages: [{ role: 'assistant', parts: [] }] }, 400],
    [{ prompt: 'x', model: '' }, 400],
    [{ prompt: 'x', accountId: '00000000-0000-4000-8000-000000000000' }, 403],
    [{ prompt: 'x', organizationId: '00000000-0000-4000-8000-000000000000' }, 403],
  ])('is refused for %j, and leaves nothing', async (body, status) => {
    const carol = await signUp(server);
    expect(await start(body, carol)).toMatchObject({ status, body: { status: 'error' } });
    expect((await carol.get('/api/sessions')).body.sessions).toEqual([]);
  });
});

describe('a stream', () => {
  it('goes on from any chunk exactly as it was', async () => {
    const chat = await readyChat();
    const { frames, open: goOn } = await underWay(chat);
    const again = await open(`/api/chat/${chat.id}/stream?startIndex=3`);
    expect(again.response.headers.get('x-workflow-run-id')).toBe(runOf(frames));
    expect(Number(again.response.headers.get('x-workflow-stream-tail-index'))).toBeGreaterThanOrEqual(3);
    const client = await transport(chat, ann).reconnectToStream({ chatId: chat.id });
    goOn();
    const whole = await frames.read();
    expect(await again.read()).toEqual(whole.slice(3));
    expect(await answerIn(client!)).toEqual((await ann.get(chat.path)).body.messages[1]);
    await idle(chat);
    expect(await ann.get(`/api/chat/${chat.id}/stream`)).toMatchObject({ status: 204, body: '' });
    expect(await transport(chat, ann).reconnectToStream({ chatId: chat.id })).toBeNull();
  });

  it('may lose its reader: the answer is given all the same', async () => {
    const chat = await readyChat();
    const { frames, open: goOn } = await underWay(chat);
    await frames.leave();
    goOn();
    await idle(chat);
    expect(await statusOf(frames)).toBe('completed');
    expect((await ann.get(chat.path)).body.messages).toHaveLength(2);
  });

  it('tells of a model that fails, and frees the chat', async () => {
    const chat = await readyChat();
    peer.next({ status: 400, message: 'secret-of-the-endpoint' });
    const frames = await open('/api/chat', bodyOf(chat, userSays('Fail')));
    const all = (await frames.read()).join('\n');
    expect(all).toContain('"type":"error"');
    expect(all).not.toContain('secret-of-the-endpoint');
    expect(await statusOf(frames)).toBe('failed');
    await ask(chat, 'Once more');
  });
});

describe('a chat that is being answered', () => {
  it('has one run, which everybody gets who sends the same message', async () => {
    const chat = await readyChat();
    const message = userSays('Once');
    const held = gate();
    peer.next({ text: 'Only once.', then: held.closed });
    const calls = peer.calls.length;
    const all = await Promise.all([1, 2, 3, 4].map(() => open('/api/chat', bodyOf(chat, message))));
    expect(all.map(({ response }) => response.status)).toEqual([200, 200, 200, 200]);
    expect(new Set(all.map(runOf)).size).toBe(1);
    expect(await ann.post('/api/chat', bodyOf(chat, userSays('Other')) as Record<string, string>)).toMatchObject({
      status: 409,
      body: { error: 'Another workflow is already running for this chat' },
    });
    held.open();
    const [first, ...others] = await Promise.all(all.map((frames) => frames.read()));
    for (const other of others) expect(other).toEqual(first);
    expect(peer.calls.length).toBe(calls + 1);
  });

  it('says so, and keeps its messages', async () => {
    const chat = await readyChat();
    const message = userSays('Wait');
    const { frames, open: goOn } = await underWay(chat, message);
    expect((await ann.get(chat.path)).body).toMatchObject({
      isStreaming: true,
      chat: { activeStreamId: runOf(frames) },
      messages: [message],
    });
    expect(await ann.delete(`${chat.path}/messages/${message.id}`)).toMatchObject({
      status: 409,
      body: { error: 'Cannot delete messages while a response is streaming' },
    });
    goOn();
    await frames.read();
    expect((await ann.delete(`${chat.path}/messages/${message.id}`)).body.deletedMessageIds).toHaveLength(2);
  });

  it('is stopped with what it had said, and can go on', async () => {
    const chat = await readyChat();
    const { frames } = await underWay(chat);
    const stop = (key: string): Promise<Answer> =>
      ann.post(`/api/chat/${chat.id}/stop`, undefined, { 'idempotency-key': key });
    const stops = await Promise.all([stop('1'), stop('2')]);
    expect(stops.map(({ body }) => body)).toContainEqual({ success: true, stopped: true });
    const all = await frames.read();
    expect(JSON.parse(all.at(-2)!)).toMatchObject({ type: 'abort' });
    expect(await statusOf(frames)).toBe('cancelled');
    expect((await ann.get(chat.path)).body).toMatchObject({
      isStreaming: false,
      messages: [{}, { parts: [{}, { type: 'text', text: 'So far I have said this much.', state: 'done' }] }],
    });
    expect((await ann.post(`/api/chat/${chat.id}/stop`)).body).toEqual({ success: true, stopped: false });
    await ask(chat, 'Go on');
  });

  it('ends its run with the chat or the sandbox', async () => {
    const [chat, other] = [await readyChat(), await readyChat()];
    const [one, two] = [await underWay(chat), await underWay(other)];
    await ann.post(`/api/sessions/${chat.session}/chats`);
    expect((await ann.delete(chat.path)).status).toBe(200);
    expect((await ann.patch(`/api/sessions/${other.session}`, { status: 'archived' })).status).toBe(200);
    await Promise.all([one.frames.read(), two.frames.read()]);
    expect(await statusOf(one.frames)).toBe('cancelled');
    expect(await statusOf(two.frames)).toBe('cancelled');
  });
});

describe('a run whose server is gone', () => {
  /** As a process leaves it that was killed: nobody renews its lease. */
  const orphan = (runId: string): Promise<unknown> =>
    sql(server, `update agent_run set lease_owner = 'gone', lease_expires_at = now() - interval '1 s' where id = $1`, [
      runId,
    ]);

  it('has failed for whoever looks, and leaves what it had told', async () => {
    const chat = await readyChat();
    const { frames, open: goOn } = await underWay(chat);
    await orphan(runOf(frames));
    const again = await open(`/api/chat/${chat.id}/stream`);
    expect((await again.read()).join('\n')).toContain('"type":"error"');
    expect(await statusOf(frames)).toBe('failed');
    goOn();
    await idle(chat);
    expect((await ann.get(chat.path)).body.messages[1].parts[1].text).toBe('So far I have said this much.');
  });

  it('keeps nobody from going on, or from cutting messages off', async () => {
    const [chat, other] = [await readyChat(), await readyChat()];
    const message = userSays('Lost');
    const [one, two] = [await underWay(chat), await underWay(other, message)];
    await Promise.all([one, two].map(({ frames }) => orphan(runOf(frames))));
    // The run is this very process's, which takes a moment to notice that it is taken for gone.
    await eventually(async () => (await open('/api/chat', bodyOf(chat, userSays('Anew')))).response.status === 200);
    expect((await ann.delete(`${other.path}/messages/${message.id}`)).body.deletedMessageIds).toContain(message.id);
    one.open();
    two.open();
  });
});

describe('what is refused', () => {
  it('is a sandbox that was never brought up; one at rest is brought up', async () => {
    const fresh = await newChat();
    expect(await ann.post('/api/chat', bodyOf(fresh, userSays('Hi')) as Record<string, string>)).toMatchObject({
      status: 400,
      body: { status: 'error', error: 'Sandbox not initialized' },
    });
    const resting = await readyChat();
    expect((await ann.post('/api/sandbox/snapshot', { sessionId: resting.session })).status).toBe(200);
    expect((await ann.get(`/api/sessions/${resting.session}`)).body.session.lifecycleState).toBe('hibernated');
    await ask(resting, 'Wake up');
    expect((await ann.get(`/api/sessions/${resting.session}`)).body.session.lifecycleState).toBe('active');
  });

  it('is everything of another account', async () => {
    const chat = await readyChat();
    const { frames, open: goOn } = await underWay(chat);
    const body = bodyOf(chat, userSays('Mine?')) as Record<string, string>;
    expect((await bob.post('/api/chat', body)).status).toBe(403);
    for (const [method, path] of [
      ['GET', `/api/chat/${chat.id}/stream`],
      ['POST', `/api/chat/${chat.id}/stop`],
      ['GET', `/api/chat/runs/${runOf(frames)}`],
    ] as const)
      expect(await bob.send(method, path)).toMatchObject({ status: 404, body: { status: 'error' } });
    goOn();
    await frames.read();
  });

  const user = userSays('x');
  it.each([
    [undefined, 'sessionId is required'],
    [{ sessionId: 's' }, 'chatId is required'],
    [{ sessionId: 's', chatId: 'c', messages: ['x'] }, 'A message must be an object'],
    [{ sessionId: 's', chatId: 'c', messages: [{ ...user, id: 'a b' }] }, 'Invalid message id'],
    [{ sessionId: 's', chatId: 'c', messages: [{ ...user, role: 'system' }] }, 'A message is of role'],
    [{ sessionId: 's', chatId: 'c', messages: [{ ...user, parts: 'x' }] }, 'The parts of a message'],
    [{ sessionId: 's', chatId: 'c', messages: [{ ...user, role: 'assistant' }] }, 'The last message must'],
    [{ sessionId: 's', chatId: 'c', messages: [userSays('')] }, 'The last message says nothing'],
    [{ sessionId: 's', chatId: 'c', messages: [user, user] }, 'messages must not have an id twice'],
    [{ sessionId: 's', chatId: 'c', messages: [userSays('a\0b')] }, 'A message must not contain NUL'],
  ])('is %j', async (body, error) => {
    expect(await ann.post('/api/chat', body as Record<string, string>)).toMatchObject({
      status: 400,
      body: { status: 'error', error: expect.stringContaining(error) },
    });
  });

  it('is an index that is none, and an id that nobody has', async () => {
    const chat = await newChat();
    for (const index of ['-1', 'x', '1.5', '99999999999'])
      expect((await ann.get(`/api/chat/${chat.id}/stream?startIndex=${index}`)).status).toBe(400);
    for (const id of ['none', 'a%20b', 'x'.repeat(5_000), 'wrun_x']) {
      expect((await ann.get(`/api/chat/${id}/stream`)).status).toBe(404);
      expect((await ann.post(`/api/chat/${id}/stop`)).status).toBe(404);
      expect((await ann.get(`/api/chat/runs/${id}`)).status).toBe(404);
    }
    expect((await ann.post('/api/chat', { sessionId: 'a\0', chatId: 'c', messages: [user as never] })).status).toBe(
      404,
    );
  });

  it('is every answer where there is no model', async () => {
    const chat = await readyChat();
    const silent = await startOn(server.databaseUrl, server.dataDir);
    const client = new Client(silent.url, ann.key);
    const body = bodyOf(chat, user) as Record<string, string>;
    expect(await client.post('/api/chat', body)).toMatchObject({ status: 503, body: { code: 'llm_not_configured' } });
    expect((await client.post('/api/chat/runs', { prompt: 'x' })).body.code).toBe('llm_not_configured');
    expect((await client.get(chat.path)).status).toBe(200);
    await silent.close();
  });
});
