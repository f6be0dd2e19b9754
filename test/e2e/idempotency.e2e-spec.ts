import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { Database, Idempotency, PeriodicTasks } from '#platform';
import { type Answer, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { zip } from '../support/zip.js';

const replayed = (answer: Answer): boolean => answer.headers.get('idempotency-replayed') === 'true';
const withKey = (key: string = randomUUID()): Record<string, string> => ({ 'idempotency-key': key });

let server: TestServer;
let db: Database;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  db = server.app.get(Database);
  alice = await signUp(server);
});

afterEach(() => {
  jest.restoreAllMocks();
});

afterAll(async () => {
  await server.close();
});

const commit = (path: string, more: Record<string, string> = {}) => ({
  branch: 'main',
  message: `Add ${path}`,
  changes: [{ path, content: 'text\n' }],
  ...more,
});

async function commitMessages(client: Client, repo: string): Promise<string[]> {
  const { body } = await client.get(`/v1/repos/${repo}/commits?limit=100`);
  return (body.commits as { message: string }[]).map(({ message }) => message.trim());
}

describe('a repeated write with an Idempotency-Key', () => {
  it('answers the same again, marked as a replay, without a second effect', async () => {
    const headers = withKey();
    const first = await alice.post('/v1/repos', { slug: 'replayed' }, headers);
    const second = await alice.post('/v1/repos', { slug: 'replayed' }, headers);
    expect(first.status).toBe(201);
    expect(second).toMatchObject({ status: first.status, body: first.body });
    expect([replayed(first), replayed(second)]).toEqual([false, true]);
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'));
  });

  it('replays a commit, and commits once', async () => {
    await createRepo(alice, 'commit-once');
    const headers = withKey();
    const first = await alice.post('/v1/repos/commit-once/commits', commit('a.txt'), headers);
    const second = await alice.post('/v1/repos/commit-once/commits', commit('a.txt'), headers);
    expect(first.status).toBe(201);
    expect(second).toMatchObject({ status: 201, body: first.body });
    expect(replayed(second)).toBe(true);
    expect((await commitMessages(alice, 'commit-once')).filter((text) => text === 'Add a.txt')).toHaveLength(1);
  });

  it('replays a deletion instead of answering that nothing is there', async () => {
    await createRepo(alice, 'gone');
    const headers = withKey();
    const first = await alice.delete('/v1/repos/gone', undefined, headers);
    const second = await alice.delete('/v1/repos/gone', undefined, headers);
    expect(first).toMatchObject({ status: 200, body: { deleted: true } });
    expect(second).toMatchObject({ status: 200, body: { deleted: true } });
    expect(replayed(second)).toBe(true);
  });

  it('replays an answer without a body', async () => {
    const { body: minted } = await alice.post('/api/v1/auth/keys', { name: 'short-lived' });
    const headers = withKey();
    for (const isReplay of [false, true]) {
      const answer = await alice.delete(`/api/v1/auth/keys/${minted.key_id}`, undefined, headers);
      expect(answer).toMatchObject({ status: 204, body: '' });
      expect(replayed(answer)).toBe(isReplay);
    }
  });

  it('opens one pinned session', async () => {
    const headers = withKey('one session');
    const first = await alice.post('/v1/session', {}, headers);
    const second = await alice.post('/v1/session', {}, headers);
    expect(second).toMatchObject({ status: 201, body: first.body });
    const [record] = await db.query<{ body: Buffer }>(`select body from idempotency where key = 'one session'`);
    expect(record?.body.includes(first.body.session_id as string)).toBe(false);
  });

  it.each([
    ['another body', 'POST', '/v1/repos', { slug: 'mismatch-b' }],
    ['another path', 'POST', '/v1/repos?x=1', { slug: 'mismatch-a' }],
    ['another method', 'DELETE', '/v1/repos/mismatch-a', undefined],
  ])('refuses %s with 422', async (_, method, path, body) => {
    const headers = withKey('mismatch');
    await alice.post('/v1/repos', { slug: 'mismatch-a' }, headers);
    const answer = await alice.send(method, path, body, headers);
    expect(answer).toMatchObject({ status: 422, body: { code: 'UNPROCESSABLE', reason: 'idempotency_key_reused' } });
  });
});

