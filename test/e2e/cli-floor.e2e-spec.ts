import { admin, type Client, type TestAccount } from '../support/client.js';
import { newSessionId } from '../support/captured-sessions.js';
import { person } from '../support/handoffs.js';
import { setTier } from '../support/organisations.js';
import { Sfs, type SfsFailure } from '../support/peers/sfs.js';
import { eventually } from '../support/pinned-sessions.js';
import { head, rawRequest } from '../support/raw-http.js';
import { seedOrg } from '../support/org-rows.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** The unmodified command line against this server, command by command: sessionfs-1.md §18.1 to 18.3, and 18.5. */
const HEX = /^[0-9a-f]{64}$/;
const UUID = /^[0-9a-f-]{36}$/;
const KEY = /^rh[us]_\w{38}$/;

let server: TestServer;
let root: Client;

beforeAll(async () => {
  server = await startTestServer();
  root = await admin(server);
});

afterAll(async () => {
  await server.close();
});

/** Somebody at a machine of theirs. */
async function somebody(name = 'ann'): Promise<{ account: TestAccount; sfs: Sfs }> {
  const account = await person(server, name);
  return { account, sfs: new Sfs(server.url, account.key) };
}

describe('sfs auth', () => {
  const machine = (key: string | null): Sfs => new Sfs(server.url, key);

  it('signup reads raw_key of a 201, and is told of an address that has signed up', async () => {
    const email = `signup-${Date.now().toString(36)}@example.com`;
    const made = await machine(null).plain('POST', '/api/v1/auth/signup', { email });
    expect(made).toMatchObject({
      status: 201,
      json: { email, raw_key: expect.stringMatching(KEY) },
    });
    const again = await machine(null).plain('POST', '/api/v1/auth/signup', { email });
    expect(again).toMatchObject({ status: 409, json: { error: { message: 'Email already registered' } } });
    const status = await machine(made.json.raw_key).plain('GET', '/api/v1/auth/me');
    expect(status).toMatchObject({
      status: 200,
      json: { email, tier: expect.any(String), email_verified: expect.any(Boolean) },
    });
  });

  it('login and doctor read the status of /health; init, status and whoami who it is', async () => {
    const { sfs, account } = await somebody();
    expect(await sfs.sync('GET', '/health')).toMatchObject({ status: 200, json: { status: 'healthy' } });
    expect(await machine(null).plain('GET', '/health')).toMatchObject({ status: 200, json: { status: 'healthy' } });
    const me = await sfs.plain('GET', '/api/v1/auth/me');
    expect(me.json).toMatchObject({ user_id: account.userId, default_org_id: null });
    expect((await sfs.plain('GET', '/api/v1/me')).json).toEqual(me.json);
  });

  it('keys list, create and revoke read id, name, key and key_prefix; an unknown one is 404', async () => {
    const { sfs } = await somebody();
    const path = '/api/v1/auth/me/api-keys';
    const made = await sfs.plain('POST', path, { name: 'laptop' });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      id: expect.stringMatching(UUID),
      name: 'laptop',
      key: expect.stringMatching(KEY),
    });
    expect(made.json.key.startsWith(made.json.key_prefix)).toBe(true);
    const listed = await sfs.plain('GET', path);
    expect(listed.json.map(({ id }: { id: string }) => id)).toContain(made.json.id);
    expect((await sfs.plain('DELETE', `${path}/${made.json.id}`, { reason: 'lost' })).status).toBe(204);
    expect((await sfs.plain('DELETE', `${path}/00000000-0000-4000-8000-000000000000`, { reason: 'x' })).status).toBe(
      404,
    );
  });

  it('config default-org reads, sets and clears it; one of others is 403', async () => {
    const { sfs, account } = await somebody();
    const org = await seedOrg(server, account);
    const path = '/api/v1/auth/me/default-org';
    expect(await sfs.plain('PUT', path, { org_id: org.id })).toMatchObject({
      status: 200,
      json: { default_org_id: org.id },
    });
    expect((await sfs.plain('GET', '/api/v1/auth/me')).json.default_org_id).toBe(org.id);
    expect((await sfs.plain('PUT', path, { org_id: null })).json).toEqual({ default_org_id: null });
    expect((await sfs.plain('PUT', path, { org_id: 'org_0123456789abcdef' })).status).toBe(403);
  });
});

