import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AccountHoldings } from '../../libs/accounts/src/index.js';
import { Clock } from '../../libs/kernel/src/index.js';
import { Database } from '../../libs/platform/src/index.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ SANDBOX_DISK_BYTES: '8388608' });
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
});

async function create(client: Client, body: Record<string, never> | object = {}): Promise<string> {
  const { status, body: session } = await client.post('/v1/sessions', body as Record<string, unknown>);
  if (status !== 201) throw new Error(`creating a session answered ${status}: ${JSON.stringify(session)}`);
  return session.id as string;
}

/** The workspace that the session works on. */
async function diskOf(id: string): Promise<string> {
  const [row] = await server.app
    .get(Database)
    .query<{ account: string }>('select account_id as account from sandbox where id = $1', [id]);
  return join(server.dataDir, 'workspaces', row!.account);
}

/** As if the session had last been used so many seconds ago. */
async function age(id: string, seconds: number): Promise<void> {
  const at = new Date(server.app.get(Clock).now() - seconds * 1_000);
  await server.app.get(Database).query('update sandbox set last_activity_at = $2 where id = $1', [id, at]);
}

/** What is no entry of a scope (sandbox-sessions.md §B5.3). */
const WRONG_ENTRIES = [
  ...['.', '/', '/a', '..', 'a/../b', 'a\0', 'a\n', 'a\\b', '.sessions', 'x'.repeat(256), `${'x/'.repeat(2_048)}y`],
  ...[7, null, ['a']],
];

