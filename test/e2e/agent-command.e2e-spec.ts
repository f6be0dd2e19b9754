import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCheckout } from '../support/checkouts.js';
import { type Client, signUp, type TestAccount } from '../support/client.js';
import { EventStream, type ServerEvent } from '../support/event-stream.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually } from '../support/pinned-sessions.js';
import { onAbleMachines as withSandboxes, running } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { answerIn, sendChat, userSays } from '../support/ui-stream.js';

/** The test's agent is a program for it: sandboxes see only the machine's /usr. */
const NODE = '/usr/bin/node';
const hasNode = existsSync(NODE);
if (!hasNode) console.warn(`Commands as agents are not tested: there is no ${NODE}`);

const onAbleMachines = hasNode ? withSandboxes : describe.skip;

/** Does what its message says. */
const AGENT = `
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
const input = JSON.parse(readFileSync(0, 'utf8'));
const { OPENAI_BASE_URL: url, OPENAI_API_KEY: own } = process.env;
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\\n');
const ask = ({ path = '/chat/completions', body, token = own, raw }) => fetch(url + path, {
  method: body || raw ? 'POST' : 'GET',
  headers: { ...(token && { authorization: 'Bearer ' + token }), 'content-type': 'application/json' },
  ...((body || raw) && { body: raw ?? JSON.stringify(body) }),
});
const [word, ...rest] = input.message.split(' ');
const deeds = {
  async work() {
    process.stderr.write('a word on the side\\n');
    const messages = [...input.history, { role: 'user', content: input.message }];
    const tools = [{ type: 'function', function: { name: 'count', parameters: { type: 'object', properties: {} } } }];
    const answer = await ask({ body: { messages, tools, stream: true } });
    let text = '', id;
    for (const line of (await answer.text()).split('\\n')) {
      if (!line.startsWith('data: {')) continue;
      const { delta } = JSON.parse(line.slice(6)).choices[0];
      if (delta.reasoning_content) tell({ type: 'thinking', text: delta.reasoning_content });
      if (delta.content) { text += delta.content; tell({ type: 'text', text: delta.content }); }
      id ??= delta.tool_calls?.[0].id;
    }
    tell({ type: 'tool_use', id, name: 'count', input: { of: 'files' } });
    tell({ type: 'tool_result', id, content: '3' });
    const call = { id, type: 'function', function: { name: 'count', arguments: '{}' } };
    messages.push({ role: 'assistant', content: text, tool_calls: [call] });
    messages.push({ role: 'tool', tool_call_id: id, content: '3' });
    const whole = await (await ask({ body: { model: input.model, messages, max_tokens: 1_000_000_000 } })).json();
    console.log(whole.choices[0].message.content);
    process.stdout.write('{"type":"none"}');
  },
  look() {
    const seen = [JSON.stringify(process.env), JSON.stringify(input)];
    for (const pid of readdirSync('/proc').filter((name) => /^\\d+$/.test(name)))
      for (const name of ['environ', 'cmdline', 'mountinfo']) seen.push(readFileSync('/proc/' + pid + '/' + name, 'latin1'));
    for (const entry of readdirSync('/opt/sandbox', { recursive: true, withFileTypes: true }))
      if (entry.isFile() && !['model', 'egress'].includes(entry.name)) seen.push(readFileSync(entry.parentPath + '/' + entry.name, 'latin1'));
    tell({ type: 'text', text: seen.join('\\n') });
  },
  async ask() {
    const answer = await ask(JSON.parse(rest.join(' ')));
    tell({ type: 'text', text: JSON.stringify({ status: answer.status, text: (await answer.text()).slice(0, 2_000) }) });
  },
  async keep() {
    writeFileSync('token', own);
    tell({ type: 'text', text: 'kept' });
    if (rest[0]) setInterval(() => undefined, 1_000);
  },
  async spend() {
    for (;;) {
      const answer = await ask({ body: { messages: [{ role: 'user', content: 'Go on' }] } });
      if (!answer.ok) { tell({ type: 'text', text: await answer.text() }); process.exit(Number(rest[0])); }
    }
  },
  flood() { process.stdout.write('x'.repeat(9_000_000)); },
  note() { tell({ type: 'metadata', metadata: { stage: 2 } }); tell({ type: 'metadata', metadata: 7 }); tell({ type: 'metadata', metadata: { a: '\\0' } }); },
  fail() { console.log('so far'); process.exit(3); },
};
await deeds[word]();
`;

