import { PeriodicTasks } from '../../libs/platform/src/index.js';
import { type Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { EventStream } from '../support/event-stream.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const TURNS_PER_HOUR = 25;
const LOOK_UP = {
  type: 'function',
  function: { name: 'look_up', parameters: { type: 'object', properties: { word: { type: 'string' } } } },
};

let peer: LlmPeer;
let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer({
    ...modelSettings(peer),
    AGENT_TURNS_PER_HOUR: String(TURNS_PER_HOUR),
    AGENT_TOKENS_PER_TURN: '4000',
  });
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

async function create(body: object = {}, client: Client = alice): Promise<string> {
  return (await client.post('/v1/sessions', body as Record<string, never>)).body.id as string;
}

const send = (session: string, message: string, key?: string, client: Client = alice): Promise<EventStream> =>
  EventStream.open(client, `/v1/sessions/${session}/messages`, {
    body: { message },
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  });

async function answerOf(stream: EventStream): Promise<{ status: number; error: string }> {
  await stream.all();
  return { status: stream.status, error: (JSON.parse(stream.text) as { error: string }).error };
}

describe('an Idempotency-Key', () => {
  it('makes repeats one response, while it is made and afterwards, with the same bytes', async () => {
    const session = await create();
    const asked = peer.calls.length;
    const release = peer.hold();
    const streams = await Promise.all([1, 2, 3].map(() => send(session, 'Hello', 'key-1')));
    release();
    await Promise.all(streams.map((stream) => stream.all()));
    const later = await send(session, 'Hello', 'key-1');
    await later.all();
    expect(new Set([...streams, later].map(({ id }) => id)).size).toBe(1);
    expect(new Set([...streams, later].map(({ text }) => text)).size).toBe(1);
    expect(later.response.headers.get('idempotency-replayed')).toBe('true');
    expect(streams.filter(({ response }) => !response.headers.has('idempotency-replayed'))).toHaveLength(1);
    expect(peer.calls).toHaveLength(asked + 1);
  });

  it('belongs to one message of one session, and only a message that is taken takes it', async () => {
    const [session, other] = [await create(), await create()];
    const release = peer.hold();
    const first = await send(session, 'Hello');
    expect(await answerOf(await send(session, 'Again', 'key-2'))).toEqual({ status: 409, error: 'session.busy' });
    release();
    await first.all();
    const taken = await send(session, 'Again', 'key-2');
    expect((await taken.all()).at(-1)?.event).toBe('message.completed');
    for (const [id, message] of [
      [session, 'Different'],
      [other, 'Again'],
    ] as const)
      expect(await answerOf(await send(id, message, 'key-2'))).toEqual({
        status: 422,
        error: 'idempotency_key_reused',
      });
    expect((await answerOf(await send(session, 'Again', 'k'.repeat(256)))).status).toBe(400);
    const bob = await signUp(server);
    const foreign = await send(await create({}, bob), 'Again', 'key-2', bob);
    expect(foreign.response.headers.has('idempotency-replayed')).toBe(false);
    await foreign.all();
  });

  it('still says that there was a response when its session is gone', async () => {
    const session = await create();
    const first = await send(session, 'Hello', 'key-3');
    await first.all();
    await alice.delete(`/v1/sessions/${session}`);
    const repeat = () =>
      alice.post(`/v1/sessions/${session}/messages`, { message: 'Hello' }, { 'idempotency-key': 'key-3' });
    const repeated = await eventually(async () => {
      // The session goes once it is recorded, and a round that came too early leaves it to a later one.
      moveClock([server], 20_000);
      await server.app.get(PeriodicTasks).runNow('sandboxes.reconcile');
      const answer = await repeat();
      return typeof answer.body === 'object' && answer;
    });
    expect(repeated).toMatchObject({ status: 200, body: { response_id: first.id, status: 'replayed' } });
  });
});

describe('tools of the client', () => {
  const results = (session: string, body: object) =>
    alice.post(`/v1/sessions/${session}/tool_results`, body as Record<string, never>);

  it('are asked for in the stream and answered beside it, each once, all or none', async () => {
    const session = await create({ tools: [LOOK_UP] });
    peer.next(
      {
        toolCalls: [
          { name: 'look_up', arguments: { word: 'a' } },
          { name: 'exec', arguments: { command: 'echo meanwhile' } },
          { name: 'look_up', arguments: { word: 'b' } },
        ],
      },
      'Found.',
    );
    const stream = await send(session, 'Look a and b up');
    await stream.until('tool_result');
    const asked = stream.events.filter(({ event }) => event === 'tool_call.requested').map(({ data }) => data);
    expect(asked.map(({ name, input }) => [name, input])).toEqual([
      ['look_up', { word: 'a' }],
      ['look_up', { word: 'b' }],
    ]);
    const [a, b] = asked.map(({ id }) => id as string);
    const both = [
      { id: a, content: 'first' },
      { id: 'call_nobody_made', content: '' },
    ];
    expect(await results(session, { response_id: stream.id, tool_results: both })).toMatchObject({ status: 404 });
    const one = { response_id: stream.id, tool_results: [{ id: a, content: { found: ['α'] } }] };
    expect(await results(session, one)).toMatchObject({ status: 200, body: { response_id: stream.id, accepted: 1 } });
    expect(await results(session, one)).toMatchObject({ status: 409, body: { error: 'tool_call.answered' } });
    // Without a name it is the response under way.
    expect(await results(session, { tool_results: [{ id: b, content: 'no b', is_error: true }] })).toMatchObject({
      status: 200,
    });
    expect((await stream.all()).at(-1)?.event).toBe('message.completed');
    expect(await results(session, { ...one, tool_results: [{ id: b, content: 'late' }] })).toMatchObject({
      status: 409,
    });
    const told = peer.calls.at(-1)!.messages.filter(({ role }) => role === 'tool');
    expect(told.map(({ content }) => content)).toEqual(['{"found":["α"]}', 'meanwhile\n[exit code 0]', 'no b']);
  });

  it.each<[object, string]>([
    [{}, 'tool_results'],
    [{ tool_results: [] }, 'tool_results'],
    [{ tool_results: [7] }, 'tool_results.0'],
    [{ tool_results: [{ id: 'x' }] }, 'tool_results.0.content'],
    [{ tool_results: [{ id: '', content: 'y' }] }, 'tool_results.0.id'],
    [{ tool_results: [{ id: 'x', content: 'a\0' }] }, 'tool_results.0.content'],
    [{ tool_results: [{ id: 'x', content: 'y', is_error: 1 }] }, 'tool_results.0.is_error'],
  ])('refuse %j by name', async (body, field) => {
    expect(await results(await create(), body)).toMatchObject({ status: 400, body: { field } });
  });
});

describe('a response without a session', () => {
  const ask = (body: object, headers: Record<string, string> = {}) =>
    alice.post('/v1/responses', body as Record<string, never>, headers);

  it('comes in whole, or as the events of a message', async () => {
    peer.next({ thinking: 'Hm.', text: 'Four.' }, 'Five.');
    const input = [
      { role: 'system', content: 'Count.' },
      { role: 'user', content: 'Two and two?' },
    ];
    const { status, headers, body } = await ask({ input, model: 'gpt-5-test', reasoning: { effort: 'low' } });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        object: 'response',
        status: 'completed',
        output_text: 'Four.',
        usage: { output_tokens: expect.any(Number) },
      },
    });
    expect(body.id).toMatch(/^resp_[0-9a-f]{24}$/);
    expect(headers.get('x-response-id')).toBe(body.id);
    expect(peer.calls.at(-1)).toMatchObject({
      model: 'gpt-5-test',
      reasoning_effort: 'low',
      messages: [
        { role: 'system', content: 'Count.' },
        { role: 'user', content: 'Two and two?' },
      ],
    });
    const stream = await EventStream.open(alice, '/v1/responses', { body: { input: 'And one?', stream: true } });
    expect((await stream.all()).map(({ event }) => event)).toEqual([
      'message.created',
      'text.start',
      'text.delta',
      'text.stop',
      'message.completed',
    ]);
    expect(peer.calls.at(-1)!.messages).toHaveLength(1);
    const again = await EventStream.open(alice, `/v1/responses/${stream.id}/events?last_event_id=1`);
    expect(await again.all()).toEqual(stream.events.slice(2));
  });

  it('hands calls of tools over, and goes on with their outputs', async () => {
    peer.next({ toolCalls: [{ name: 'look_up', arguments: { word: 'a' } }] }, 'It is a letter.');
    const question = { role: 'user', content: 'What is a?' };
    const { body } = await ask({ input: [question], tools: [LOOK_UP] });
    expect(body.output).toEqual([
      { type: 'function_call', call_id: expect.any(String), name: 'look_up', arguments: '{"word":"a"}' },
    ]);
    const [call] = body.output as [{ call_id: string }];
    const output = { type: 'function_call_output', call_id: call.call_id, output: 'a letter' };
    expect((await ask({ input: [question, call, output], tools: [LOOK_UP] })).body.output_text).toBe('It is a letter.');
    expect(peer.calls.at(-1)!.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
  });

  it('is repeated by its key, cancelled, and nobody else’s', async () => {
    const release = peer.hold();
    const stream = await EventStream.open(alice, '/v1/responses', { body: { input: 'Hello', stream: true } });
    const bob = await signUp(server);
    expect((await bob.get(`/v1/responses/${stream.id}/events`)).status).toBe(404);
    expect((await bob.post(`/v1/responses/${stream.id}/cancel`)).status).toBe(404);
    expect(await alice.post(`/v1/responses/${stream.id}/cancel`)).toMatchObject({ status: 202 });
    release();
    expect((await stream.all()).at(-1)?.event).toBe('message.cancelled');
    const [one, two] = await Promise.all([1, 2].map(() => ask({ input: 'Hi' }, { 'idempotency-key': 'response-1' })));
    expect(one!.body).toEqual(two!.body);
    expect(await ask({ input: 'Ho' }, { 'idempotency-key': 'response-1' })).toMatchObject({ status: 422 });
  });

  it('that fails says so with a status', async () => {
    expect(await ask({ input: 'Hello', model: 'no-such-model' })).toMatchObject({
      status: 502,
      body: { error: 'llm_request_failed', response_id: expect.stringMatching(/^resp_/) as string },
    });
    for (const body of [{}, { input: 7 }, { input: 'x', stream: 'yes' }, { input: 'x', reasoning: { effort: 'max' } }])
      expect(await ask(body)).toMatchObject({ status: 400, body: { field: expect.any(String) as string } });
  });
});