describe('sfs admin service-keys', () => {
  it('create, list, rotate and revoke, with the answers the command line tells apart', async () => {
    const { sfs, account } = await somebody();
    const org = await seedOrg(server, account);
    const path = `/api/v1/orgs/${org.id}/service-keys`;
    const wish = { name: 'ci', scopes: ['handoffs:write'], expires_in_days: 30 };
    const made = await sfs.plain('POST', path, wish);
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'ci', scopes: expect.arrayContaining(['handoffs:write']), key: expect.stringMatching(KEY) },
    });
    expect((await sfs.plain('GET', path)).json).toMatchObject([
      { id: made.json.id, key_prefix: made.json.key.slice(0, 12) },
    ]);
    const rotated = await sfs.plain('POST', `${path}/${made.json.id}/rotate`);
    expect(rotated).toMatchObject({ status: 200, json: { name: 'ci', key: expect.stringMatching(KEY) } });
    expect(await sfs.plain('POST', `${path}/${made.json.id}/rotate`)).toMatchObject({
      status: 409,
      json: { error: { code: '409', details: { error: 'key_already_revoked' } } },
    });
    expect((await sfs.plain('POST', `${path}/00000000-0000-4000-8000-000000000000/rotate`)).status).toBe(404);
    expect((await sfs.plain('DELETE', `${path}/${rotated.json.id}`, { reason: 'done' })).status).toBe(204);
    expect((await sfs.plain('GET', path)).json).toContainEqual(
      expect.objectContaining({ id: rotated.json.id, is_active: false, revoke_reason: 'done' }),
    );
  });
});

describe('sfs push', () => {
  it('creates, and later updates under the ETag it was answered', async () => {
    const { sfs, account } = await somebody();
    const id = sfs.capture();
    const { status, json } = await sfs.push(id);
    expect({ status, json }).toMatchObject({ status: 201, json: { session_id: id, etag: expect.stringMatching(HEX) } });
    expect(json).toMatchObject({ blob_size_bytes: expect.any(Number), synced_at: expect.stringMatching(/Z$/) });
    sfs.rewrite(id, 'one', 'two');
    const second = await sfs.push(id);
    expect(second).toMatchObject({ status: 200, json: { session_id: id, branch_etag: null } });
    expect(second.json.etag).not.toBe(json.etag);
    expect((await sfs.plain('GET', '/api/v1/auth/me')).json).toMatchObject({
      last_client_version: '0.13.2',
      last_client_platform: 'linux-x86_64',
      last_client_device: 'workbench',
      last_sync_at: expect.any(String),
    });
    expect((await account.get(`/api/v1/sessions/${id}/messages`)).body.total).toBe(2);
  });

  it('again without a change leaves everything in sync', async () => {
    const { sfs } = await somebody();
    const id = sfs.capture();
    const { etag } = (await sfs.push(id)).json;
    for (let round = 0; round < 2; round += 1) expect((await sfs.push(id)).json.etag).toBe(etag);
    expect(await sfs.syncAll()).toEqual({ pushed: [], pulled: [] });
  });

  it('is told of a conflict by message and current ETag, as the daemon adopts it: the other side stays as a branch', async () => {
    const { sfs: laptop, account } = await somebody();
    const desk = new Sfs(server.url, account.key);
    const id = laptop.capture();
    await laptop.push(id);
    await desk.pull(id);
    desk.rewrite(id, 'from the desk');
    const theirs = await desk.push(id);
    laptop.rewrite(id, 'from the laptop');
    const refused = await laptop.push(id);
    expect(refused).toMatchObject({
      status: 409,
      json: {
        error: {
          code: 'etag_mismatch',
          message: 'ETag mismatch — session has been updated',
          details: { current_etag: theirs.json.etag },
        },
      },
    });
    expect(await laptop.put(id, { 'If-Match': `"${refused.json.error.details.current_etag}"` })).toMatchObject({
      status: 200,
      json: { branch_etag: theirs.json.etag },
    });
    const kept = await laptop.sync('GET', `/api/v1/sessions/${id}/sync?etag=${theirs.json.etag}`);
    expect(kept.status).toBe(200);
    expect((await account.get(`/api/v1/sessions/${id}/messages`)).body.messages).toMatchObject([
      { msg_id: 'from the laptop' },
    ]);
  });

  it('of a deleted session is 410, until the person says yes', async () => {
    const { sfs } = await somebody();
    const id = sfs.capture();
    await sfs.push(id);
    await sfs.plain('DELETE', `/api/v1/sessions/${id}?scope=cloud`);
    const copy = sfs.sessions.get(id)!;
    expect((await sfs.push(id)).status).toBe(410);
    expect(sfs.sessions.has(id)).toBe(false);
    sfs.sessions.set(id, copy);
    expect(await sfs.push(id, { yes: true })).toMatchObject({ status: 200, json: { session_id: id } });
  });

  it('of a file that is too large is 413 with what to print, and so is an archive, though it is sent in full', async () => {
    const { sfs, account } = await somebody();
    await setTier(root, account, 'starter');
    await eventually(
      async () => (await sfs.plain('GET', '/api/v1/sync/settings')).json.max_member_bytes === 10_485_760,
    );
    const id = sfs.capture('x'.repeat(10_485_760));
    const { status, json } = await sfs.push(id);
    expect({ status, json }).toMatchObject({
      status: 413,
      json: { detail: { message: expect.stringMatching(/messages\.jsonl/), suggestion: expect.any(String) } },
    });
    const form = ['Content-Type: multipart/form-data; boundary=x', `Content-Length: ${52_428_801}`];
    const { text } = await rawRequest(
      server.url,
      [head(`PUT /api/v1/sessions/${id}/sync`, `Authorization: Bearer ${sfs.key}`, ...form), Buffer.alloc(52_428_801)],
      (answered) => answered.endsWith('}'),
    );
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({
      error: { code: 'PAYLOAD_TOO_LARGE', message: expect.stringMatching(/^Session exceeds 50MB cloud limit/) },
      detail: { message: expect.stringMatching(/^Session exceeds/), suggestion: expect.any(String) },
    });
  });

  it('without a key, or beyond the plan, is an authentication failure; a policy is looked at before', async () => {
    const { sfs, account } = await somebody();
    const id = sfs.capture();
    const stranger = new Sfs(server.url, 'sk_sfs_00000000000000000000000000000000');
    await expect(stranger.put(stranger.capture())).rejects.toThrow('Authentication failed: 401');
    expect((await sfs.plain('GET', '/api/v1/dlp/policy')).json).toMatchObject({ enabled: false, mode: 'warn' });
    await setTier(root, account, 'free');
    await eventually(
      async () => (await sfs.plain('GET', '/api/v1/sync/settings')).json.max_member_bytes === 10_485_760,
    );
    const refusal = await sfs.push(id).then(
      () => null,
      (error: unknown) => error as SfsFailure,
    );
    expect(refusal?.answer).toMatchObject({
      status: 403,
      json: { detail: { error: 'upgrade_required', required_tier: 'starter' } },
    });
    expect((await sfs.plain('GET', '/api/v1/dlp/policy')).status).toBe(403);
  });
});