/** Asks the client to look words up, in a session that has a tool for that; reads lines, for more input is to come. */
const CALLER = `
import { createInterface } from 'node:readline';
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\\n');
const input = await next();
const call = (id, word, name = 'look_up') => tell({ type: 'tool_call', id, name, input: { word } });
const say = (text) => tell({ type: 'text', text });
if (input.message === 'stay') { call('s', 'x'); await next(); }
call('a', 'first');
call('b', 'second');
tell({ type: 'tool_result', id: 'a', content: 'forged' });
call('c', 'x', 'no_such_tool');
call('a', 'again');
const answers = [await next(), await next(), await next(), await next()];
say(JSON.stringify({ tools: input.tools, answers }));
process.exit(0);
`;
const LOOK_UP = { name: 'look_up', parameters: { type: 'object', properties: { word: { type: 'string' } } } };

let peer: LlmPeer;
let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer({
    ...modelSettings(peer),
    AGENT_TOKENS_PER_TURN: '4000',
    AGENT_COMMAND: 'exec $(cat agent-command)',
  });
  alice = await signUp(server);
  await put('agent.mjs', AGENT);
  await put('agent-command', `${NODE} agent.mjs`);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

/** Into the workspace that all sessions of the account share. */
async function put(name: string, content: string, client: Client = alice): Promise<void> {
  const path = `/v1/sessions/${await create(client)}/files/${name}`;
  const headers = { 'x-api-key': client.key ?? '', 'content-type': 'application/octet-stream' };
  expect((await fetch(client.url + path, { method: 'PUT', headers, body: content })).ok).toBe(true);
}

async function create(client: Client = alice): Promise<string> {
  return (await client.post('/v1/sessions', {})).body.id as string;
}

const send = (session: string, message: string, client: Client = alice): Promise<EventStream> =>
  EventStream.open(client, `/v1/sessions/${session}/messages`, { body: { message } });

async function turn(session: string, message: string): Promise<readonly ServerEvent[]> {
  return (await send(session, message)).all();
}

const textOf = (events: readonly ServerEvent[]): string =>
  events.map(({ event, data }) => (event === 'text.delta' ? (data['content'] as string) : '')).join('');

/** What the door answers. */
async function ask(request: object, session?: string): Promise<{ status: number; text: string }> {
  const events = await turn(session ?? (await create()), `ask ${JSON.stringify(request)}`);
  expect(events.at(-1)).toMatchObject({ event: 'message.completed' });
  return JSON.parse(textOf(events)) as { status: number; text: string };
}

const question = { messages: [{ role: 'user', content: 'Hello' }] };

