import { Client, signUp, type TestAccount } from '../support/client.js';
import { EventStream, type ServerEvent } from '../support/event-stream.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let peer: LlmPeer;
let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer(modelSettings(peer));
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

async function create(body: object = {}, client: Client = alice): Promise<string> {
  const { status, body: session } = await client.post('/v1/sessions', body as Record<string, never>);
  if (status !== 201) throw new Error(`creating a session answered ${status}: ${JSON.stringify(session)}`);
  return session.id as string;
}

const send = (session: string, message: string, client: Client = alice): Promise<EventStream> =>
  EventStream.open(client, `/v1/sessions/${session}/messages`, { body: { message } });

const exec = (command: string) => ({ toolCalls: [{ name: 'exec', arguments: { command } }] });
const names = (events: readonly ServerEvent[]): string[] => events.map(({ event }) => event);
const said = (events: readonly ServerEvent[]): string =>
  events.flatMap(({ event, data }) => (event === 'text.delta' ? [data['content'] as string] : [])).join('');

/** A promise, and what keeps it. */
function gate(): { readonly closed: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  return { closed: new Promise((resolve) => (open = resolve)), open: () => open() };
}

describe('a message', () => {
  it('is answered as a stream of numbered events with one end', async () => {
    const session = await create();
    peer.next({ thinking: 'Hm. Hello is a greeting.', text: 'Hello yourself, good person!' });
    const stream = await send(session, 'Hello');
    expect(stream.status).toBe(200);
    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(stream.id).toMatch(/^msg_[0-9a-f]{24}$/);
    const events = await stream.all();
    expect(names(events).filter((name, index, all) => name !== all[index - 1])).toEqual([
      'message.created',
      'thinking.start',
      'thinking.delta',
      'thinking.stop',
      'text.start',
      'text.delta',
      'text.stop',
      'message.completed',
    ]);
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index));
    expect(events.map(({ data }) => data['sequence_number'])).toEqual(events.map(({ id }) => id));
    expect(events[0]!.data).toMatchObject({ id: stream.id, session_id: session, status: 'in_progress' });
    expect(said(events)).toBe('Hello yourself, good person!');
    const usage = events.at(-1)!.data['usage'] as Record<string, number>;
    expect(events.at(-1)!.data).toMatchObject({ id: stream.id, status: 'completed' });
    expect(usage['total_tokens']).toBe(usage['input_tokens']! + usage['output_tokens']!);
    expect(usage['output_tokens']).toBeGreaterThan(0);
  });

  it('has the agent run a command in the real sandbox and work on files there', async () => {
    const session = await create({ file_access: { write: ['work'] } });
    await alice.send('PUT', `/v1/sessions/${session}/files/work/in.txt`, Buffer.from('41'));
    peer.next(
      { text: 'Let me look. ', toolCalls: [{ name: 'read_file', arguments: { path: 'work/in.txt' } }] },
      exec('expr $(cat work/in.txt) + 1; ls / | grep -c home; touch outside.txt'),
      { toolCalls: [{ name: 'write_file', arguments: { path: 'work/deep/out.txt', content: '42 \u00fc' } }] },
      { toolCalls: [{ name: 'list_files', arguments: { path: '/opt/sandbox/workspace/work' } }] },
      { toolCalls: [{ name: 'read_file', arguments: { path: 'elsewhere/secret' } }] },
      { toolCalls: [{ name: 'no_such_tool', arguments: {} }] },
      'It is 42.',
    );
    const events = await (await send(session, 'What is one more?')).all();
    const results = events.filter(({ event }) => event === 'tool_result').map(({ data }) => data);
    expect(results.map((result) => result['is_error'])).toEqual([false, true, false, false, true, true]);
    const contents = results.map((result) => result['content'] as string);
    expect(contents[0]).toBe('41');
    expect(contents[1]).toMatch(/^42\n0\n.*Read-only file system\n\[exit code 1\]$/s);
    expect(contents[3]).toBe('deep/\nin.txt');
    expect(contents[4]).toContain('not in session scope');
    const call = events.filter(({ data }) => data['id'] === results[1]!['id']);
    expect(names(call).filter((name) => name !== 'tool_use.input_delta')).toEqual([
      'tool_use.start',
      'tool_use.executing',
      'tool_use.stop',
      'tool_result',
    ]);
    const input = call.flatMap(({ event, data }) => (event === 'tool_use.input_delta' ? [data['partial_json']] : []));
    expect(JSON.parse(input.join(''))).toEqual(call.find(({ event }) => event === 'tool_use.executing')!.data['input']);
    expect(said(events)).toBe('Let me look. It is 42.');
    const file = await alice.get(`/v1/sessions/${session}/files/work/deep/out.txt`);
    expect(file).toMatchObject({ status: 200, body: '42 ü' });
    // What the model was shown last is the whole conversation, in which each call has its result.
    expect(peer.calls.at(-1)!.messages.filter(({ role }) => role === 'tool')).toHaveLength(6);
  });

  it('goes on with the conversation, and with what the model said although it failed', async () => {
    const session = await create();
    peer.next('Blue it is.', { text: 'I was about to', then: 'drop' }, 'Blue.');
    await (await send(session, 'My colour is blue.')).all();
    const failed = await (await send(session, 'Say something long.')).all();
    expect(failed.at(-1)).toMatchObject({ event: 'message.error', data: { error: 'llm_request_failed' } });
    await (await send(session, 'Which colour?')).all();
    const { messages } = peer.calls.at(-1)!;
    expect(messages.map(({ role, content }) => [role, content])).toEqual([
      ['system', expect.stringContaining('sandbox')],
      ['user', 'My colour is blue.'],
      ['assistant', 'Blue it is.'],
      ['user', 'Say something long.'],
      ['assistant', 'I was about to'],
      ['user', 'Which colour?'],
    ]);
  });

  it.each([
    ['an error in the middle of the stream', { text: 'Well', then: 'error' as const }],
    ['an answer that is an error', { status: 400, message: 'secret-of-the-endpoint' }],
  ])('ends in one error for %s, which says nothing of the endpoint', async (_, reply) => {
    const session = await create();
    peer.next(reply);
    const stream = await send(session, 'Hello');
    const events = await stream.all();
    expect(events.at(-1)).toMatchObject({
      event: 'message.error',
      data: { id: stream.id, error: 'llm_request_failed', message: expect.any(String) as string },
    });
    expect(names(events).filter((name) => /^message\.(completed|error|cancelled)$/.test(name))).toHaveLength(1);
    expect(stream.text).not.toContain('secret-of-the-endpoint');
    expect(stream.text).not.toContain(peer.key);
    expect((await alice.get(`/v1/sessions/${session}`)).body.busy).toBe(false);
  });

  it.each<[unknown, number]>([
    [{}, 400],
    [{ message: '' }, 400],
    [{ message: 7 }, 400],
    [{ message: 'a\0' }, 400],
    [{ message: 'x'.repeat(262_145) }, 400],
    [[], 400],
  ])('is refused: %#', async (body, status) => {
    const session = await create();
    const answer = await alice.post(`/v1/sessions/${session}/messages`, body as Record<string, never>);
    expect(answer).toMatchObject({ status, body: { error: expect.any(String) as string } });
    expect((await alice.get(`/v1/sessions/${session}`)).body.busy).toBe(false);
  });
});