describe('sfs pull, list-remote and sync', () => {
  it('pull gets what was pushed, then 304, and 404 for what there is not', async () => {
    const { sfs, account } = await somebody();
    const id = sfs.capture();
    await sfs.push(id);
    const desk = new Sfs(server.url, account.key);
    expect(await desk.pull(id)).toMatchObject({ status: 200, headers: { 'content-type': 'application/gzip' } });
    expect(desk.sessions.get(id)).toEqual(sfs.sessions.get(id));
    const unchanged = await desk.pull(id);
    expect({ status: unchanged.status, length: unchanged.bytes.length }).toEqual({ status: 304, length: 0 });
    expect(await desk.pull(newSessionId())).toMatchObject({
      status: 404,
      json: { error: { message: 'Session not found' } },
    });
  });

  it('list-remote reads its columns, the pages and the tool', async () => {
    const { sfs } = await somebody();
    const ids = [sfs.capture(), sfs.capture(), sfs.capture('by another', { source: { tool: 'gemini-cli' } })];
    for (const id of ids) await sfs.push(id);
    const list = async (query: string) => (await sfs.sync('GET', `/api/v1/sessions?${query}`)).json;
    const first = await list('page=1&page_size=2');
    expect(first).toMatchObject({ total: 3, page: 1, has_more: true, sessions: [{ id: ids[2] }, { id: ids[1] }] });
    expect(first.sessions[1]).toMatchObject({
      ...{ title: 'Teach the parser about tabs', source_tool: 'codex', model_id: 'demo-1', message_count: 4 },
      ...{ blob_size_bytes: expect.any(Number), etag: expect.stringMatching(HEX) },
    });
    expect(await list('page=2&page_size=2')).toMatchObject({ page: 2, has_more: false, sessions: [{ id: ids[0] }] });
    expect((await list('page=1&page_size=20&source_tool=gemini')).sessions).toMatchObject([{ id: ids[2] }]);
  });

  it('sync brings two machines together, five at once, and then rests', async () => {
    const { sfs, account } = await somebody();
    const desk = new Sfs(server.url, account.key);
    const [here, there] = [
      Array.from({ length: 5 }, () => sfs.capture()),
      Array.from({ length: 5 }, () => desk.capture()),
    ];
    expect((await sfs.syncAll()).pushed.toSorted()).toEqual(here.toSorted());
    expect((await desk.syncAll()).pulled.toSorted()).toEqual(here.toSorted());
    expect((await sfs.syncAll()).pulled.toSorted()).toEqual(there.toSorted());
    for (const machine of [sfs, desk]) expect(await machine.syncAll()).toEqual({ pushed: [], pulled: [] });
    expect([...sfs.sessions.keys()].toSorted()).toEqual([...desk.sessions.keys()].toSorted());
  });
});