describe('limits', () => {
  it('end a turn that uses more tokens than it may', async () => {
    peer.next({ text: 'x'.repeat(20_000), toolCalls: [{ name: 'list_files', arguments: {} }] });
    const events = await (await send(await create(), 'Go on')).all();
    expect(events.at(-1)).toMatchObject({
      event: 'message.completed',
      data: { status: 'incomplete', reason: 'token_budget' },
    });
  });

  it('refuse turns beyond those of the hour, and forget none because its session is gone', async () => {
    const carol = await signUp(server);
    for (let turn = 0; turn < TURNS_PER_HOUR; turn += 1) {
      const session = await create({}, carol);
      expect((await send(session, 'Hello', undefined, carol)).status).toBe(200);
      await carol.delete(`/v1/sessions/${session}`);
    }
    const session = await create({}, carol);
    const refused = await send(session, 'Hello', undefined, carol);
    expect(await answerOf(refused)).toEqual({ status: 429, error: 'usage.limit' });
    expect(Number(refused.response.headers.get('retry-after'))).toBeGreaterThan(0);
    const { rate_limit: limits, credits } = (await carol.get('/v1/usage')).body;
    expect(credits).toEqual({ enabled: false, mode: 'off', balance: null });
    expect(limits.buckets.response.windows).toMatchObject([{ turns: 0 }, { turns: 0 }]);
    expect(limits.buckets.session_turn.windows).toMatchObject([
      { name: 'hour', duration_seconds: 3_600, turns: TURNS_PER_HOUR, max_turns: TURNS_PER_HOUR, enabled: true },
      { name: 'day', duration_seconds: 86_400, turns: TURNS_PER_HOUR, max_turns: 5_000, max_tokens: 200_000_000 },
    ]);
    expect((await carol.get(`/v1/sessions/${session}`)).body.busy).toBe(false);
  });

  it('end a response with the ttl of its session', async () => {
    const session = await create({ persistent: true, ttl: 60 });
    peer.next({ toolCalls: [{ name: 'exec', arguments: { command: 'sleep 600' } }] });
    const stream = await send(session, 'Sleep');
    await stream.until('tool_use.executing');
    moveClock([server], 61_000);
    expect((await stream.all()).at(-1)).toMatchObject({
      event: 'message.error',
      data: { id: stream.id, error: 'session.expired' },
    });
    expect((await alice.get(`/v1/sessions/${session}`)).status).toBe(404);
  });

  it('end a response after ninety minutes, and not its session', async () => {
    const session = await create({ persistent: true, ttl: 86_400 });
    peer.next({ toolCalls: [{ name: 'exec', arguments: { command: 'sleep 600' } }] });
    const stream = await send(session, 'Sleep');
    await stream.until('tool_use.executing');
    moveClock([server], 5_401_000);
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'message.error', data: { error: 'turn.timeout' } });
    expect((await alice.get(`/v1/sessions/${session}`)).body).toMatchObject({ busy: false, status: 'ready' });
  });
});