onAbleMachines('a command as the agent', () => {
  it('speaks with the model, and tells what it does as it does it', async () => {
    const session = await create();
    peer.next({ thinking: 'Hm.', text: 'I count.', toolCalls: [{ name: 'count', arguments: {} }] }, 'There are three.');
    const before = peer.calls.length;
    const events = await turn(session, 'work on it');
    expect(events.map(({ event }) => event).filter((name) => !name.endsWith('delta'))).toEqual([
      'message.created',
      'thinking.start',
      'thinking.stop',
      'text.start',
      'text.stop',
      'tool_use.start',
      'tool_use.executing',
      'tool_use.stop',
      'tool_result',
      'text.start',
      'text.stop',
      'message.completed',
    ]);
    expect(textOf(events)).toBe('I count.There are three.\n{"type":"none"}');
    expect(events.find(({ event }) => event === 'tool_result')?.data).toMatchObject({ content: '3', is_error: false });
    const [first, second] = peer.calls.slice(before);
    expect([first!.model, second!.model]).toEqual(['test-model', 'test-model']);
    // Of what it may use, it has this much left.
    expect(second!.max_tokens).toBeLessThan(4_000);
    expect(new Set(peer.keys)).toEqual(new Set([peer.key]));
    const { usage } = events.at(-1)!.data as { usage: { input_tokens: number; output_tokens: number } };
    expect(usage.output_tokens).toBeGreaterThan(Math.ceil('I count.There are three.'.length / 4));
    // The next turn knows of this one, and the account's limits too.
    peer.next({ text: 'Again.', toolCalls: [{ name: 'count', arguments: {} }] }, 'Still three.');
    await turn(session, 'work more');
    expect(peer.calls.at(-2)!.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
    ]);
    const { buckets } = (await alice.get('/v1/usage')).body.rate_limit;
    expect(buckets.session_turn.windows[0].tokens).toBeGreaterThan(usage.input_tokens + usage.output_tokens);
  });

  it('tells by metadata how its work goes; what cannot be kept there is a text', async () => {
    const session = await create();
    expect(textOf(await turn(session, 'note'))).toBe(
      '{"type":"metadata","metadata":7}\n{"type":"metadata","metadata":{"a":"\\u0000"}}\n',
    );
    expect((await alice.get(`/v1/sessions/${session}`)).body.metadata).toEqual({ stage: 2 });
  });

  it('is killed when its turn is cancelled', async () => {
    const session = await create();
    const stream = await send(session, 'keep on');
    await stream.until('text.delta');
    expect(running('agent.mjs')).not.toHaveLength(0);
    await alice.post(`/v1/sessions/${session}/responses/${stream.id}/cancel`);
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'message.cancelled' });
    await eventually(() => Promise.resolve(running('agent.mjs').length === 0));
  });

  it('that fails, tells too much or is not there says so', async () => {
    const failed = await turn(await create(), 'fail');
    expect(textOf(failed)).toBe('so far\n');
    expect(failed.at(-1)).toMatchObject({
      event: 'message.error',
      data: { error: 'agent_command_failed', message: expect.stringContaining('3') as string },
    });
    const flooded = await turn(await create(), 'flood');
    expect(flooded.at(-1)).toMatchObject({ event: 'message.error', data: { error: 'agent_command_output_limit' } });
    const bob = await signUp(server);
    await put('agent-command', 'no-such-program', bob);
    const missing = await (await send(await create(bob), 'Hello', bob)).all();
    expect(missing.at(-1)).toMatchObject({ event: 'message.error', data: { error: 'agent_command_not_found' } });
  });

  it('asks for tools of the client, and is given their results', async () => {
    const bob = await signUp(server);
    await put('caller.mjs', CALLER, bob);
    await put('agent-command', `${NODE} caller.mjs`, bob);
    const tools = [{ type: 'function', function: LOOK_UP }];
    const { id: session } = (await bob.post('/v1/sessions', { tools })).body;
    const stream = await send(session as string, 'go', bob);
    await stream.until('text.delta');
    const asked = stream.events.filter(({ event }) => event === 'tool_call.requested').map(({ data }) => data);
    expect(asked).toMatchObject([
      { id: 'a', name: 'look_up', input: { word: 'first' } },
      { id: 'b', name: 'look_up', input: { word: 'second' } },
    ]);
    const answer = (results: object[]) =>
      bob.post(`/v1/sessions/${session}/tool_results`, { response_id: stream.id, tool_results: results } as never);
    expect(await answer([{ id: 'c', content: 'x' }])).toMatchObject({ status: 404 });
    expect(await answer([{ id: 'b', content: 'no', is_error: true }])).toMatchObject({ status: 200 });
    await stream.until('tool_result');
    expect(await answer([{ id: 'a', content: { found: 1 } }])).toMatchObject({ status: 200 });
    const events = await stream.all();
    expect(events.at(-1)?.event).toBe('message.completed');
    expect(
      events.filter(({ event }) => event === 'tool_result').map(({ data }) => [data['id'], data['content']]),
    ).toEqual([
      ['b', 'no'],
      ['a', '{"found":1}'],
    ]);
    const said = JSON.parse(textOf(events).split('\n').at(-1)!) as { tools: object[]; answers: { id: string }[] };
    expect(said.tools).toEqual(tools);
    expect(said.answers).toEqual([
      { type: 'tool_result', id: 'c', content: "There is no tool 'no_such_tool'", is_error: true },
      { type: 'tool_result', id: 'a', content: "The id 'a' was used before", is_error: true },
      { type: 'tool_result', id: 'b', content: 'no', is_error: true },
      { type: 'tool_result', id: 'a', content: '{"found":1}', is_error: false },
    ]);
    // The next turn knows what was asked and answered; a cancelled one leaves nobody waiting.
    const waiting = await send(session as string, 'stay', bob);
    await waiting.until('tool_call.requested');
    await bob.post(`/v1/sessions/${session}/responses/${waiting.id}/cancel`);
    expect((await waiting.all()).at(-1)?.event).toBe('message.cancelled');
    expect((await bob.get(`/v1/sessions/${session}`)).body.busy).toBe(false);
  });

  it('answers in chats too', async () => {
    const { id: session, disk } = await startCheckout(server, alice);
    writeFileSync(join(disk, 'work/agent.mjs'), AGENT);
    writeFileSync(join(disk, 'work/agent-command'), `${NODE} agent.mjs`);
    const { chats } = (await alice.get(`/api/sessions/${session}/chats`)).body as { chats: { id: string }[] };
    peer.next({ text: 'I count.', toolCalls: [{ name: 'count', arguments: {} }] }, 'There are three.');
    const answer = await answerIn(await sendChat(alice, { session, id: chats[0]!.id }, [userSays('work on it')]));
    expect(answer.parts.map(({ type }) => type)).toEqual(['step-start', 'text', 'tool-count', 'step-start', 'text']);
  });
});