describe('concurrent duplicates', () => {
  const AT_ONCE = 20;

  const cases: [what: string, path: string, body: Record<string, unknown>][] = [
    ['create a repository', '/v1/repos', { slug: 'raced' }],
    ['create a branch', '/v1/repos/races/branches', { name: 'side' }],
    ['commit', '/v1/repos/races/commits', commit('raced.txt')],
    ['create a key', '/api/v1/auth/keys', { name: 'raced' }],
  ];

  beforeAll(async () => {
    await createRepo(alice, 'races');
  });

  it.each(cases)('%s once: the others are told to wait or read the same answer', async (_, path, body) => {
    const headers = withKey();
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, () => alice.post(path, body as Record<string, string>, headers)),
    );
    const made = answers.filter(({ status }) => status === 201);
    const waiting = answers.filter(({ status }) => status === 409);
    expect(made.length + waiting.length).toBe(AT_ONCE);
    expect(made.filter((answer) => !replayed(answer))).toHaveLength(1);
    for (const answer of made) expect(answer.body).toEqual(made[0]!.body);
    for (const answer of waiting) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const late = await alice.post(path, body as Record<string, string>, headers);
    expect(late).toMatchObject({ status: 201, body: made[0]!.body });
  });

  it('left one commit and one key behind', async () => {
    expect((await commitMessages(alice, 'races')).filter((text) => text === 'Add raced.txt')).toHaveLength(1);
    const { body: keys } = await alice.get('/api/v1/auth/keys');
    expect((keys as { name: string }[]).filter(({ name }) => name === 'raced')).toHaveLength(1);
  });
});

describe('a request without effect', () => {
  it('gives its key back, so that the corrected request may use it', async () => {
    const headers = withKey();
    expect((await alice.post('/v1/repos', { slug: 'Not A Slug' }, headers)).status).toBe(400);
    expect((await alice.post('/v1/repos', { slug: 'corrected' }, headers)).status).toBe(201);
  });

  it('gives its key back when the resource is missing or the body is not JSON', async () => {
    const headers = withKey();
    expect((await alice.post('/v1/repos/nowhere/branches', { name: 'x' }, headers)).status).toBe(404);
    expect((await alice.send('POST', '/v1/repos', Buffer.from('{'), headers)).status).toBe(400);
    expect((await alice.post('/v1/repos', { slug: 'after-misses' }, headers)).status).toBe(201);
  });

  it.each(['', 'k'.repeat(256)])('is what a key of a wrong length leads to (%#)', async (key) => {
    const answer = await alice.post('/v1/repos', { slug: 'bad-key' }, withKey(key));
    expect(answer).toMatchObject({ status: 400, body: { error: 'Idempotency-Key must be 1-255 characters' } });
  });

  it('keeps no record of reads, not even of those that are sent as POST', async () => {
    await createRepo(alice, 'read-only');
    await alice.post('/v1/repos/read-only/blobs/batch', { ref: 'main', paths: ['a'] }, withKey('a read'));
    await alice.get('/v1/repos', withKey('a read'));
    expect(await db.query(`select from idempotency where key = 'a read'`)).toHaveLength(0);
  });
});