describe('a session', () => {
  it('takes one message at a time, is busy meanwhile, and outlives its last response by five minutes', async () => {
    const session = await create();
    const { closed, open } = gate();
    peer.next({ text: 'Wait', then: closed });
    const [one, two] = await Promise.all([send(session, 'one'), send(session, 'two')]);
    const [won, lost] = one.status === 200 ? [one, two] : [two, one];
    expect([won.status, lost.status]).toEqual([200, 409]);
    await lost.all();
    expect(JSON.parse(lost.text)).toMatchObject({ error: 'session.busy' });
    const busy = (await alice.get(`/v1/sessions/${session}`)).body;
    expect(busy).toMatchObject({ busy: true, expires_at: busy.created_at + 14_400 });
    expect((await alice.delete('/v1/sessions?status=idle&older_than=0s')).body.deleted).toBeGreaterThanOrEqual(0);
    expect((await alice.get(`/v1/sessions/${session}`)).body.busy).toBe(true);
    open();
    await won.all();
    const idle = (await alice.get(`/v1/sessions/${session}`)).body;
    expect(idle.busy).toBe(false);
    expect(idle.expires_at).toBeCloseTo(idle.last_activity + 300, 2);
    expect(idle.last_activity).toBeGreaterThan(busy.created_at as number);
  });

  it('that is destroyed ends its response as cancelled, and is gone then', async () => {
    const session = await create();
    peer.next(exec('sleep 600'));
    const stream = await send(session, 'Sleep');
    await stream.until('tool_use.executing');
    expect((await alice.delete(`/v1/sessions/${session}`)).status).toBe(204);
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'message.cancelled', data: { id: stream.id } });
    expect((await alice.get(`/v1/sessions/${session}/responses/${stream.id}/events`)).status).toBe(404);
  });

  it('of many that are destroyed, busy ones too, ends its response as cancelled', async () => {
    const carol = await signUp(server);
    const [idle, session] = [await create({}, carol), await create({}, carol)];
    peer.next(exec('sleep 600'));
    const stream = await send(session, 'Sleep', carol);
    await stream.until('tool_use.executing');
    expect((await carol.delete('/v1/sessions?status=idle')).body).toEqual({ deleted: 1 });
    expect((await carol.get(`/v1/sessions/${idle}`)).status).toBe(404);
    await eventually(async () => (await carol.delete('/v1/sessions?older_than=1s')).body.deleted === 1);
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'message.cancelled', data: { id: stream.id } });
  });

  it('tells its agent what the workspace says, in the order of the names, as it was when the session was made', async () => {
    const carol = await signUp(server);
    const owner = await create({}, carol);
    const put = (path: string, text: string) =>
      carol.send('PUT', `/v1/sessions/${owner}/files/${path}`, Buffer.from(text));
    for (const name of ['b.md', 'a.md', 'c.txt', 'deep/d.md']) await put(`.pokee/${name}`, `say ${name}`);
    await put('.pokee/z.md', 'x'.repeat(1_048_570));
    await put('.memory/MEMORY.md', 'remember this');
    const [all, narrow, some] = await Promise.all([
      create({}, carol),
      create({ file_access: { write: ['work'] } }, carol),
      create({ file_access: { read: ['.pokee/b.md', '.memory'] } }, carol),
    ]);
    await put('.pokee/a.md', 'changed');
    await put('.memory/MEMORY.md', 'remember that');
    const told = async (session: string): Promise<string> => {
      peer.next('Yes.');
      await (await send(session, 'Hello', carol)).all();
      return String(peer.calls.at(-1)!.messages[0]!.content);
    };
    expect(await told(all)).toMatch(/say a\.md\n\n[^\n]*b\.md[^\n]*\nsay b\.md\n\n[^]*remember that$/);
    expect(await told(all)).not.toMatch(/c\.txt|d\.md|xxxx|changed/);
    expect(await told(narrow)).not.toMatch(/Instructions|Notes|remember/);
    expect(await told(some)).toMatch(/^(?![^]*a\.md)[^]*say b\.md\n\n[^]*remember that$/);
  });

  it('shows in its metadata how the work goes, as its agent tells it', async () => {
    const session = await create({ metadata: { job: 7, stage: 'begun' } });
    const tell = (metadata: unknown) => ({ toolCalls: [{ name: 'set_metadata', arguments: { metadata } }] });
    peer.next(
      tell({ stage: 'slides', slide: 3 }),
      tell('done'),
      tell({ half: '\ud800' }),
      tell({ slide: null }),
      'Done.',
    );
    const events = await (await send(session, 'Work')).all();
    const results = events.filter(({ event }) => event === 'tool_result').map(({ data }) => data['is_error']);
    expect(results).toEqual([false, true, true, false]);
    expect((await alice.get(`/v1/sessions/${session}`)).body.metadata).toEqual({ job: 7, stage: 'slides' });
  });

  it("asks its own model, not the server's", async () => {
    peer.next('Yes.');
    await (await send(await create({ model: 'other-model' }), 'Hello')).all();
    expect(peer.calls.at(-1)!.model).toBe('other-model');
  });
});