describe('an agent session', () => {
  it('is made without a body, with the defaults of the contract', async () => {
    const before = Date.now() / 1_000;
    const { status, body } = await alice.post('/v1/sessions');
    expect(status).toBe(201);
    expect(body).toMatchObject({
      id: expect.stringMatching(/^sess_[0-9a-f]{12}$/) as string,
      busy: false,
      persistent: false,
      ttl: 14_400,
      status: 'ready',
      metadata: {},
      file_access: { read: [''], write: [''] },
    });
    expect(body.created_at).toBeGreaterThan(before - 5);
    expect(body.last_activity).toBe(body.created_at);
    expect(body.expires_at).toBeCloseTo((body.created_at as number) + 300, 3);
    expect(await alice.get(`/v1/sessions/${body.id}`)).toMatchObject({ status: 200, body });
    const { sandboxes } = (await alice.get('/health')).body as { sandboxes: { level?: string } };
    expect(body.limit_level).toBe(sandboxes.level ?? null);
  });

  it('takes white space for no body, and refuses what is no JSON object', async () => {
    const send = (body: string) => alice.send('POST', '/v1/sessions', Buffer.from(body));
    expect((await send(' \r\n\t')).status).toBe(201);
    for (const body of ['{', '[]', '"x"', '1', 'null', '{"a":1}x']) {
      expect(await send(body)).toMatchObject({ status: 400, body: { error: 'invalid_input' } });
    }
  });

  it('answers the scope as it takes effect', async () => {
    const { body } = await alice.post('/v1/sessions', {
      persistent: true,
      ttl: 60,
      metadata: { run: 7, nested: { a: ['b'] } },
      file_access: { read: ['./projects//p1/'], write: ['projects/p1/out', 'shared'] },
      model: 'some-model',
      tools: [{ type: 'function', function: { name: 'look_up', parameters: { type: 'object' } } }],
    });
    expect(body).toMatchObject({
      persistent: true,
      ttl: 60,
      metadata: { run: 7, nested: { a: ['b'] } },
      file_access: { read: ['projects/p1', 'shared'], write: ['projects/p1/out', 'shared'] },
    });
    expect(body.expires_at).toBeCloseTo((body.created_at as number) + 60, 3);
  });

  it.each<[object, string]>([
    [{ ttl: 59 }, 'ttl'],
    [{ ttl: 86_401 }, 'ttl'],
    [{ ttl: 60.5 }, 'ttl'],
    [{ ttl: '60' }, 'ttl'],
    [{ persistent: 'yes' }, 'persistent'],
    [{ metadata: [] }, 'metadata'],
    [{ metadata: { a: { b: 'x\0' } } }, 'metadata.a.b'],
    [{ metadata: { a: 'x'.repeat(65_536) } }, 'metadata'],
    [{ model: '' }, 'model'],
    [{ model: 'a\0' }, 'model'],
    [{ file_access: 'all' }, 'file_access'],
    [{ file_access: { read: ['..'] } }, 'file_access.read.0'],
    [{ file_access: { write: ['.sessions/sess_0123456789ab'] } }, 'file_access.write.0'],
    [{ file_access: { exec: [''] } }, 'file_access'],
    ...WRONG_ENTRIES.map((entry): [object, string] => [{ file_access: { read: [entry] } }, 'file_access.read.0']),
    [{ file_access: { read: 'a' } }, 'file_access.read'],
    [{ file_access: { read: null, write: [] } }, 'file_access.read'],
    [{ file_access: { write: Array.from({ length: 101 }, (_, i) => `d${i}`) } }, 'file_access.write'],
    [{ tools: {} }, 'tools'],
    [{ tools: [{ type: 'function', function: { name: 'no blanks' } }] }, 'tools.0.function.name'],
    [
      { tools: [{ type: 'function', function: { name: 'a', parameters: { b: '\0' } } }] },
      'tools.0.function.parameters.b',
    ],
    [{ tools: Array.from({ length: 129 }, (_, i) => ({ type: 'function', function: { name: `t${i}` } })) }, 'tools'],
  ])('refuses %j by name', async (body, field) => {
    expect(await alice.post('/v1/sessions', body as Record<string, unknown>)).toMatchObject({
      status: 400,
      body: { error: 'invalid_input', field, message: expect.any(String) as string },
    });
  });

  it('keeps metadata as it is given, and shows what is told of its progress', async () => {
    const odd = '{"toString":null,"valueOf":{"x":1},"list":[{"a":[]},1.5,true],"":"ä","gone":1}';
    const { body } = await alice.send('POST', '/v1/sessions', Buffer.from(`{"metadata":${odd}}`));
    const path = `/v1/sessions/${body.id}`;
    expect(Object.entries(body.metadata as object).sort()).toEqual(Object.entries(JSON.parse(odd) as object).sort());
    const steps = Array.from({ length: 10 }, (_, step) => alice.patch(path, { metadata: { [`step${step}`]: step } }));
    expect((await Promise.all(steps)).map(({ status }) => status)).toEqual(Array(10).fill(200));
    const told = await alice.patch(path, { metadata: { gone: null, list: { stage: 'slides' } }, ttl: 7 });
    expect(told).toMatchObject({ status: 200, body: { id: body.id, ttl: 14_400 } });
    const { metadata } = (await alice.get(path)).body as { metadata: Record<string, unknown> };
    expect(metadata).toMatchObject({
      step0: 0,
      step9: 9,
      list: { stage: 'slides' },
      valueOf: { x: 1 },
      toString: null,
    });
    expect(metadata).not.toHaveProperty('gone');
    expect(told.body.metadata).toEqual(metadata);
    for (const wrong of [{}, { metadata: null }, { metadata: [] }, { metadata: { a: '\0' } }, { metadata: 'x' }])
      expect(await alice.patch(path, wrong)).toMatchObject({ status: 400, body: { error: 'invalid_input' } });
    expect((await alice.patch(path, { metadata: { a: 'x'.repeat(40_000), b: 'x'.repeat(30_000) } })).status).toBe(400);
    expect((await bob.patch(path, { metadata: { a: 1 } })).status).toBe(404);
    expect((await alice.get(path)).body.metadata).toEqual(metadata);
  });

  it('is destroyed once, and then does not exist', async () => {
    const id = await create(alice);
    expect(await alice.delete(`/v1/sessions/${id}`)).toMatchObject({ status: 204, body: '' });
    expect(await alice.delete(`/v1/sessions/${id}`)).toMatchObject({ status: 404, body: { error: 'not_found' } });
    expect((await alice.get(`/v1/sessions/${id}`)).status).toBe(404);
  });

  it('has nobody to answer where no model is configured, and works all the same', async () => {
    const id = await create(alice);
    expect(await alice.post(`/v1/sessions/${id}/messages`, { message: 'Hello' })).toMatchObject({
      status: 503,
      body: { error: 'llm_not_configured' },
    });
    expect((await alice.get(`/v1/sessions/${id}`)).body.busy).toBe(false);
    expect((await alice.get(`/v1/sessions/${id}/files`)).status).toBe(200);
  });

  it('ends by itself: five minutes after its last use, and at the end of its ttl', async () => {
    const db = server.app.get(Database);
    const [idle, hard] = [await create(alice), await create(alice, { persistent: true, ttl: 60 })];
    for (const id of [idle, hard]) {
      await db.query(
        `update agent_session set ends_at = ends_at - interval '5 minutes 1 second' where sandbox_id = $1`,
        [id],
      );
      expect((await alice.get(`/v1/sessions/${id}`)).status).toBe(404);
      expect((await alice.delete(`/v1/sessions/${id}`)).status).toBe(404);
    }
    const ids = (await alice.get('/v1/sessions')).body.map((session: { id: string }) => session.id);
    expect(ids).not.toContain(idle);
    expect(ids).not.toContain(hard);
  });

  it('keeps its account open only while it exists', async () => {
    const gina = await signUp(server);
    const id = await create(gina);
    const [row] = await server.app
      .get(Database)
      .query<{ account: string }>('select account_id as account from sandbox where id = $1', [id]);
    const held = (): Promise<Record<string, number>> => server.app.get(AccountHoldings).of(row!.account);
    expect(await held()).toMatchObject({ sandboxes: 1 });
    await gina.delete(`/v1/sessions/${id}`);
    expect(await held()).not.toHaveProperty('sandboxes');
  });

  it('is nobody else’s, and no garbage is one', async () => {
    const id = await create(alice);
    const missing = await bob.get('/v1/sessions/sess_000000000000');
    for (const name of [id, 'x', encodeURIComponent('../x'), 'ä'.repeat(1_000), 'sess_XYZ']) {
      for (const method of ['GET', 'DELETE']) {
        expect(await bob.send(method, `/v1/sessions/${name}`)).toMatchObject({ status: 404, body: missing.body });
      }
    }
    expect((await bob.get('/v1/sessions')).body).toEqual([]);
  });
});