describe('effect and record', () => {
  it.each([
    ['a repository', '/v1/repos', { slug: 'undone' }, '/v1/repos/undone'],
    ['a branch', '/v1/repos/undoing/branches', { name: 'undone' }, '/v1/repos/undoing/branches/undone'],
    ['a commit', '/v1/repos/undoing/commits', commit('undone.txt'), '/v1/repos/undoing/blob/main/undone.txt'],
  ])('of %s vanish together when the record cannot be written', async (_, path, body, effect) => {
    await alice.post('/v1/repos', { slug: 'undoing' });
    jest.spyOn(server.app.get(Idempotency), 'settle').mockRejectedValueOnce(new Error('the process ends here'));
    const headers = withKey();
    expect((await alice.post(path, body as Record<string, string>, headers)).status).toBe(500);
    expect((await alice.get(effect)).status).toBe(404);
    expect((await alice.post(path, body as Record<string, string>, headers)).status).toBe(201);
    expect((await alice.get(effect)).status).toBe(200);
  });

  it('belong to one request: when the lease is taken over, the first effect rolls back', async () => {
    const idempotency = server.app.get(Idempotency);
    const settle = idempotency.settle.bind(idempotency);
    const headers = withKey('taken over');
    let isSecondDone: Promise<Answer> | undefined;
    jest.spyOn(idempotency, 'settle').mockImplementationOnce(async (status, body) => {
      await db.detached(() =>
        db.query(`update idempotency set lease_until = now() - interval '1 second' where key = 'taken over'`),
      );
      isSecondDone = alice.post('/api/v1/auth/keys', { name: 'fenced' }, headers);
      await isSecondDone;
      await settle(status, body);
    });
    const first = await alice.post('/api/v1/auth/keys', { name: 'fenced' }, headers);
    const second = await isSecondDone!;
    expect(second.status).toBe(201);
    expect(first).toMatchObject({ status: 409, body: { error: { details: { error: 'idempotency_key_in_use' } } } });
    const { body: keys } = await alice.get('/api/v1/auth/keys');
    const fenced = (keys as { name: string; key_id: string }[]).filter(({ name }) => name === 'fenced');
    expect(fenced.map(({ key_id }) => key_id)).toEqual([second.body.key_id]);
    expect((await alice.post('/api/v1/auth/keys', { name: 'fenced' }, headers)).body).toEqual(second.body);
  });

  it('of one commit do not harm the others of its group', async () => {
    await createRepo(alice, 'grouped');
    const idempotency = server.app.get(Idempotency);
    const settle = idempotency.settle.bind(idempotency);
    let stolen = '';
    jest.spyOn(idempotency, 'settle').mockImplementation(async (status, body) => {
      if (stolen === '') {
        await db.detached(async () => {
          const [row] = await db.query<{ key: string }>(
            `update idempotency set owner = gen_random_uuid() where key like 'group-%' and finished_at is null
               and key = (select min(key) from idempotency where key like 'group-%') returning key`,
          );
          stolen = row?.key ?? '';
        });
      }
      await settle(status, body);
    });
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        alice.post(
          '/v1/repos/grouped/commits',
          commit(`${index}.txt`),
          index % 2 === 0 ? withKey(`group-${index}`) : {},
        ),
      ),
    );
    const lost = answers.flatMap(({ status }, index) => (status === 201 ? [] : [index]));
    expect(lost.map((index) => `group-${index}`)).toEqual([stolen]);
    expect(answers[lost[0]!]).toMatchObject({ status: 409 });
    const messages = await commitMessages(alice, 'grouped');
    for (let index = 0; index < 12; index += 1) {
      expect(messages.filter((text) => text === `Add ${index}.txt`)).toHaveLength(lost.includes(index) ? 0 : 1);
    }
  });
});

describe('who shares a key', () => {
  it('nobody: each credential has its own', async () => {
    const headers = withKey('shared by chance');
    const { body } = await alice.post('/api/v1/auth/keys', { name: 'second' });
    const second = new Client(server.url, body.raw_key as string);
    const bob = await signUp(server);
    for (const [client, slug] of [
      [alice, 'share-1'],
      [second, 'share-2'],
      [bob, 'share-1'],
    ] as const) {
      const answer = await client.post('/v1/repos', { slug }, headers);
      expect(answer.status).toBe(201);
      expect(replayed(answer)).toBe(false);
    }
  });

  it('and nobody reads a secret from the records: it is replayed to the credential that made it', async () => {
    const headers = withKey('a secret answer');
    const first = await alice.post('/api/v1/auth/keys', { name: 'secret' }, headers);
    const [record] = await db.query<{ body: Buffer; sealed: boolean }>(
      `select body, sealed from idempotency where key = 'a secret answer'`,
    );
    expect(record?.sealed).toBe(true);
    expect(record?.body.includes('rhu_')).toBe(false);
    expect(record?.body.includes(first.body.raw_key as string)).toBe(false);
    const bearer = new Client(server.url, null, { authorization: `bearer ${alice.key}` });
    const second = await bearer.post('/api/v1/auth/keys', { name: 'secret' }, headers);
    expect(replayed(second)).toBe(true);
    expect(second.body).toEqual(first.body);
  });
});