describe('a response', () => {
  it('goes on without its reader, and is read from every event on with the same bytes', async () => {
    const session = await create();
    const { closed, open } = gate();
    peer.next({ text: 'One, two, three. Four, five, six and so on.', ...exec('echo seven'), then: closed }, 'Done.');
    const first = await send(session, 'Count');
    await first.until('text.delta');
    await first.leave();
    const path = `/v1/sessions/${session}/responses/${first.id}/events`;
    const live = await EventStream.open(alice, path);
    await live.until('text.delta');
    open();
    await live.all();
    const whole = live.text.replaceAll(': keep-alive\n\n', '');
    expect(whole.startsWith(first.text.replaceAll(': keep-alive\n\n', ''))).toBe(true);
    const frames = whole.split('\n\n').slice(0, -1);
    for (const after of frames.keys()) {
      const rest = frames.slice(after + 1).map((frame) => `${frame}\n\n`);
      const resumed = await EventStream.open(alice, path, { headers: { 'last-event-id': String(after) } });
      await resumed.all();
      expect(resumed.text).toBe(rest.join(''));
    }
    const byQuery = await EventStream.open(alice, `${path}?last_event_id=0`);
    await byQuery.all();
    expect(byQuery.text).toBe(whole.slice(whole.indexOf('\n\n') + 2));
    const beyond = await EventStream.open(alice, path, { headers: { 'last-event-id': '999999999' } });
    expect([beyond.status, await beyond.all()]).toEqual([200, []]);
    for (const bad of ['-1', 'x', '1.5', '99999999999'])
      expect((await alice.get(path, { 'last-event-id': bad })).status).toBe(400);
  });

  it('is cancelled in the middle of a command, which ends with it', async () => {
    const session = await create();
    peer.next(exec('echo begun > begun; sleep 600; echo over > over'), 'It was cancelled.');
    const stream = await send(session, 'Sleep');
    await stream.until('tool_use.executing');
    const cancel = `/v1/sessions/${session}/responses/${stream.id}/cancel`;
    expect(await alice.post(cancel)).toMatchObject({
      status: 202,
      body: { response_id: stream.id, status: 'cancelling' },
    });
    const events = await stream.all();
    expect(events.at(-1)).toMatchObject({ event: 'message.cancelled', data: { id: stream.id } });
    expect(await alice.post(cancel)).toMatchObject({ status: 200, body: { status: 'already_complete' } });
    expect((await alice.post(`/v1/sessions/${session}/responses/msg_${'0'.repeat(24)}/cancel`)).status).toBe(404);
    // The conversation goes on: the model sees that its call came to nothing.
    await (await send(session, 'What happened?')).all();
    expect(peer.calls.at(-1)!.messages.at(-2)).toMatchObject({ role: 'tool' });
    expect((await alice.get(`/v1/sessions/${session}/files/over`)).status).toBe(404);
  });

  it('belongs to its account and session: for everybody else there is none', async () => {
    const [session, other, strange] = await Promise.all([create(), create(), create({}, bob)]);
    const { id } = await send(session, 'Hello');
    const stranger = new Client(server.url, bob.key);
    for (const [client, path] of [
      [stranger, `/v1/sessions/${session}/responses/${id}`],
      [stranger, `/v1/sessions/${strange}/responses/${id}`],
      [alice, `/v1/sessions/${other}/responses/${id}`],
      [alice, `/v1/sessions/${session}/responses/${id}0`],
    ] as const) {
      expect((await client.get(`${path}/events`)).status).toBe(404);
      expect((await client.post(`${path}/cancel`)).status).toBe(404);
    }
    expect((await stranger.post(`/v1/sessions/${session}/messages`, { message: 'Hello' })).status).toBe(404);
    const results = { response_id: id, tool_results: [{ id: 'x', content: 'y' }] };
    expect((await stranger.post(`/v1/sessions/${session}/tool_results`, results)).status).toBe(404);
  });
});