describe('the list', () => {
  it('is a bare array, newest first, in pages when asked', async () => {
    const carol = await signUp(server);
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift(await create(carol));
    const all = await carol.get('/v1/sessions');
    expect(all.body.map((session: { id: string }) => session.id)).toEqual(ids);
    expect(all.headers.get('x-next-after')).toBeNull();

    const seen: string[] = [];
    let after: string | null = '';
    while (after !== null) {
      const page = await carol.get(`/v1/sessions?limit=2${after && `&after=${after}`}`);
      seen.push(...page.body.map((session: { id: string }) => session.id));
      after = page.headers.get('x-next-after');
    }
    expect(seen).toEqual(ids);
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'after=x', 'after=AAAA']) {
      expect((await carol.get(`/v1/sessions?${query}`)).status).toBe(400);
    }
  });
});

describe('bulk deletion', () => {
  it('deletes what meets every condition, and only that', async () => {
    const dave = await signUp(server);
    const [old, young, busy] = [await create(dave), await create(dave), await create(dave)];
    await Promise.all([age(old, 7_200), age(busy, 7_200)]);
    await server.app
      .get(Database)
      .query(`update agent_session set response_id = 'msg_x' where sandbox_id = $1`, [busy]);

    expect((await dave.delete('/v1/sessions?status=idle&older_than=2h')).body).toEqual({ deleted: 1 });
    expect((await dave.get(`/v1/sessions/${old}`)).status).toBe(404);
    expect((await dave.delete('/v1/sessions?older_than=1h30m')).body).toEqual({ deleted: 1 });
    expect((await dave.get(`/v1/sessions/${busy}`)).status).toBe(404);
    expect((await dave.delete('/v1/sessions?status=idle')).body).toEqual({ deleted: 1 });
    expect((await dave.get(`/v1/sessions/${young}`)).status).toBe(404);
    expect((await dave.delete('/v1/sessions?older_than=0s')).body).toEqual({ deleted: 0 });
  });

  it.each([
    '',
    '?',
    '?status=',
    '?status=busy',
    '?older_than=',
    '?older_than=2',
    '?older_than=2d',
    '?older_than=1h&older_than=2h',
    '?status=idle&status=idle',
    '?older_than=-1h&status=idle',
    '?status=idle&older-than=2h',
    '?older_than[]=0s',
  ])('without a condition that is understood deletes nothing: %j', async (query) => {
    const id = await create(bob);
    expect(await bob.delete(`/v1/sessions${query}`)).toMatchObject({ status: 400, body: { error: 'invalid_input' } });
    expect((await bob.get(`/v1/sessions/${id}`)).status).toBe(200);
    await bob.delete(`/v1/sessions/${id}`);
  });
});

