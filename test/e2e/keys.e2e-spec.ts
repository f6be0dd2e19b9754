import { jest } from '@jest/globals';
import { generateKey } from '../../libs/auth/src/keys/key-format.js';
import { KeysRepository } from '../../libs/auth/src/keys/keys.repository.js';
import { Clock } from '../../libs/kernel/src/index.js';
import { type Answer, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { actingFor, seedOrg } from '../support/org-rows.js';
import { eventually } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let nobody: Client;

beforeAll(async () => {
  server = await startTestServer();
  nobody = new Client(server.url, null);
});

afterAll(async () => {
  await server.close();
});

describe('keys', () => {
  let ada: TestAccount;

  beforeEach(async () => {
    ada = await signUp(server);
  });

  const mint = async (
    body: Record<string, unknown> = {},
  ): Promise<{ id: string; client: Client; body: Answer['body'] }> => {
    const answer = await ada.post('/api/v1/auth/keys', body as never);
    expect(answer.status).toBe(201);
    return { id: answer.body.key_id, client: new Client(server.url, answer.body.raw_key), body: answer.body };
  };

  it('are minted with their raw value, listed without it, newest first, and deleted', async () => {
    const { id, client, body } = await mint({ name: 'ci' });
    expect(body).toMatchObject({ name: 'ci', scopes: ['*'], expires_at: null, last_used_at: null });
    expect(body.key_prefix).toBe(body.raw_key.slice(0, 12));
    expect((await client.get('/v1/repos')).status).toBe(200);

    const list = await ada.get('/api/v1/auth/keys');
    expect(list.body.map((key: { key_id: string }) => key.key_id)).toEqual([id, ada.keyId]);
    expect(JSON.stringify(list.body)).not.toContain(body.raw_key.slice(12));

    const deleted = await ada.delete(`/api/v1/auth/keys/${id}`);
    expect(deleted).toMatchObject({ status: 204, body: '' });
    expect((await ada.get('/api/v1/auth/keys')).body.map((key: { key_id: string }) => key.key_id)).toEqual([ada.keyId]);
  });

  it('end at once on this node, with the reason', async () => {
    const { id, client } = await mint();
    expect((await client.get('/api/v1/auth/me')).status).toBe(200);
    await ada.delete(`/api/v1/auth/keys/${id.toUpperCase()}`);
    expect(await client.get('/api/v1/auth/me')).toMatchObject({
      status: 401,
      body: { error: { code: '401', details: { error: 'api_key_revoked' } } },
    });
    expect(await client.get('/v1/repos')).toMatchObject({
      status: 401,
      body: { code: 'UNAUTHORIZED', reason: 'api_key_revoked' },
    });
  });

  it('end within a second on another node of the database', async () => {
    const other = await startOn(server.databaseUrl, server.dataDir);
    try {
      const { id, body } = await mint();
      const there = new Client(other.url, body.raw_key as string);
      expect((await there.get('/v1/repos')).status).toBe(200);
      await ada.delete(`/api/v1/auth/keys/${id}`);
      const deadline = Date.now() + 1_000;
      let status = 200;
      while (status === 200 && Date.now() < deadline) status = (await there.get('/v1/repos')).status;
      expect(status).toBe(401);
    } finally {
      await other.close();
    }
  });

  it('can end themselves', async () => {
    expect((await ada.delete(`/api/v1/auth/keys/${ada.keyId}`)).status).toBe(204);
    expect((await ada.get('/api/v1/auth/me')).status).toBe(401);
  });

  it.each(['00000000-0000-4000-8000-000000000000', 'nonsense', '%27', `${'9'.repeat(500)}`])(
    'answer 404 for the unknown id %s',
    async (id) => {
      expect(await ada.delete(`/api/v1/auth/keys/${id}`)).toMatchObject({
        status: 404,
        body: { error: { code: '404', message: 'API key not found' } },
      });
    },
  );

  it('of other users are neither listed nor deleted', async () => {
    const bob = await signUp(server);
    expect((await bob.delete(`/api/v1/auth/keys/${ada.keyId}`)).status).toBe(404);
    expect((await ada.get('/api/v1/auth/me')).status).toBe(200);
  });

  it('do only what their scopes say, write implying read', async () => {
    await createRepo(ada, 'scoped');
    const reader = (await mint({ scopes: ['repos:read'] })).client;
    const writer = await mint({ scopes: ['repos:write'] });
    const none = (await mint({ scopes: [] })).client;
    expect(writer.body.scopes).toEqual(['repos:write', 'repos:read']);
    expect((await reader.get('/v1/repos/scoped')).status).toBe(200);
    expect((await writer.client.get('/v1/repos/scoped')).status).toBe(200);
    expect((await writer.client.patch('/v1/repos/scoped', { description: 'x' })).status).toBe(200);
    for (const [client, method, path] of [
      [reader, 'PATCH', '/v1/repos/scoped'],
      [reader, 'DELETE', '/v1/repos/scoped'],
      [none, 'GET', '/v1/repos/scoped'],
      [none, 'GET', '/v1/repos'],
    ] as const) {
      expect(await client.send(method, path, method === 'PATCH' ? { description: 'no' } : undefined)).toMatchObject({
        status: 403,
        body: { error: 'Insufficient permissions', code: 'FORBIDDEN' },
      });
    }
  });

  it.each([['repos:write'], ['repos:read']])('limited to %s mint, list and delete nothing', async (scope) => {
    const { client } = await mint({ scopes: [scope] });
    for (const [method, path] of [
      ['POST', '/api/v1/auth/keys'],
      ['GET', '/api/v1/auth/keys'],
      ['GET', '/api/v1/auth/me'],
      ['DELETE', `/api/v1/auth/keys/${ada.keyId}`],
    ] as const) {
      const answer = await client.send(method, path, method === 'POST' ? {} : undefined);
      expect(answer).toMatchObject({ status: 403, body: { error: { details: { error: 'insufficient_scope' } } } });
    }
    expect((await ada.get('/api/v1/auth/me')).status).toBe(200);
  });

  it('expire, also when they are already known to this node', async () => {
    const { client } = await mint({ expires_at: new Date(Date.now() + 60_000).toISOString() });
    expect((await client.get('/v1/repos')).status).toBe(200);
    const later = Date.now() + 60_001;
    const clock = jest.spyOn(server.app.get(Clock), 'now').mockReturnValue(later);
    try {
      expect(await client.get('/api/v1/auth/me')).toMatchObject({
        status: 401,
        body: { error: { code: '401', details: { error: 'api_key_expired' } } },
      });
    } finally {
      clock.mockRestore();
    }
  });

  it('take a life in days', async () => {
    const { body } = await mint({ expires_in_days: 30 });
    const days = (Date.parse(body.expires_at) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
  });

  it.each([
    ['a name that is no text', { name: 7 }],
    ['a name with NUL', { name: 'a\0b' }],
    ['an over-long name', { name: 'x'.repeat(256) }],
    ['scopes that are no list', { scopes: 'repos:read' }],
    ['scopes that are no texts', { scopes: [1] }],
    ['an unknown scope', { scopes: ['repos:admin'] }],
    ['a scope with NUL', { scopes: ['repos:read\0'] }],
    ['an expiry in the past', { expires_at: '2020-01-01T00:00:00Z' }],
    ['an expiry that is no date', { expires_at: 'tomorrow' }],
    ['no days', { expires_in_days: 0 }],
    ['too many days', { expires_in_days: 731 }],
    ['half a day', { expires_in_days: 0.5 }],
  ])('are not minted with %s', async (_, body) => {
    const answer = await ada.post('/api/v1/auth/keys', body as never);
    expect(answer).toMatchObject({ status: 422, body: { error: { code: '422' } } });
    expect((await ada.get('/api/v1/auth/keys')).body).toHaveLength(1);
  });

  it('refuse a body that is no JSON object in the envelope of the surface', async () => {
    for (const raw of ['{', '[]', 'null', '"x"', '\xff\xfe']) {
      const answer = await ada.send('POST', '/api/v1/auth/keys', Buffer.from(raw, 'latin1'));
      expect(answer).toMatchObject({ status: 422, body: { error: { code: '422', message: 'Validation error' } } });
    }
  });
});

describe('credentials', () => {
  it('are missed in the words of each surface', async () => {
    expect((await nobody.get('/v1/repos')).body).toEqual({
      error: 'Missing API key. Set x-api-key header.',
      code: 'UNAUTHORIZED',
    });
    expect((await nobody.get('/api/v1/auth/me')).body).toMatchObject({
      error: { code: '401', message: 'Missing or invalid Authorization header' },
    });
  });

  it('are accepted as x-api-key, Bearer and Basic, scheme names in any case', async () => {
    const ada = await signUp(server);
    const basic = Buffer.from(`anything:${ada.key}`).toString('base64');
    for (const headers of [
      { 'x-api-key': ada.key! },
      { authorization: `Bearer ${ada.key}` },
      { authorization: `bEARER   ${ada.key}` },
      { authorization: `Basic ${basic}` },
      { authorization: `basic ${basic}` },
      { authorization: `Bearer ${ada.key}`, 'x-api-key': ada.key! },
    ] as Record<string, string>[]) {
      expect((await nobody.get('/v1/repos', headers)).status).toBe(200);
    }
  });

  it('must not disagree', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    expect((await ada.get('/v1/repos', { authorization: `Bearer ${bob.key}` })).status).toBe(401);
    expect((await ada.get('/v1/repos', { authorization: 'Bearer nonsense' })).status).toBe(401);
  });

  it('never reach the database when they cannot be keys', async () => {
    const asked = jest.spyOn(server.app.get(KeysRepository), 'findByDigest');
    try {
      const ada = await signUp(server);
      asked.mockClear();
      const wrong = ada.key!.slice(0, -1) + (ada.key!.endsWith('a') ? 'b' : 'a');
      for (const key of ['x', 'rhu_', wrong, 'sk_sfs_0123456789abcdef0123456789abcdef', 'k'.repeat(4_000), 'ключ']) {
        const headers = { authorization: `Basic ${Buffer.from(`u:${key}`).toString('base64')}` };
        expect(await nobody.get('/v1/repos', headers)).toMatchObject({
          status: 401,
          body: { error: 'Invalid API key', code: 'UNAUTHORIZED' },
        });
      }
      expect(asked).not.toHaveBeenCalled();
      const unknown = await nobody.get('/v1/repos', { 'x-api-key': generateKey('user_key') });
      expect(unknown.body).toMatchObject({ error: 'Invalid API key' });
      expect(asked).toHaveBeenCalledTimes(1);
    } finally {
      asked.mockRestore();
    }
  });

  it('with an end cannot make a key that outlives them', async () => {
    const ada = await signUp(server);
    const short = await ada.post('/api/v1/auth/keys', { expires_in_days: 2 });
    const client = new Client(server.url, short.body.raw_key as string);
    const forever = await client.post('/api/v1/auth/keys', {});
    expect(forever).toMatchObject({ status: 403, body: { error: { details: { error: 'key_would_outlive' } } } });
    expect((await client.post('/api/v1/auth/keys', { expires_in_days: 3 })).status).toBe(403);
    expect((await client.post('/api/v1/auth/keys', { expires_in_days: 1 })).status).toBe(201);
  });

  it('act for the account named in X-Account only when it is theirs', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    expect((await ada.get('/v1/repos', { 'x-account': ada.slug })).status).toBe(200);
    expect((await ada.get('/v1/repos', { 'x-account': bob.slug })).status).toBe(403);
  });
});

