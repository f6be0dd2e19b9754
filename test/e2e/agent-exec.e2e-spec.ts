import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { Database, PeriodicTasks } from '../../libs/platform/src/index.js';
import { SandboxProvider } from '../../libs/sandboxes/src/index.js';
import { type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { EventStream, type ServerEvent } from '../support/event-stream.js';
import { eventually } from '../support/pinned-sessions.js';
import { onAbleMachines, running } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;
let id: string;

beforeAll(async () => {
  server = await startTestServer({ SANDBOX_COMMANDS: '4' });
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
  id = await session();
});

afterAll(async () => {
  await server.close();
});

const JSON_ONLY = { accept: 'application/json' };

async function session(body: object = {}, client: Client = alice): Promise<string> {
  return ((await client.post('/v1/sessions', { persistent: true, ...body })).body as { id: string }).id;
}

const exec = (argv: unknown, more: object = {}, sandbox = id, headers = {}): Promise<Answer> =>
  alice.post(`/v1/sessions/${sandbox}/exec`, { argv, ...more } as Record<string, unknown>, {
    ...JSON_ONLY,
    ...headers,
  });
const shell = (script: string, more: object = {}, sandbox = id): Promise<Answer> =>
  exec(['sh', '-c', script], more, sandbox);
const start = async (script: string, more: object = {}, sandbox = id): Promise<string> =>
  ((await shell(script, { background: true, ...more }, sandbox)).body as { id: string }).id;
const path = (execution: string, tail = ''): string => `/v1/sessions/${id}/exec/${execution}${tail}`;
const follow = (execution: string, after?: number): Promise<EventStream> =>
  EventStream.open(alice, path(execution, '/events'), {
    headers: after === undefined ? {} : { 'last-event-id': String(after) },
  });
const textOf = (events: readonly ServerEvent[], stream: string): string =>
  Buffer.concat(
    events.filter(({ event }) => event === stream).map(({ data }) => Buffer.from(data.data_b64 as string, 'base64')),
  ).toString();

async function waitForEnd(execution: string, sandbox = id): Promise<Record<string, unknown>> {
  return (await alice.get(`/v1/sessions/${sandbox}/exec/${execution}/events`, JSON_ONLY)).body as Record<
    string,
    unknown
  >;
}

onAbleMachines('a command', () => {
  it('is streamed: numbered events of both streams, and one exit', async () => {
    const stream = await EventStream.open(alice, `/v1/sessions/${id}/exec`, {
      body: { argv: ['sh', '-c', 'echo out; echo err >&2; printf "\\303"; printf "\\244"; exit 7'] },
    });
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    const events = await stream.all();
    expect(events.map(({ id: seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map(({ id: seq }) => seq));
    expect(textOf(events, 'stdout')).toBe('out\nä');
    expect(textOf(events, 'stderr')).toBe('err\n');
    expect(events.filter(({ event }) => event === 'exit')).toHaveLength(1);
    const { data } = events.at(-1)!;
    expect(data).toEqual({
      sequence_number: events.length,
      execution_id: stream.response.headers.get('x-execution-id'),
      code: 7,
      signal: null,
      timed_out: false,
      oom_killed: false,
      too_many_processes: false,
      disk_full: false,
      cancelled: false,
      truncated: false,
      duration_ms: expect.any(Number) as number,
      error: null,
    });
  });

  it('is answered as JSON to who asks for that', async () => {
    const { status, body } = await exec(['sh', '-c', 'cat; echo "$GREETING$constructor" >&2; pwd'], {
      stdin: 'typed ',
      env: { GREETING: 'hel', constructor: 'lo' },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'exited',
      session_id: id,
      background: false,
      stdout: 'typed /opt/sandbox/workspace\n',
      stderr: 'hello\n',
      exit: { code: 0, error: null },
    });
    expect((await shell('printf "\\377"')).body).toMatchObject({ stdout: '\ufffd', stdout_b64: '/w==' });
  });

  it('is no line for a shell', async () => {
    expect((await exec(['echo', '$HOME; id', '"'])).body).toMatchObject({ stdout: '$HOME; id "\n' });
  });

  it.each<[unknown, object, string]>([
    ['ls -l', {}, 'argv'],
    [[], {}, 'argv'],
    [[1], {}, 'argv'],
    [['a\0b'], {}, 'argv'],
    [[''], {}, 'argv'],
    [undefined, {}, 'argv'],
    [['true'], { env: { 'A=B': '1' } }, 'env'],
    [['true'], { env: { A: 1 } }, 'env.A'],
    [['true'], { env: ['A'] }, 'env'],
    [['true'], { timeout: 0 }, 'timeout'],
    [['true'], { timeout: 604_800 }, 'timeout'],
    [['true'], { timeout: '5' }, 'timeout'],
    [['true'], { max_output_bytes: 99_999_999 }, 'max_output_bytes'],
    [['true'], { stdin: 'a', stdin_b64: 'YQ==' }, 'stdin_b64'],
    [['true'], { stdin_b64: '!' }, 'stdin_b64'],
    [['true'], { cwd: 'a\0' }, 'path'],
    [['true'], { background: 'yes' }, 'background'],
  ])('that is malformed is 400: %j %j', async (argv, more, field) => {
    expect(await exec(argv, more)).toMatchObject({ status: 400, body: { error: 'invalid_input', field } });
  });
});

onAbleMachines('the bounds of a command', () => {
  it('are its length, as the kernel has it', async () => {
    expect(await exec(['x'.repeat(200_000)])).toMatchObject({ status: 400, body: { field: 'argv' } });
  });

  it('are a time, a size and a place', async () => {
    expect((await shell('sleep 60', { timeout: 1 })).body).toMatchObject({
      exit: { timed_out: true, code: 143, signal: 'SIGTERM' },
    });
    expect((await shell('head -c 5000 /dev/zero', { max_output_bytes: 1_000 })).body).toMatchObject({
      exit: { truncated: true, code: 0 },
      stdout: '\0'.repeat(1_000),
    });
    await shell('mkdir -p a/b; ln -s /etc away; touch file');
    for (const [cwd, expected] of [
      ['a/b', '/opt/sandbox/workspace/a/b\n'],
      ['/opt/sandbox/workspace/a', '/opt/sandbox/workspace/a\n'],
      [`.sessions/${id}`, `/opt/sandbox/workspace/.sessions/${id}\n`],
    ])
      expect((await shell('pwd', { cwd })).body).toMatchObject({ stdout: expected });
    for (const cwd of ['/etc', '../..', 'away', '/opt/sandbox/workspacex', '.sessions/sess_000000000000'])
      expect(await shell('pwd', { cwd })).toMatchObject({ status: 403, body: { error: 'not_in_scope' } });
    expect((await shell('pwd', { cwd: 'nowhere' })).status).toBe(404);
    expect((await shell('pwd', { cwd: 'file' })).status).toBe(409);
  });

  it('and what it names: 127 and the reason', async () => {
    const { body } = await exec(['no-such-program']);
    expect(body).toMatchObject({ exit: { code: 127 }, stderr: expect.stringContaining('no-such-program') as string });
  });

  it('and its key: it is started once, whoever asks how often', async () => {
    const key = { 'idempotency-key': 'k1' };
    const argv = ['sh', '-c', 'sleep 0.3; echo ran >> once; cat once'];
    const answers = await Promise.all([exec(argv, {}, id, key), exec(argv, {}, id, key), exec(argv, {}, id, key)]);
    expect(answers.map(({ body }) => (body as { stdout: string }).stdout)).toEqual(['ran\n', 'ran\n', 'ran\n']);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(2);
    expect((await exec(['true'], {}, id, key)).status).toBe(422);
  });
});

onAbleMachines('files and commands', () => {
  it('see what the other has written, whoever made the directories', async () => {
    const put = (name: string, text: string): Promise<Answer> =>
      alice.send('PUT', `/v1/sessions/${id}/files/${name}`, Buffer.from(text));
    expect((await put('shared/by-http/one', 'one')).status).toBe(201);
    const script =
      'cd shared/by-http && cat one && echo two > two && mv one three && mkdir -m 700 deep && echo x > deep/x';
    expect((await shell(script)).body).toMatchObject({ stdout: 'one', exit: { code: 0 } });
    expect((await alice.get(`/v1/sessions/${id}/files/shared/by-http/two`)).body).toBe('two\n');
    expect((await put('shared/by-http/deep/x', 'changed')).status).toBe(201);
    expect((await shell('cat shared/by-http/deep/x; rm -r shared/by-http')).body).toMatchObject({
      stdout: 'changed',
      exit: { code: 0 },
    });
  });
});

onAbleMachines('a program that locks itself out', () => {
  (geteuid!() === 0 ? it.skip : it)('locks the server out, unless that is root, which says so', async () => {
    await shell('mkdir -p locked/in; echo x > file; chmod 000 locked file');
    const files = `/v1/sessions/${id}/files`;
    for (const [method, name] of [
      ['GET', 'locked/in'],
      ['GET', 'file'],
      ['PUT', 'locked/x'],
      ['DELETE', 'locked/in'],
    ] as const)
      expect(await alice.send(method, `${files}/${name}`)).toMatchObject({
        status: 409,
        body: { error: 'not_permitted' },
      });
    const narrow = await alice.post('/v1/sessions', { file_access: { read: ['locked/in'] } });
    expect(narrow).toMatchObject({ status: 400, body: { field: 'file_access' } });
    await shell('chmod 755 locked');
    const before = await session({ file_access: { read: ['locked/in'] } });
    await shell('chmod 000 locked');
    expect(await shell('true', {}, before)).toMatchObject({ status: 409, body: { error: 'not_permitted' } });
    await shell('chmod 755 locked');
    // Nobody but root may look into a program that cannot be read: who watches it goes on all the same.
    const hidden = 'cp "$(command -v sleep)" hidden && chmod 111 hidden && ./hidden 2; echo $?';
    expect((await shell(hidden)).body).toMatchObject({ stdout: '0\n', exit: { code: 0, error: null } });
  });
});

onAbleMachines('a command in the background', () => {
  it('is fed, signalled, listed, followed and cancelled', async () => {
    const execution = await start(
      '(trap "echo signalled" USR1; while :; do sleep 0.1; done) 2>/dev/null & trap "" USR1; ' +
        'while read -r line; do echo "got $line"; done; echo over',
    );
    const stream = await follow(execution);
    expect((await alice.send('POST', path(execution, '/stdin'), Buffer.from('a\nb\n'))).status).toBe(204);
    await eventually(async () => textOf(stream.events, 'stdout') === 'got a\ngot b\n');
    expect((await alice.post(path(execution, '/signal'), { signal: 'SIGUSR1' })).status).toBe(204);
    expect((await alice.post(path(execution, '/signal'), { signal: 'SIGNOPE' })).status).toBe(400);
    await eventually(async () => textOf(stream.events, 'stdout').includes('signalled'));
    expect((await alice.get(path(execution))).body).toMatchObject({ status: 'running', background: true, exit: null });
    const listed = (await alice.get(`/v1/sessions/${id}/exec?limit=1`)).body as { id: string }[];
    expect(listed.map((one) => one.id)).toEqual([execution]);
    expect((await alice.send('POST', path(execution, '/stdin?end=true'), Buffer.from('c\n'))).status).toBe(204);
    expect(textOf(await stream.all(), 'stdout')).toMatch(/got c\nover\n$/);
    expect((await alice.post(path(execution, '/cancel'))).body).toEqual({ status: 'already_complete' });
    for (const tail of ['/stdin', '/signal'])
      expect(await alice.post(path(execution, tail), { signal: 'SIGTERM' })).toMatchObject({
        status: 409,
        body: { error: 'execution_ended' },
      });
  });

  it('ends when it is cancelled, with what it left behind', async () => {
    const execution = await start('setsid sleep 1000.25 & trap "" TERM; sleep 1000');
    await eventually(async () => running('1000.25').length === 1);
    expect(await alice.post(path(execution, '/cancel'))).toMatchObject({ status: 202, body: { status: 'cancelling' } });
    expect(await waitForEnd(execution)).toMatchObject({ exit: { cancelled: true, code: 137 } });
    expect(running('1000.25')).toEqual([]);
  });

  it('is read on from any event, as often as one likes', async () => {
    const execution = await start('for n in 1 2 3 4 5; do echo $n; sleep 0.05; done');
    const whole = await (await follow(execution)).all();
    expect(textOf(whole, 'stdout')).toBe('1\n2\n3\n4\n5\n');
    for (const after of [0, 1, whole.length - 1, whole.length, whole.length + 5])
      expect(await (await follow(execution, after)).all()).toEqual(whole.slice(after));
    const query = await EventStream.open(alice, path(execution, '/events?last_event_id=2'));
    expect(await query.all()).toEqual(whole.slice(2));
    expect((await alice.get(path(execution, '/events?last_event_id=x'))).status).toBe(400);
  });

  it('goes on when its reader leaves', async () => {
    const stream = await EventStream.open(alice, `/v1/sessions/${id}/exec`, {
      body: { argv: ['sh', '-c', 'echo first; sleep 0.5; echo last'] },
    });
    await stream.until('stdout');
    await stream.leave();
    const execution = stream.response.headers.get('x-execution-id')!;
    expect(await waitForEnd(execution)).toMatchObject({ stdout: 'first\nlast\n', exit: { cancelled: false, code: 0 } });
  });

  it('is one of so many at once', async () => {
    const own = await session();
    const started = await Promise.all(Array.from({ length: 6 }, () => shell('sleep 1000', { background: true }, own)));
    expect(started.map(({ status }) => status).sort()).toEqual([202, 202, 202, 202, 429, 429]);
    expect(started.find(({ status }) => status === 429)?.body).toMatchObject({ error: 'exec.limit', limit: 4 });
    expect((await alice.delete(`/v1/sessions/${own}`)).status).toBe(204);
  });
});

onAbleMachines('the session of a command', () => {
  it('is nobody else’s, nor is the command', async () => {
    const execution = await start('echo mine');
    const other = await session({}, bob);
    expect((await bob.post(`/v1/sessions/${id}/exec`, { argv: ['id'] })).status).toBe(404);
    for (const owner of [id, other])
      for (const tail of ['', '/events']) {
        expect((await bob.get(`/v1/sessions/${owner}/exec/${execution}${tail}`)).status).toBe(404);
      }
    expect((await bob.get(`/v1/sessions/${id}/exec`)).status).toBe(404);
    for (const garbage of ['nope', '%0A', 'x'.repeat(5_000)]) expect((await alice.get(path(garbage))).status).toBe(404);
  });

  it('takes it along when it is deleted, with what it printed', async () => {
    const own = await session();
    await start('echo kept; sleep 1000.5', {}, own);
    await eventually(async () => running('1000.5').length === 1);
    const logs = join(server.dataDir, 'executions', own);
    expect(readdirSync(logs)).toHaveLength(1);
    const [{ id: execution }] = (await alice.get(`/v1/sessions/${own}/exec`)).body as [{ id: string }];
    const stream = await EventStream.open(alice, `/v1/sessions/${own}/exec/${execution}/events`);
    expect((await alice.delete(`/v1/sessions/${own}`)).status).toBe(204);
    expect((await stream.all()).filter(({ event }) => event === 'exit')).toHaveLength(1);
    await eventually(async () => running('1000.5').length === 0);
    await eventually(async () => {
      await server.app.get(PeriodicTasks).runNow('executions.sweep');
      return !existsSync(logs);
    });
    expect(existsSync(join(server.dataDir, 'executions', id))).toBe(true);
  });

  it('forgets the oldest of very many', async () => {
    const own = await session();
    const { body } = await exec(['echo', 'first'], {}, own);
    await server.app.get(Database).query(
      `insert into execution (id, sandbox_id, argv, cwd, is_background, timeout_seconds, lease_owner, lease_expires_at,
         started_at, ended_at)
       select 'exec_' || lpad(n::text, 24, '0'), $1, '["true"]', '', false, 1, 'x', now(), now(), now()
         from generate_series(1, 99) n`,
      [own],
    );
    const first = `/v1/sessions/${own}/exec/${(body as { id: string }).id}`;
    expect((await alice.get(first)).status).toBe(200);
    await exec(['true'], {}, own);
    expect((await alice.get(first)).status).toBe(404);
    const page = await alice.get(`/v1/sessions/${own}/exec?limit=60`);
    const after = page.headers.get('x-next-after')!;
    expect((await alice.get(`/v1/sessions/${own}/exec?limit=60&after=${after}`)).body).toHaveLength(40);
  });
});

onAbleMachines('a runner that dies', () => {
  it('loses its commands, which say so, and is followed by another', async () => {
    const execution = await start('echo on; sleep 1000.75');
    const stream = await follow(execution);
    await stream.until('stdout');
    const provider = server.app.get(SandboxProvider) as SandboxProvider & { readonly pid: number };
    process.kill(provider.pid, 'SIGKILL');
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'exit', data: { code: null, error: 'execution_lost' } });
    expect((await alice.get(path(execution))).body).toMatchObject({
      status: 'lost',
      exit: { error: 'execution_lost' },
    });
    await eventually(async () => running('1000.75').length === 0);
    expect((await shell('echo again')).body).toMatchObject({ stdout: 'again\n' });
  });

  it('or a server that did, leaves nothing running for ever', async () => {
    const execution = await start('true');
    await waitForEnd(execution);
    await server.app.get(Database).query(
      `update execution set ended_at = null, facts = null, lease_owner = 'gone', lease_expires_at = now() - interval '1 s'
        where id = $1`,
      [execution],
    );
    expect((await alice.get(path(execution))).body).toMatchObject({ status: 'lost' });
    expect((await (await follow(execution)).all()).at(-1)?.data).toMatchObject({ error: 'execution_lost' });
    await server.app.get(PeriodicTasks).runNow('executions.sweep');
    expect((await alice.get(path(execution))).body).toMatchObject({
      status: 'lost',
      ended_at: expect.any(Number) as number,
    });
  });
});