onAbleMachines('the model of such a command', () => {
  it('shows it neither its key nor its address anywhere', async () => {
    const seen = textOf(await turn(await create(), 'look'));
    expect(seen).toContain('OPENAI_API_KEY');
    expect(seen).not.toContain(peer.key);
    expect(seen).not.toContain(peer.origin);
  });

  it('takes the token of the turn, which is worth nothing in another or afterwards', async () => {
    const [session, other] = [await create(), await create()];
    const token = async (): Promise<string> => {
      const headers = { 'x-api-key': alice.key ?? '' };
      return (await fetch(`${alice.url}/v1/sessions/${session}/files/token`, { headers })).text();
    };
    const stream = await send(session, 'keep on');
    await stream.until('text.delta');
    const live = await token();
    expect(live).toMatch(/^turn-[0-9a-f]{64}$/);
    expect((await ask({ path: '/models', token: live }, other)).status).toBe(401);
    await alice.post(`/v1/sessions/${session}/responses/${stream.id}/cancel`);
    expect((await stream.all()).at(-1)?.event).toBe('message.cancelled');
    expect((await ask({ body: question, token: live }, session)).status).toBe(401);
    expect((await ask({ path: '/models' }, session)).status).toBe(200);
  });

  it.each<[string, object, number, string]>([
    ['nobody', { path: '/models', token: '' }, 401, 'invalid_api_key'],
    ['other paths', { path: '/embeddings', body: {} }, 404, 'not_found'],
    ['another model', { body: { ...question, model: 'other-model' } }, 404, 'model_not_found'],
    ['what is no JSON', { raw: '{' }, 400, 'bad_request'],
    ['what is too long', { body: { messages: [{ role: 'user', content: 'x'.repeat(1_100_000) }] } }, 413, 'too_large'],
    ['more answers than one', { body: { ...question, n: 2 } }, 400, 'n is not taken'],
    ['tools of the endpoint', { body: { ...question, tools: [{ type: 'web_search' }] } }, 400, 'functions'],
    [
      'pictures that the endpoint fetches',
      {
        body: {
          messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://evil.test/?data' } }] }],
        },
      },
      400,
      'data: images',
    ],
  ])('refuses %s', async (_name, request, status, text) => {
    const before = peer.requests.length;
    // A message is shorter than what is too long for the door.
    const asked = status === 413 ? await askLong() : await ask(request);
    expect(asked).toMatchObject({ status, text: expect.stringContaining(text) as string });
    expect(peer.requests).toHaveLength(before);
  });

  it('says that it fails, without what its endpoint said', async () => {
    peer.next({ status: 401, message: `Incorrect API key provided: ${peer.key}` }, { status: 429 });
    const refused = await ask({ body: question });
    expect(refused.status).toBe(502);
    expect(refused.text).not.toContain(peer.key);
    expect((await ask({ body: question })).status).toBe(429);
    peer.next({ text: 'So far', then: 'error' });
    const broken = await ask({ body: { ...question, stream: true } });
    expect(broken.text).toContain('So far');
    expect(broken.text).toContain('llm_request_failed');
    expect(broken.text).not.toContain('secret-of-the-endpoint');
  });

  it.each<[string, object]>([
    ['0', { event: 'message.completed', data: { status: 'incomplete', reason: 'token_budget' } }],
    ['5', { event: 'message.error', data: { error: 'token_budget' } }],
  ])('ends at the budget of the turn; exit code %s', async (code, end) => {
    const before = peer.calls.length;
    peer.next('x'.repeat(8_000), 'x'.repeat(8_000));
    const events = await turn(await create(), `spend ${code}`);
    expect(textOf(events)).toContain('token_budget');
    expect(events.at(-1)).toMatchObject(end);
    expect(peer.calls).toHaveLength(before + 2);
  });
});

/** A request that is longer than any message. */
async function askLong(): Promise<{ status: number; text: string }> {
  await put('agent-command', `${NODE} long.mjs`);
  await put('long.mjs', AGENT.replace('JSON.parse(rest', "{ raw: 'x'.repeat(1_100_000) } ?? (rest"));
  try {
    return await ask({});
  } finally {
    await put('agent-command', `${NODE} agent.mjs`);
  }
}
