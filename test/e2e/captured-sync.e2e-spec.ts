import { createHash } from 'node:crypto';
import { admin, type Client, signUp, type TestAccount } from '../support/client.js';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ann: TestAccount;
let bo: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  ann = await signUp(server);
  bo = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

const etagOf = (archive: Buffer): string => createHash('sha256').update(archive).digest('hex');

async function pull(client: Client, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${client.url}/api/v1/sessions/${path}`, { headers: { 'x-api-key': client.key!, ...headers } });
}

/** A session of Ann with its id, its archive and its ETag. */
async function pushed(title = 'First', sync?: object): Promise<{ id: string; archive: Buffer; etag: string }> {
  const id = newSessionId();
  const archive = await sessionArchive({ title, ...(sync && { sync }) }, [userSays('Why does a tab break line 7?')]);
  expect(await pushSession(ann, id, archive)).toMatchObject({ status: 201 });
  return { id, archive, etag: etagOf(archive) };
}

describe('a push', () => {
  it('is stored as it came, and pulled byte by byte', async () => {
    const { id, archive, etag } = await pushed();
    const answer = await pull(ann, `${id}/sync`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/gzip');
    expect(answer.headers.get('etag')).toBe(`"${etag}"`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(archive)).toBe(true);
    expect((await pull(ann, `${id}/sync`, { 'if-none-match': `"${etag}"` })).status).toBe(304);
    expect((await ann.get(`/api/v1/sessions/${id}`)).body).toMatchObject({
      id,
      etag,
      title: 'First',
      source_tool: 'codex',
    });
  });

  it('answers what clients read', async () => {
    const id = newSessionId();
    const archive = await sessionArchive({ title: 'Fields' }, [userSays('x')]);
    const { body } = await pushSession(ann, id, archive);
    expect(body).toEqual({
      session_id: id,
      etag: etagOf(archive),
      blob_size_bytes: archive.length,
      synced_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      branch_etag: null,
    });
  });

  it('is conditional on If-Match, and a conflict names the current ETag', async () => {
    const { id, etag } = await pushed();
    const next = await sessionArchive({ title: 'Second', sync: { etag } }, [userSays('again')]);
    expect(await pushSession(ann, id, next, { 'if-match': '"wrong"' })).toMatchObject({
      status: 409,
      body: { error: { code: 'etag_mismatch', details: { current_etag: etag } } },
    });
    expect(await pushSession(ann, id, next, { 'if-match': `"${etag}"` })).toMatchObject({
      status: 200,
      body: { etag: etagOf(next), branch_etag: null },
    });
  });

  it('keeps what it overwrites without having known it, as a branch that can be pulled', async () => {
    const { id, archive, etag } = await pushed();
    const other = await sessionArchive({ title: 'From elsewhere' }, [userSays('other machine')]);
    expect((await pushSession(ann, id, other)).body).toMatchObject({ etag: etagOf(other), branch_etag: etag });
    const { versions } = (await ann.get(`/api/v1/sessions/${id}/versions`)).body;
    expect(versions).toMatchObject([
      { etag: etagOf(other), is_current: true, is_branch: false },
      { etag, is_current: false, is_branch: true },
    ]);
    const branch = await pull(ann, `${id}/sync?etag=${etag}`);
    expect(Buffer.from(await branch.arrayBuffer()).equals(archive)).toBe(true);
  });

  it('leaves on its person what it was made with, cut to what fits; one that does not say leaves that alone', async () => {
    const cy = await signUp(server);
    const lastOf = async (): Promise<unknown[]> => {
      const { body } = await cy.get('/api/v1/auth/me');
      return [body.last_client_version, body.last_client_platform, body.last_client_device, body.last_sync_at];
    };
    const push = async (headers: Record<string, string>): Promise<number> =>
      (await pushSession(cy, newSessionId(), await sessionArchive({}, [userSays('x')]), headers)).status;
    expect(await push({ 'x-client-device': 'only a device' })).toBe(201);
    expect(await lastOf()).toEqual([null, null, null, null]);
    const long = {
      'x-client-version': '9'.repeat(30),
      'x-client-platform': 'linux',
      'x-client-device': 'd'.repeat(200),
    };
    expect(await push(long)).toBe(201);
    expect(await lastOf()).toEqual(['9'.repeat(20), 'linux', 'd'.repeat(100), expect.stringMatching(/Z$/)]);
    expect(await push({ 'user-agent': 'sessionfs-cli/0.13.2' })).toBe(201);
    expect(await lastOf()).toEqual(['0.13.2', null, null, expect.stringMatching(/Z$/)]);
  });

  it('of equal content stores nothing and keeps the ETag', async () => {
    const { id, etag } = await pushed('Same', { etag: null });
    const again = await sessionArchive({ title: 'Same', sync: { etag, dirty: false } }, [
      userSays('Why does a tab break line 7?'),
    ]);
    expect(etagOf(again)).not.toBe(etag);
    expect(await pushSession(ann, id, again)).toMatchObject({ status: 200, body: { etag } });
    expect((await ann.get(`/api/v1/sessions/${id}/versions`)).body.versions).toHaveLength(1);
  });

  it('of a deleted session takes its consent', async () => {
    const { id, etag } = await pushed();
    await ann.delete(`/api/v1/sessions/${id}?scope=everywhere`);
    const next = await sessionArchive({ title: 'Back' }, [userSays('back')]);
    expect((await pushSession(ann, id, next)).status).toBe(410);
    const undelete = { 'x-sessionfs-undelete': 'true' };
    expect((await pushSession(ann, id, next, { ...undelete, 'if-match': 'stale' })).body.error.details).toEqual({
      current_etag: etag,
    });
    expect((await pushSession(ann, id, next, undelete)).status).toBe(200);
    expect((await ann.get(`/api/v1/sessions/${id}`)).body).toMatchObject({ title: 'Back', is_deleted: false });
  });
});

describe('the trash', () => {
  it('takes a session with the scope it was deleted in, and says so where none was given', async () => {
    const { id } = await pushed();
    const path = `/api/v1/sessions/${id}`;
    expect(await ann.delete(`${path}?scope=elsewhere`)).toMatchObject({
      status: 400,
      body: { error: { message: "scope must be 'cloud' or 'everywhere'" } },
    });
    const deleted = await ann.delete(path);
    expect(deleted).toMatchObject({ status: 200, body: { is_deleted: true, delete_scope: 'cloud' } });
    expect(deleted.headers.get('x-deprecation-warning')).toMatch(/v1\.0/);
    const days = (Date.parse(deleted.body.purge_after) - Date.parse(deleted.body.deleted_at)) / 86_400_000;
    expect(days).toBe(30);
    expect(await ann.delete(`${path}?scope=cloud`)).toMatchObject({
      status: 410,
      body: { error: { message: 'Session already deleted' } },
    });
    for (const tail of ['', '/sync', '/messages']) expect((await ann.get(path + tail)).status).toBe(404);
    const trash = (await ann.get('/api/v1/sessions?deleted=true&page_size=100')).body.sessions as { id: string }[];
    expect(trash.find((session) => session.id === id)).toMatchObject({ delete_scope: 'cloud', title: 'First' });
  });

  it('gives a session back, with a hint where its local copy may be gone', async () => {
    for (const [scope, stored, isMissing] of [
      ['cloud', 'cloud', false],
      ['everywhere', 'both', true],
    ] as const) {
      const { id, etag } = await pushed();
      const path = `/api/v1/sessions/${id}`;
      expect((await ann.delete(`${path}?scope=${scope}`)).body.delete_scope).toBe(stored);
      expect(await ann.post(`${path}/restore`)).toMatchObject({
        status: 200,
        body: { id, etag, is_deleted: false, deleted_at: null, delete_scope: null, purge_after: null },
      });
      expect(await ann.post(`${path}/restore`)).toMatchObject({
        status: 409,
        body: { error: { message: 'Session is not deleted' } },
      });
      await ann.delete(`${path}?scope=${scope}`);
      const { body } = await ann.post(`${path}/restore`);
      expect(body).toMatchObject({ restored_from_scope: stored, local_copy_may_be_missing: isMissing });
    }
    expect(await ann.post(`/api/v1/sessions/${newSessionId()}/restore`)).toMatchObject({
      status: 410,
      body: { error: { message: 'Session not found or already purged' } },
    });
  });
});

describe('an alias', () => {
  it('that another session took meanwhile stays there when its first one leaves the trash, by push or by restore', async () => {
    for (const back of ['push', 'restore']) {
      const [{ id: first }, { id: second }] = [await pushed(), await pushed()];
      const alias = `taken-${first.slice(4)}`;
      await ann.put(`/api/v1/sessions/${first}/alias`, { alias });
      await ann.delete(`/api/v1/sessions/${first}?scope=cloud`);
      expect((await ann.put(`/api/v1/sessions/${second}/alias`, { alias })).status).toBe(200);
      const next = await sessionArchive({ title: 'Back' }, [userSays(back)]);
      const answer =
        back === 'push'
          ? await pushSession(ann, first, next, { 'x-sessionfs-undelete': 'true' })
          : await ann.post(`/api/v1/sessions/${first}/restore`);
      expect({ back, status: answer.status }).toEqual({ back, status: 200 });
      expect((await ann.get(`/api/v1/sessions/${first}`)).body.alias).toBeNull();
      expect((await ann.get(`/api/v1/sessions/${alias}`)).body.id).toBe(second);
    }
  });
});

describe('pushes at once', () => {
  it('of one new session: one creates it, none is lost', async () => {
    const id = newSessionId();
    const archives = await Promise.all(
      Array.from({ length: 6 }, (_, n) => sessionArchive({ title: `t${n}` }, [userSays(`m${n}`)])),
    );
    const answers = await Promise.all(archives.map((archive) => pushSession(ann, id, archive)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const { status } of answers) expect([200, 201, 409]).toContain(status);
    const { versions } = (await ann.get(`/api/v1/sessions/${id}/versions`)).body;
    const kept = versions.map(({ etag }: { etag: string }) => etag).sort();
    expect(kept).toEqual(
      answers
        .filter(({ status }) => status < 300)
        .map(({ body }) => body.etag)
        .sort(),
    );
  });

  it('with one If-Match: one wins, the others learn the current ETag', async () => {
    const { id, etag } = await pushed();
    const archives = await Promise.all(
      Array.from({ length: 4 }, (_, n) => sessionArchive({ title: `u${n}`, sync: { etag } }, [userSays(`n${n}`)])),
    );
    const answers = await Promise.all(
      archives.map((archive) => pushSession(ann, id, archive, { 'if-match': `"${etag}"` })),
    );
    const [winner, ...more] = answers.filter(({ status }) => status === 200);
    expect(more).toEqual([]);
    for (const loser of answers.filter((answer) => answer !== winner)) {
      expect(loser).toMatchObject({ status: 409, body: { error: { details: { current_etag: winner?.body.etag } } } });
    }
  });
});

describe('administrators', () => {
  it('see how many sessions there are and whose, without those in the trash', async () => {
    const root = await admin(server);
    const cy = await signUp(server);
    const before = (await root.get('/api/v1/admin/stats')).body.sessions;
    const [kept, trashed] = [newSessionId(), newSessionId()];
    const archive = await sessionArchive({ source: { tool: 'counted-tool' } }, [userSays('x')]);
    await pushSession(cy, kept, archive);
    await pushSession(cy, trashed, archive);
    await cy.delete(`/api/v1/sessions/${trashed}?scope=cloud`);
    const { sessions } = (await root.get('/api/v1/admin/stats')).body;
    expect(sessions.total).toBe(before.total + 1);
    expect(sessions.total_size_bytes).toBe(before.total_size_bytes + archive.length);
    expect(sessions.by_tool).toMatchObject({ 'counted-tool': 1 });
    expect((await root.get(`/api/v1/admin/users/${cy.userId}`)).body.session_count).toBe(1);
    const { users } = (await root.get('/api/v1/admin/users?page_size=200')).body;
    expect(users.find(({ id }: { id: string }) => id === cy.userId)).toMatchObject({ session_count: 1 });
  });
});

describe('a push that is refused', () => {
  it.each([
    ['text', Buffer.from('hello'), 400, /^Invalid tar.gz archive/],
    ['nothing', Buffer.alloc(0), 400, /^Invalid tar.gz archive/],
  ])('is no archive: %s', async (_, archive, status, message) => {
    const answer = await pushSession(ann, newSessionId(), archive);
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toMatch(message);
  });

  it('is a truncated archive', async () => {
    const archive = await sessionArchive({ title: 'Cut' }, [userSays('x'.repeat(5_000))]);
    expect((await pushSession(ann, newSessionId(), archive.subarray(0, archive.length - 20))).status).toBe(400);
  });

  it('has no file, or is no form', async () => {
    const path = `/api/v1/sessions/${newSessionId()}/sync`;
    for (const body of [undefined, { file: 'x' }]) {
      expect(await ann.put(path, body)).toMatchObject({
        status: 422,
        body: { error: { details: { errors: [{ type: 'missing', loc: ['body', 'file'] }] } } },
      });
    }
  });

  it('names no session id', async () => {
    const archive = await sessionArchive({}, []);
    for (const id of ['ses_SHOUT', 'x', 'ses_%00', `ses_${'a'.repeat(5_000)}`]) {
      expect((await pushSession(ann, id, archive)).status).toBeGreaterThanOrEqual(400);
      expect((await pushSession(ann, id, archive)).status).toBeLessThan(500);
    }
  });
});

describe('a session', () => {
  it('with a bad line and a poisoned manifest is read as far as it goes, and says what was wrong', async () => {
    const id = newSessionId();
    const archive = await sessionArchive({ title: 7, tags: { a: 1 }, stats: { message_count: 'x' } }, [
      userSays('one'),
      '{broken',
      '[]',
      userSays('two'),
    ]);
    expect((await pushSession(ann, id, archive)).status).toBe(201);
    expect((await ann.get(`/api/v1/sessions/${id}/messages`)).body).toMatchObject({
      total: 2,
      messages: [{ msg_id: 'one' }, { msg_id: 'two' }],
    });
    const [version] = (await ann.get(`/api/v1/sessions/${id}/versions`)).body.versions;
    expect(version).toMatchObject({ bad_lines: 2 });
    expect(version.problems).toContain('messages.jsonl line 2: not_json');
    expect((await ann.get('/api/v1/sessions')).status).toBe(200);
  });

  it('is paged from the oldest or the newest message', async () => {
    const id = newSessionId();
    const messages = Array.from({ length: 250 }, (_, n) => userSays(`m${n}`));
    await pushSession(ann, id, await sessionArchive({}, messages));
    const idsOf = ({ body }: { body: { messages: { msg_id: string }[] } }): string[] =>
      body.messages.map((message) => message.msg_id);
    const third = await ann.get(`/api/v1/sessions/${id}/messages?page=3&page_size=100`);
    expect(third.body).toMatchObject({ total: 250, page: 3, page_size: 100, has_more: false });
    expect(idsOf(third)).toEqual(messages.slice(200).map((message) => (message as { msg_id: string }).msg_id));
    const newest = await ann.get(`/api/v1/sessions/${id}/messages?page_size=2&order=newest`);
    expect(idsOf(newest)).toEqual(['m249', 'm248']);
    expect((await ann.get(`/api/v1/sessions/${id}/messages?page_size=101`)).status).toBe(422);
  });

  it("is nobody else's", async () => {
    const { id } = await pushed();
    const unknown = newSessionId();
    for (const path of ['', '/sync', '/messages', '/versions', '/workspace', '/tools', '/download', '/provenance']) {
      const [theirs, none] = await Promise.all([
        bo.get(`/api/v1/sessions/${id}${path}`),
        bo.get(`/api/v1/sessions/${unknown}${path}`),
      ]);
      expect({ path, status: theirs.status, body: theirs.body }).toEqual({ path, status: 404, body: none.body });
    }
    expect((await bo.get('/api/v1/sessions')).body).toMatchObject({ sessions: [], total: 0 });
    const own = await sessionArchive({ title: "Bo's" }, []);
    expect((await pushSession(bo, id, own)).status).toBe(201);
    expect((await ann.get(`/api/v1/sessions/${id}`)).body.title).toBe('First');
  });

  it('keeps title, tags and alias that its owner set, whatever is pushed later', async () => {
    const { id } = await pushed();
    const alias = `alias-${id.slice(4)}`;
    expect(
      (await ann.patch(`/api/v1/sessions/${id}`, { title: '<b>Mine</b>', tags: ['kept'], alias })).body,
    ).toMatchObject({
      title: 'Mine',
      tags: ['kept'],
      alias,
    });
    await pushSession(ann, id, await sessionArchive({ title: 'Theirs', tags: ['new'] }, [userSays('more')]));
    expect((await ann.get(`/api/v1/sessions/${alias}`)).body).toMatchObject({ id, title: 'Mine', tags: ['kept'] });
  });
});
