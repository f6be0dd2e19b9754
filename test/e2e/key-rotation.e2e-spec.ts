import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { actingFor, seedOrg } from '../support/org-rows.js';
import { eventually, holder, oneSecond, openSession, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const HOUR = 3_600_000;
const REVOKED = {
  status: 401,
  body: { error: { message: 'API key has been revoked', details: { error: 'api_key_revoked' } } },
};

let a: TestServer;
let b: TestServer;
let ada: TestAccount;

beforeAll(async () => {
  a = await startTestServer();
  b = await startOn(a.databaseUrl, a.dataDir);
});

afterAll(async () => {
  await b.close();
  await a.close();
});

beforeEach(async () => {
  ada = await signUp(a);
});

interface OwnKey {
  readonly id: string;
  readonly client: Client;
}

async function mint(body: Record<string, string | number | string[]> = {}): Promise<OwnKey> {
  const answer = await ada.post('/api/v1/auth/keys', { name: 'to rotate', ...body });
  expect(answer.status).toBe(201);
  return { id: answer.body.key_id as string, client: new Client(a.url, answer.body.raw_key as string) };
}

function rotate(
  key: OwnKey,
  body: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ada.post(`/api/v1/auth/keys/${key.id}/rotate`, body as never, headers);
}

const on = (server: TestServer, { key }: Client): Client => new Client(server.url, key);
const me = (client: Client): Promise<Answer> => client.get('/api/v1/auth/me');

describe('a rotated key', () => {
  it('has a successor with its name, scopes, account and length of life', async () => {
    const org = await seedOrg(a, ada);
    const old = await mint({ scopes: ['repos:read'], expires_in_days: 30, account: org.slug });
    const { status, body } = await rotate(old);
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: 'to rotate', scopes: ['repos:read'], raw_key: expect.stringMatching(/^rhu_/) });
    expect(body.key_id).not.toBe(old.id);
    const life = Date.parse(body.expires_at) - Date.parse(body.created_at);
    expect(Math.abs(life - 30 * 24 * HOUR)).toBeLessThan(60_000);
    expect((await new Client(a.url, body.raw_key).get('/v1/repos')).status).toBe(200);
    expect((await actingFor(new Client(a.url, body.raw_key), ada).get('/v1/repos')).status).toBe(403);
  });

  it('is accepted during its grace on every node, and says until when', async () => {
    const old = await mint();
    await rotate(old, { grace_seconds: 600 });
    await oneSecond();
    for (const server of [a, b]) expect((await me(on(server, old.client))).status).toBe(200);
    const listed = (await ada.get('/api/v1/auth/keys')).body.find((key: { key_id: string }) => key.key_id === old.id);
    const left = Date.parse(listed.grace_ends_at) - Date.now();
    expect(left).toBeGreaterThan(500_000);
    expect(left).toBeLessThanOrEqual(600_000);
  });

  it('ends at once, and on every node within a second, without a grace', async () => {
    const old = await mint();
    for (const server of [a, b]) expect((await me(on(server, old.client))).status).toBe(200);
    await rotate(old, { grace_seconds: 0 });
    expect(await me(old.client)).toMatchObject(REVOKED);
    await oneSecond();
    expect(await me(on(b, old.client))).toMatchObject(REVOKED);
  });

  it('loses no request under load: both keys work on both nodes while it is being replaced', async () => {
    const old = await mint();
    const statuses: number[] = [];
    let successor: Client | null = null;
    let isOver = false;
    const load = async (server: TestServer, of: () => Client | null): Promise<void> => {
      while (!isOver) {
        const client = of();
        statuses.push((await me(on(server, client ?? old.client))).status);
      }
    };
    const workers = [a, b].flatMap((server) => [load(server, () => old.client), load(server, () => successor)]);
    const { body } = await rotate(old, { grace_seconds: 60 });
    successor = new Client(a.url, body.raw_key);
    await oneSecond();
    await eventually(() => Promise.resolve(statuses.length > 20));
    isOver = true;
    await Promise.all(workers);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  it('is replaced once by rotations at the same time', async () => {
    const old = await mint();
    const answers = await Promise.all(Array.from({ length: 8 }, () => rotate(old)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(409)]);
    expect(answers.find(({ status }) => status === 409)?.body.error.details.error).toBe('key_already_revoked');
    expect((await ada.get('/api/v1/auth/keys')).body).toHaveLength(3);
  });

  it('gives a retry with the same Idempotency-Key the same successor', async () => {
    const old = await mint();
    const headers = { 'idempotency-key': `rotate-${old.id}` };
    const [first, again] = [await rotate(old, {}, headers), await rotate(old, {}, headers)];
    expect(again).toMatchObject({ status: 200, body: { raw_key: first.body.raw_key, key_id: first.body.key_id } });
    expect((await me(new Client(a.url, first.body.raw_key))).status).toBe(200);
  });
});

describe('rotation is refused', () => {
  it('for a key that was revoked, is unknown, or is somebody else’s', async () => {
    const old = await mint();
    await ada.delete(`/api/v1/auth/keys/${old.id}`);
    expect(await rotate(old)).toMatchObject({
      status: 409,
      body: { error: { details: { error: 'key_already_revoked' } } },
    });
    const bob = await signUp(a);
    for (const id of [bob.keyId, '00000000-0000-4000-8000-000000000000', 'nonsense', 'x'.repeat(10_000)]) {
      expect((await ada.post(`/api/v1/auth/keys/${id}/rotate`)).status).toBe(404);
    }
  });

  it.each([{ grace_seconds: -1 }, { grace_seconds: 604_801 }, { grace_seconds: 1.5 }, { grace_seconds: 'long' }])(
    'with %j',
    async (body) => {
      expect((await rotate(await mint(), body)).status).toBe(422);
    },
  );

  it('to a bound key that asks for one which is not', async () => {
    const org = await seedOrg(a, ada);
    const bound = await mint({ account: org.slug });
    const answer = await bound.client.post(`/api/v1/auth/keys/${ada.keyId}/rotate`);
    expect(answer.status).toBe(404);
    expect((await me(ada)).status).toBe(200);
  });

  it('a longer life than the key that asks has', async () => {
    const short = await mint({ expires_in_days: 1 });
    const { body } = await short.client.post(`/api/v1/auth/keys/${ada.keyId}/rotate`);
    expect(Date.parse(body.expires_at) - Date.now()).toBeLessThanOrEqual(24 * HOUR);
  });
});

describe('the pinned sessions of a rotated key', () => {
  it('go on after its grace, and end with the key that replaced it', async () => {
    const old = await mint();
    const sessionId = await openSession(old.client);
    const uses = async (): Promise<number[]> =>
      Promise.all([a, b].map(async (server) => (await holder(server, sessionId).get('/v1/repos')).status));
    const second = await rotate(old, { grace_seconds: 0 });
    const third = await rotate({ id: second.body.key_id, client: old.client }, { grace_seconds: 0 });
    await oneSecond();
    expect(await uses()).toEqual([200, 200]);
    await ada.delete(`/api/v1/auth/keys/${third.body.key_id}`);
    await oneSecond();
    expect(await uses()).toEqual([401, 401]);
  });

  it('end when it is revoked for its own sake, also after its grace', async () => {
    for (const graceSeconds of [0, 600]) {
      const old = await mint();
      const sessionId = await openSession(old.client);
      await rotate(old, { grace_seconds: graceSeconds });
      await oneSecond();
      expect((await holder(a, sessionId).get('/v1/repos')).status).toBe(200);
      expect((await ada.delete(`/api/v1/auth/me/api-keys/${old.id}`, { reason: 'found in a log' })).status).toBe(204);
      await oneSecond();
      for (const server of [a, b]) expect((await holder(server, sessionId).get('/v1/repos')).status).toBe(401);
    }
  });
});

describe('the use of a rotated key after its grace', () => {
  const alarms = (id: string): Promise<{ payload: { replaced_by: string } }[]> =>
    sql(a, `select payload from event where type = 'key.used_after_rotation' and subject_id = $1`, [id]);

  it('is refused as revoked and reported once an hour, not once a request', async () => {
    const old = await mint();
    const { body } = await rotate(old, { grace_seconds: 60 });
    expect((await me(old.client)).status).toBe(200);
    expect(await alarms(old.id)).toEqual([]);
    moveClock([a, b], 61_000);
    const late = await Promise.all(Array.from({ length: 5 }, () => me(old.client)));
    for (const answer of late) expect(answer).toMatchObject(REVOKED);
    expect(await me(on(b, old.client))).toMatchObject(REVOKED);
    expect(await alarms(old.id)).toMatchObject([{ payload: { replaced_by: body.key_id } }]);
    moveClock([a, b], HOUR + 1_000);
    expect(await me(old.client)).toMatchObject(REVOKED);
    await eventually(async () => (await alarms(old.id)).length === 2);
    const audited = await sql<{ address: string }>(
      a,
      `select address from audit where action = 'key.used_after_rotation' and subject_id = $1`,
      [old.id],
    );
    expect(audited).toHaveLength(2);
    expect(audited[0]!.address).toMatch(/127\.0\.0\.1/);
  });

  it('is no alarm when the key was revoked for its own sake', async () => {
    const old = await mint();
    await ada.delete(`/api/v1/auth/keys/${old.id}`);
    expect(await me(old.client)).toMatchObject(REVOKED);
    expect(await alarms(old.id)).toEqual([]);
  });
});