describe('the files of a session', () => {
  const put = (client: Client, id: string, path: string, body: Buffer | string) =>
    client.send('PUT', `/v1/sessions/${id}/files/${path}`, Buffer.from(body));

  it('are listed once a path is named once, links as what they lead to', async () => {
    const id = await create(alice);
    await put(alice, id, 'listed/file', 'x');
    const folder = join(await diskOf(id), 'listed');
    for (const [name, target] of [
      ['a', 'file'],
      ['b', '.'],
      ['c', '/opt/sandbox/workspace'],
      ['d', '/etc/passwd'],
      ['e', 'nothing'],
      ['f', 'f'],
      ['g', '../.sessions/sess_000000000000'],
    ] as const)
      await symlink(target, join(folder, name));
    const { body } = await alice.get(`/v1/sessions/${id}/files?path=listed`);
    expect(body.map(({ name, type, size }: Record<string, unknown>) => [name, type, size])).toEqual([
      ['a', 'file', 1],
      ['b', 'directory', 0],
      ['c', 'directory', 0],
      ['file', 'file', 1],
    ]);
    for (const query of ['path=listed&path=x', 'path=&path='])
      expect(await alice.get(`/v1/sessions/${id}/files?${query}`)).toMatchObject({
        status: 400,
        body: { error: 'invalid_input', field: 'path' },
      });
  });

  it('are not written by a request that the session does not outlive', async () => {
    const id = await create(alice);
    let send = (_: Uint8Array | null): void => undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        send = (chunk) => (chunk ? controller.enqueue(chunk) : controller.close());
      },
    });
    const init = { method: 'PUT', headers: { 'x-api-key': alice.key! }, body, duplex: 'half' } as RequestInit;
    const writing = fetch(`${server.url}/v1/sessions/${id}/files/late`, init);
    send(Buffer.from('early '));
    const uploads = join(await diskOf(id), '.sessions/.uploads');
    await eventually(async () => (await readdir(uploads)).length > 0);
    await alice.delete(`/v1/sessions/${id}`);
    send(Buffer.from('late'));
    send(null);
    expect((await writing).status).toBe(404);
    expect(await readdir(uploads)).toEqual([]);
    expect((await alice.get(`/v1/sessions/${await create(alice)}/files/late`)).status).toBe(404);
  });

  it('have as much room as a workspace may hold, and find more when some are deleted', async () => {
    const carol = await signUp(server);
    const id = await create(carol);
    const mebibyte = Buffer.alloc(1_048_576, 'x');
    let files = 0;
    const refused = await eventually(async () => {
      const answer = await put(carol, id, `full/${files}`, mebibyte);
      if (answer.status === 201) files += 1;
      return answer.status !== 201 && answer;
    });
    expect(refused).toMatchObject({ status: 413, body: { error: 'workspace.full', limit: 8_388_608 } });
    expect(files).toBeGreaterThan(4);
    expect(await carol.get(`/v1/sessions/${id}/files/full/${files}`)).toMatchObject({ status: 404 });
    for (const file of [0, 1]) await carol.delete(`/v1/sessions/${id}/files/full/${file}`);
    await eventually(async () => (await put(carol, id, 'full/more', mebibyte)).status === 201);
    const many = await Promise.all(Array.from({ length: 8 }, (_, n) => put(carol, id, `full/at-once-${n}`, mebibyte)));
    expect(many.filter(({ status }) => status === 201).length).toBeLessThan(4);
  });
});

describe('limits and keys', () => {
  it('holds the plan’s number of sessions against 30 at once', async () => {
    const erin = await signUp(server);
    await (await admin(server)).put(`/api/v1/admin/users/${erin.userId}/tier`, { tier: 'free' });
    const answers = await Promise.all(Array.from({ length: 30 }, () => erin.post('/v1/sessions')));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    expect(answers.find(({ status }) => status !== 201)).toMatchObject({
      status: 429,
      body: { error: 'session.limit', used: 10, limit: 10 },
    });
    expect((await erin.delete('/v1/sessions?status=idle')).body).toEqual({ deleted: 10 });
    expect((await erin.post('/v1/sessions')).status).toBe(201);
  });

  it('makes one session for twenty requests with one idempotency key', async () => {
    const frank = await signUp(server);
    const headers = { 'Idempotency-Key': 'once' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => frank.post('/v1/sessions', {}, headers)));
    const replay = await frank.post('/v1/sessions', {}, headers);
    const made = [replay, ...answers].filter(({ status }) => status === 201).map(({ body }) => body.id as string);
    expect(new Set(made).size).toBe(1);
    expect((await frank.get('/v1/sessions')).body).toHaveLength(1);
  });

  it('asks keys for their scope', async () => {
    const { body } = await alice.post('/api/v1/auth/keys', { name: 'reader', scopes: ['sandboxes:read'] });
    const reader = new Client(server.url, body.raw_key as string);
    expect((await reader.get('/v1/sessions')).status).toBe(200);
    expect(await reader.post('/v1/sessions')).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
  });
});