describe('sfs delete, trash, restore and admin reindex', () => {
  it('delete reads purge_after, and is told of what is not there or gone already', async () => {
    const { sfs } = await somebody();
    for (const scope of ['cloud', 'everywhere']) {
      const id = sfs.capture();
      await sfs.push(id);
      const path = `/api/v1/sessions/${id}?scope=${scope}`;
      expect(await sfs.plain('DELETE', path)).toMatchObject({
        status: 200,
        json: { purge_after: expect.stringMatching(/Z$/) },
      });
      expect((await sfs.plain('DELETE', path)).status).toBe(410);
      const { json } = await sfs.plain('GET', '/api/v1/sessions?deleted=true&page_size=100');
      expect(json.sessions).toContainEqual(
        expect.objectContaining({
          ...{ id, title: 'Teach the parser about tabs', delete_scope: scope === 'cloud' ? 'cloud' : 'both' },
          ...{ deleted_at: expect.stringMatching(/Z$/), purge_after: expect.stringMatching(/Z$/) },
        }),
      );
      expect(await sfs.plain('POST', `/api/v1/sessions/${id}/restore`)).toMatchObject({ status: 200, json: { id } });
      expect((await sfs.plain('POST', `/api/v1/sessions/${id}/restore`)).status).toBe(409);
    }
    expect((await sfs.plain('DELETE', `/api/v1/sessions/${newSessionId()}?scope=cloud`)).status).toBe(404);
    expect((await sfs.plain('POST', `/api/v1/sessions/${newSessionId()}/restore`)).status).toBe(410);
  });

  it('admin reindex reads its three counts', async () => {
    const { sfs } = await somebody();
    await sfs.push(sfs.capture());
    expect(await sfs.sync('POST', '/api/v1/sessions/admin/reindex')).toMatchObject({
      status: 200,
      json: { reindexed: 1, updated: expect.any(Number), errors: 0 },
    });
  });
});

describe('sfs search --cloud and sfs dlp policy', () => {
  it('search reads id, title, tool, time and the first snippet, with tool and days', async () => {
    const { sfs } = await somebody();
    const id = sfs.capture('a pangolin in the lexer');
    await sfs.push(id);
    for (const more of ['', '&tool=codex', '&days=7', '&tool=codex&days=365']) {
      const { status, json } = await sfs.plain('GET', `/api/v1/sessions/search?q=pangolin&page_size=20${more}`);
      expect({ more, status }).toEqual({ more, status: 200 });
      expect(json).toMatchObject({ total: 1, page: 1, page_size: 20, query: 'pangolin' });
      expect(json.results[0]).toMatchObject({
        ...{
          session_id: id,
          title: 'Teach the parser about tabs',
          alias: null,
          source_tool: 'codex',
          model_id: 'demo-1',
        },
        ...{
          message_count: 4,
          updated_at: expect.stringMatching(/Z$/),
          matches: [{ snippet: 'a <mark>pangolin</mark> in the lexer' }],
        },
      });
    }
    expect(
      (await sfs.plain('GET', '/api/v1/sessions/search?q=pangolin&page_size=20&tool=cursor')).json.results,
    ).toEqual([]);
  });

  it('tell who has the wrong plan', async () => {
    const { sfs, account } = await somebody();
    await setTier(root, account, 'free');
    for (const path of ['/api/v1/sessions/search?q=x&page_size=20', '/api/v1/dlp/policy']) {
      const { status, json } = await eventually(async () => {
        const answer = await sfs.plain('GET', path);
        return answer.status !== 200 && answer;
      });
      expect({ path, status, json }).toMatchObject({ status: 403, json: { detail: { error: 'upgrade_required' } } });
    }
  });
});