it('records are swept after a day, not before', async () => {
  for (const [key, age] of [
    ['old', '26 hours'],
    ['young', '24 hours'],
  ] as const) {
    await alice.post('/v1/repos', { slug: `swept-${key}` }, withKey(key));
    await db.query('update idempotency set created_at = now() - $2::interval where key = $1', [key, age]);
  }
  await server.app.get(PeriodicTasks).runNow('idempotency.sweep');
  const left = await db.query<{ key: string }>(`select key from idempotency where key in ('old', 'young')`);
  expect(left.map(({ key }) => key)).toEqual(['young']);
});

describe('an upload of a skill with an Idempotency-Key', () => {
  const skill = (text: string): Buffer => zip([{ name: 'SKILL.md', content: text }]);
  const inForm = (text: string): FormData => {
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(skill(text))]), 'keyed.zip');
    return form;
  };
  const upload = async (body: Buffer | FormData, key: string, name = 'keyed', client = alice): Promise<Answer> => {
    const headers = { authorization: `Bearer ${client.key}`, ...(key !== '' && withKey(key)) };
    const content = body instanceof FormData ? body : new Uint8Array(body);
    const answer = await fetch(`${server.url}/v1/skills/${name}`, { method: 'POST', headers, body: content });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };
  const read = async (): Promise<unknown> => (await alice.get('/v1/skills/keyed')).body;

  it('is repeated with the first answer, in a form or not, whatever came since', async () => {
    const first = await upload(skill('one'), 'upload-1');
    expect(first.status).toBe(201);
    await upload(skill('two'), '');
    const before = await read();
    for (const body of [skill('one'), inForm('one')]) {
      const repeat = await upload(body, 'upload-1');
      expect([repeat.status, repeat.body, replayed(repeat)]).toEqual([201, first.body, true]);
    }
    expect(await read()).toEqual(before);
    // What the skill is already is an effect, too.
    const same = await upload(inForm('two'), 'upload-2');
    await alice.delete('/v1/skills/keyed');
    expect(await upload(skill('two'), 'upload-2')).toMatchObject({ status: 201, body: same.body });
    expect((await alice.get('/v1/skills/keyed')).status).toBe(404);
  });

  it('belongs to one archive, name and caller, and has its key free after a refusal', async () => {
    expect(await upload(Buffer.from('no zip'), 'upload-3')).toMatchObject({ status: 400 });
    expect(await upload(skill('three'), 'upload-3')).toMatchObject({ status: 201 });
    const reused = { status: 422, body: { error: 'idempotency_key_reused' } };
    expect(await upload(skill('four'), 'upload-3')).toMatchObject(reused);
    expect(await upload(skill('three'), 'upload-3', 'keyed-too')).toMatchObject(reused);
    expect(await upload(skill('three'), 'k'.repeat(256))).toMatchObject({ status: 400 });
    const others = await upload(skill('four'), 'upload-3', 'keyed', await signUp(server));
    expect([others.status, replayed(others)]).toEqual([201, false]);
  });

  it('has one effect when many come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => upload(skill('five'), 'upload-5')));
    const done = answers.filter(({ status }) => status === 201);
    expect(done.filter((answer) => !replayed(answer))).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201))
      expect(answer).toMatchObject({ status: 409, body: { error: 'idempotency_key_in_use' } });
    expect(await upload(skill('five'), 'upload-5')).toMatchObject({ status: 201, body: done[0]!.body });
  });
});