describe('what clients send in a form of their own', () => {
  /** In the order of PostgreSQL's jsonb. */
  const ODD = '{"then":6,"toString":4,"__proto__":{"x":2},"prototype":3,"constructor":1,"hasOwnProperty":[5]}';
  const odd = JSON.parse(ODD) as object;
  const shown = (value: unknown): string => JSON.stringify(value);

  it('keeps every member of its metadata, whatever that is called', async () => {
    const id = await create({ metadata: { deep: [odd], ...odd } });
    const { metadata } = (await alice.get(`/v1/sessions/${id}`)).body;
    expect(shown(metadata.deep)).toBe(`[${ODD}]`);
    expect(Object.keys(metadata as object).toSorted()).toEqual([...Object.keys(odd), 'deep'].toSorted());
    const change = { metadata: JSON.parse('{"constructor":null,"__proto__":7}') as object };
    const changed = (await alice.patch(`/v1/sessions/${id}`, change)).body.metadata as object;
    expect(Object.entries(changed)).toContainEqual(['__proto__', 7]);
    expect(Object.keys(changed)).not.toContain('constructor');
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('shows the model the whole schema of a tool, and the whole result', async () => {
    const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: odd } } };
    peer.next({ toolCalls: [{ name: 'look', arguments: {} }] }, 'Seen.');
    const session = await create({ tools: [tool] });
    const stream = await send(session, 'Look.');
    await stream.until('tool_call.requested');
    const [called] = stream.events.filter(({ event }) => event === 'tool_call.requested').map(({ data }) => data);
    const results = { tool_results: [{ id: called!.id, content: odd }] };
    expect((await alice.post(`/v1/sessions/${session}/tool_results`, results)).status).toBeLessThan(300);
    await stream.all();
    const { tools, messages } = peer.calls.at(-1)!;
    expect(shown(tools)).toContain(`"properties":${ODD}`);
    expect(shown(messages)).toContain(shown(ODD).slice(1, -1));
  });

  it('keeps every member of a message in a chat', async () => {
    const { session, chat } = (await alice.post('/api/sessions')).body;
    const path = `/api/sessions/${session.id}/chats/${chat.id}`;
    const part = { type: 'tool-x', toolCallId: 'c', state: 'output-available', input: odd, output: odd };
    const message = { id: 'odd', role: 'assistant', parts: [part], metadata: odd };
    expect((await alice.post(`${path}/messages`, { message })).status).toBe(200);
    const [kept] = (await alice.get(path)).body.messages;
    expect(
      [kept.parts[0].input, kept.parts[0].output, kept.metadata].map((each) => Object.keys(each as object)),
    ).toEqual([1, 2, 3].map(() => expect.arrayContaining(Object.keys(odd))));
  });
});