describe('personal keys', () => {
  const path = '/api/v1/auth/me/api-keys';
  let ada: TestAccount;

  beforeEach(async () => {
    ada = await signUp(server);
  });

  it('are made with a name, shown once, and listed with the revoked ones, newest first', async () => {
    const made = await ada.post(path, { name: '  laptop ', expires_in_days: 30 });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ name: 'laptop', is_active: true, last_used_at: null, last_used_ip: null });
    expect(made.body.key_prefix).toBe(made.body.key.slice(0, 12));
    expect((await new Client(server.url, made.body.key).get('/api/v1/auth/me')).status).toBe(200);
    expect((await ada.delete(`${path}/${made.body.id}`, { reason: 'lost' })).status).toBe(204);
    const { body } = await ada.get(path);
    expect(body).toMatchObject([
      { id: made.body.id, is_active: false, revoked_at: expect.any(String), revoke_reason: 'lost' },
      { id: ada.keyId, name: 'default', is_active: true, revoked_at: null, revoke_reason: null },
    ]);
    expect(JSON.stringify(body)).not.toContain(made.body.key);
  });

  it('are revoked once: repeating it changes nothing', async () => {
    const made = await ada.post(path, { name: 'twice' });
    for (const reason of ['first', 'second']) {
      expect((await ada.delete(`${path}/${made.body.id}`, { reason })).status).toBe(204);
    }
    expect((await ada.get(path)).body[0].revoke_reason).toBe('first');
    expect(await new Client(server.url, made.body.key).get('/api/v1/auth/me')).toMatchObject({
      status: 401,
      body: { error: { details: { error: 'api_key_revoked' } } },
    });
  });

  it.each([
    [undefined],
    [{}],
    [{ reason: '' }],
    [{ reason: ' ' }],
    [{ reason: 7 }],
    [{ reason: 'x'.repeat(501) }],
    [{ reason: 'a\0' }],
  ])('are not revoked with %j', async (body) => {
    const answer = await ada.delete(`${path}/${ada.keyId}`, body as never);
    expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'reason'] }] } });
    expect((await ada.get(path)).status).toBe(200);
  });

  it.each([
    ['no name', {}],
    ['a blank name', { name: '  ' }],
    ['a name that is no text', { name: ['x'] }],
    ['an over-long name', { name: 'x'.repeat(256) }],
    ['a name with NUL', { name: 'a\0b' }],
    ['no days', { name: 'x', expires_in_days: 0 }],
    ['too many days', { name: 'x', expires_in_days: 731 }],
  ])('are not made with %s', async (_, body) => {
    expect((await ada.post(path, body as never)).status).toBe(422);
  });

  it('of others, and unknown ones, are not found', async () => {
    const bob = await signUp(server);
    for (const id of [bob.keyId, '00000000-0000-4000-8000-000000000000', 'nonsense']) {
      expect(await ada.delete(`${path}/${id}`, { reason: 'mine' })).toMatchObject({
        status: 404,
        body: { error: { message: 'Key not found' } },
      });
    }
  });

  it('say when and from where they were used', async () => {
    const made = await ada.post(path, { name: 'used' });
    await new Client(server.url, made.body.key).get('/api/v1/auth/me');
    const used = await eventually(async () => {
      const [key] = (await ada.get(path)).body as [{ last_used_at: string | null; last_used_ip: string }];
      return key.last_used_at === null ? null : key;
    });
    expect(used.last_used_ip).toMatch(/127\.0\.0\.1$/);
  });
});

describe('the default organisation', () => {
  const put = (user: TestAccount, orgId: unknown): Promise<Answer> =>
    user.put('/api/v1/auth/me/default-org', { org_id: orgId as string });

  it('is chosen among the caller’s own, shown in me, and given up', async () => {
    const ada = await signUp(server);
    const [first, second] = [await seedOrg(server, ada), await seedOrg(server, ada)];
    const me = async (): Promise<Answer['body']> => (await ada.get('/api/v1/auth/me')).body;
    expect(await me()).toMatchObject({ org_id: first.id, org_role: 'owner', default_org_id: null });
    expect(await put(ada, second.id)).toMatchObject({ status: 200, body: { default_org_id: second.id } });
    expect(await me()).toMatchObject({
      ...{ org_id: second.id, org_name: `Org ${second.slug}`, org_role: 'owner', default_org_id: second.id },
      ...{ tier: 'enterprise', effective_tier: 'team', account_slug: ada.slug },
    });
    expect((await actingFor(ada, first).get('/api/v1/auth/me')).body).toMatchObject({ org_id: first.id });
    expect(await put(ada, null)).toMatchObject({ status: 200, body: { default_org_id: null } });
    expect(await me()).toMatchObject({ org_id: first.id, default_org_id: null });
  });

  it('is never one the caller is not in', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    const foreign = await seedOrg(server, bob);
    for (const id of [foreign.id, 'org_0123456789abcdef', 'nonsense', '', 'a\0b', 'x'.repeat(10_000)]) {
      expect(await put(ada, id)).toMatchObject({
        status: 403,
        body: { error: { message: 'You are not a member of that org' } },
      });
    }
    for (const id of [7, undefined, ['x']]) expect((await put(ada, id)).status).toBe(422);
  });
});

describe('a pinned session', () => {
  it('makes and rotates no keys, which would outlive it', async () => {
    const ada = await signUp(server);
    const opened = await ada.post('/v1/session', { ttl_seconds: 600 });
    const session = nobody.with({ 'x-session-id': opened.body.session_id as string });
    expect((await session.get('/api/v1/auth/me')).body).toMatchObject({ user_id: ada.userId });
    const refusal = { status: 403, body: { error: { details: { error: 'key_required' } } } };
    expect(await session.post('/api/v1/auth/keys', {})).toMatchObject(refusal);
    expect(await session.post('/api/v1/auth/me/api-keys', { name: 'x' })).toMatchObject(refusal);
    expect(await session.post(`/api/v1/auth/keys/${ada.keyId}/rotate`)).toMatchObject(refusal);
    expect((await ada.get('/api/v1/auth/keys')).body).toHaveLength(1);
  });
});
