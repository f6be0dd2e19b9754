import { createHash, randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { Browser } from '../support/browser.js';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { actingFor, seedMember, seedOrg, unseatMember } from '../support/org-rows.js';
import { sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const SECRET = 'ghp' + '_' + 'a1B2c3D4e5'.repeat(4).slice(0, 36);
const HOUR_MS = 3_600_000;

let server: TestServer;
let node: TestServer;
let ann: TestAccount;
let world: Client;

beforeAll(async () => {
  server = await startTestServer({ TRUST_PROXY: '1' });
  node = await startOn(server.databaseUrl, server.dataDir, { TRUST_PROXY: '1' });
  ann = await signUp(server);
  world = new Client(server.url, null);
});

afterAll(async () => {
  await node.close();
  await server.close();
});

async function pushed(
  messages: readonly object[] = [userSays('hello')],
  manifest: object = { title: 'Tabs break the parser' },
) {
  const id = newSessionId();
  const archive = await sessionArchive({ ...manifest }, messages);
  const { body } = await pushSession(ann, id, archive);
  return { id, archive, etag: body.etag as string };
}

/** A link to a session of Ann's, and where it leads. */
async function shared(id: string, body: Record<string, string | number | null> = {}) {
  const answer = await ann.post(`/api/v1/sessions/${id}/share`, body);
  expect(answer.status).toBe(201);
  const path = new URL(answer.body.url).pathname;
  return { linkId: answer.body.link_id as string, path, answer };
}

const listed = async (id: string): Promise<Record<string, unknown>[]> =>
  (await ann.get(`/api/v1/sessions/${id}/share`)).body.links;

const asJson = { accept: 'application/json' };
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

describe('a share link', () => {
  it('is made with the default lifetime, and its token is stored nowhere', async () => {
    const { id } = await pushed();
    const before = Date.now();
    const { answer, path, linkId } = await shared(id);
    expect(answer.body).toEqual({
      link_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/api\/v1\/sessions\/share\/[A-Za-z0-9_-]{64}$/),
      expires_at: expect.any(String),
      has_password: false,
    });
    const lifetime = Date.parse(answer.body.expires_at) - before;
    expect(Math.round(lifetime / HOUR_MS)).toBe(24);
    const token = path.split('/').at(-1);
    const rows = await sql<{ row: string }>(server, 'select l::text as row from share_link l where id = $1', [linkId]);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it.each([
    { expires_in_hours: 0 },
    { expires_in_hours: -1 },
    { expires_in_hours: 8_761 },
    { expires_in_hours: 1.5 },
    { expires_in_hours: '24' },
    { expires_in_hours: 1e300 },
    { password: '' },
    { password: 7 },
    { password: 'x'.repeat(201) },
    { password: 'a\0b' },
  ])('is refused with %j', async (body) => {
    const { id } = await pushed();
    const answer = await ann.post(`/api/v1/sessions/${id}/share`, body);
    expect(answer.status).toBe(422);
    expect(JSON.stringify(answer.body)).toContain(Object.keys(body)[0]);
    expect(await listed(id)).toEqual([]);
  });

  it('lives for up to a year', async () => {
    const { id } = await pushed();
    await shared(id, { expires_in_hours: 8_760, password: null });
  });

  it("is made, listed and revoked by the session's owner only", async () => {
    const { id } = await pushed();
    const { linkId } = await shared(id);
    const bo = await signUp(server);
    const none = await pushed();
    for (const session of [id, newSessionId()]) {
      expect((await bo.post(`/api/v1/sessions/${session}/share`, {})).status).toBe(404);
      expect((await bo.get(`/api/v1/sessions/${session}/share`)).status).toBe(404);
      expect((await bo.delete(`/api/v1/sessions/${session}/share/${linkId}`)).status).toBe(404);
    }
    for (const link of [linkId, randomUUID(), 'garbage', `${'x'.repeat(5_000)}`, '%27']) {
      expect(await ann.delete(`/api/v1/sessions/${none.id}/share/${link}`)).toMatchObject({
        status: 404,
        body: { error: { message: 'Share link not found' } },
      });
    }
    expect(await listed(id)).toMatchObject([{ link_id: linkId, status: 'active' }]);
  });

  it('is listed newest first, page by page', async () => {
    const { id } = await pushed();
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) made.unshift((await shared(id)).linkId);
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await ann.get(`/api/v1/sessions/${id}/share?limit=2&cursor=${cursor}`);
      seen.push(...body.links.map((link: { link_id: string }) => link.link_id));
      cursor = body.next_cursor ?? '';
    } while (cursor);
    expect(seen).toEqual(made);
    expect((await ann.get(`/api/v1/sessions/${id}/share?cursor=garbage`)).status).toBe(422);
  });

  it('is revoked at once, also for a session in the trash, and revoking it again changes nothing', async () => {
    const { id } = await pushed();
    const { linkId, path } = await shared(id);
    await ann.delete(`/api/v1/sessions/${id}?scope=cloud`);
    expect((await ann.post(`/api/v1/sessions/${id}/share`, {})).status).toBe(404);
    for (let round = 0; round < 2; round += 1) {
      expect((await ann.delete(`/api/v1/sessions/${id}/share/${linkId}`)).status).toBe(204);
    }
    await ann.post(`/api/v1/sessions/${id}/restore`);
    expect((await world.get(path)).status).toBe(410);
    const audited = await sql<{ action: string }>(
      server,
      `select action from audit where facts->>'link_id' = $1 order by id`,
      [linkId],
    );
    expect(audited.map(({ action }) => action)).toEqual(['session.share', 'session.unshare']);
    const events = await sql(server, `select type from event where payload->>'link_id' = $1 order by id`, [linkId]);
    expect(events).toEqual([{ type: 'session.shared' }, { type: 'session.unshared' }]);
  });
});

it('links of a session that is pushed out of the trash are revoked; those of one that is restored are not', async () => {
  const [pushedBack, restored] = [await pushed(), await pushed()];
  const [gone, kept] = [await shared(pushedBack.id), await shared(restored.id)];
  for (const { id } of [pushedBack, restored]) await ann.delete(`/api/v1/sessions/${id}?scope=cloud`);
  const next = await sessionArchive({ title: 'Back' }, [userSays('back')]);
  expect((await pushSession(ann, pushedBack.id, next, { 'x-sessionfs-undelete': 'true' })).status).toBe(200);
  await ann.post(`/api/v1/sessions/${restored.id}/restore`);
  expect((await world.get(gone.path)).body.error.message).toBe('Share link has been revoked');
  expect((await world.get(kept.path)).status).toBe(200);
  expect(await listed(pushedBack.id)).toMatchObject([{ status: 'revoked', revoked_at: expect.any(String) }]);
});

describe('what a link opens', () => {
  const download = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(server.url + path, { headers });
    return { response, bytes: Buffer.from(await response.arrayBuffer()) };
  };

  it('is the archive as it was pushed when there is nothing to hide in it', async () => {
    const { id, archive, etag } = await pushed();
    const { path } = await shared(id);
    const { response, bytes } = await download(path);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/gzip',
      etag: `"${etag}"`,
      'cache-control': 'private, no-cache',
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow',
    });
    expect(bytes.equals(archive)).toBe(true);
    expect((await download(path, { 'if-none-match': `"${etag}"` })).response.status).toBe(304);
  });

  it('is an archive without its secrets, made once, whose ETag is its own', async () => {
    const { id, etag } = await pushed([userSays(`token ${SECRET}`), userSays('fine')]);
    const { path } = await shared(id);
    const answers = await Promise.all([download(path), download(path)]);
    const tar = gunzipSync(answers[0].bytes).toString();
    expect(tar).toContain('token [REDACTED:github_token]');
    expect(tar).not.toContain(SECRET);
    expect(answers[1].bytes.equals(answers[0].bytes)).toBe(true);
    const own = createHash('sha256').update(answers[0].bytes).digest('hex');
    expect(answers[0].response.headers.get('etag')).toBe(`"${own}"`);
    expect(own).not.toBe(etag);
    const rows = await sql(server, 'select 1 from shared_archive where digest = $1', [own]);
    const holds = await sql(server, `select 1 from blob_hold where digest = $1 and kind = 'session_version'`, [own]);
    expect([rows.length, holds.length]).toEqual([1, 1]);
  });

  it('is made anew after a release that may know more secrets, and the older one is let go', async () => {
    const { id } = await pushed([userSays(`token ${SECRET}`)]);
    const { path } = await shared(id);
    const first = await download(path);
    const digest = createHash('sha256').update(first.bytes).digest('hex');
    const stale = 'f'.repeat(64);
    await sql(server, `insert into blob (digest, bytes) values ($1, 1) on conflict do nothing`, [stale]);
    await sql(
      server,
      `insert into blob_hold (kind, owner_id, digest) select kind, owner_id, $2 from blob_hold where digest = $1`,
      [digest, stale],
    );
    await sql(server, `update shared_archive set release = '0.0.1', digest = $2 where digest = $1`, [digest, stale]);
    expect((await download(path)).bytes.equals(first.bytes)).toBe(true);
    expect(await sql(server, 'select 1 from blob_hold where digest = $1', [stale])).toEqual([]);
  });

  it('is JSON for programs, redacted and paged', async () => {
    const messages = [userSays(`my ${SECRET}`), ...Array.from({ length: 120 }, (_, n) => userSays(`m${n}`))];
    const { id } = await pushed(messages);
    await ann.patch(`/api/v1/sessions/${id}`, { title: `With ${SECRET}` });
    const { path } = await shared(id);
    const { headers, body } = await world.get(`${path}?page_size=100`, asJson);
    expect(headers.get('content-type')).toMatch('application/json');
    expect(body).toMatchObject({ title: 'With [REDACTED:github_token]', total: 121, page: 1, has_more: true });
    expect(body.messages).toHaveLength(100);
    expect(body.messages[0].content[0].text).toBe('my [REDACTED:github_token]');
    const last = (await world.get(`${path}?page=2&page_size=100&format=json`)).body;
    expect(last).toMatchObject({ page: 2, has_more: false });
    expect(last.messages.at(-1).msg_id).toBe('m119');
    expect((await world.get(`${path}?page=9`, asJson)).body).toMatchObject({ messages: [], has_more: false });
    for (const bad of ['page=0', 'page_size=101', 'page=x', 'format=exe', 'format=json&format=html']) {
      expect((await world.get(`${path}?${bad}`, asJson)).status).toBe(422);
    }
  });

  it('is nothing of a link that is unknown, revoked, expired, or of a session that is deleted', async () => {
    const { id } = await pushed();
    const expired = await shared(id, { expires_in_hours: 1, password: 'p' });
    const both = await shared(id, { expires_in_hours: 1 });
    const deleted = await shared(id, { expires_in_hours: 48, password: 'p' });
    await ann.delete(`/api/v1/sessions/${id}/share/${both.linkId}`);
    await ann.delete(`/api/v1/sessions/${id}?scope=cloud`);
    moveClock([server, node], 2 * HOUR_MS);
    const said = async (path: string): Promise<unknown[]> => {
      const { status, body } = await world.get(path);
      return [status, body.error.message];
    };
    expect(await said(both.path)).toEqual([410, 'Share link has been revoked']);
    expect(await said(expired.path)).toEqual([410, 'Share link has expired']);
    expect(await said(deleted.path)).toEqual([401, 'Password required']);
    const opened = await world.post(deleted.path, { password: 'p' });
    expect([opened.status, opened.body.error.message]).toEqual([410, 'Session has been deleted']);
    for (const token of ['x', 'A'.repeat(64), 'A'.repeat(5_000), '%00', "'; drop", '..%2f..']) {
      const { status } = await world.get(`/api/v1/sessions/share/${encodeURIComponent(token)}`);
      expect({ token, is404: [404, 422].includes(status) }).toEqual({ token, is404: true });
    }
    const page = await new Browser().visit(server.url + both.path);
    expect([page.status, page.text]).toEqual([410, expect.stringContaining('Share link has been revoked')]);
  });

  it('ends with the account of whoever made it', async () => {
    const bo = await signUp(server);
    const id = newSessionId();
    await pushSession(bo, id, await sessionArchive({}, [userSays('x')]));
    const path = new URL((await bo.post(`/api/v1/sessions/${id}/share`, {})).body.url).pathname;
    expect((await world.get(path)).status).toBe(200);
    await sql(server, 'update app_user set is_active = false where id = $1', [bo.userId]);
    expect((await world.get(path)).status).toBe(404);
  });

  it('ends while its maker is not in the organisation whose session it opens', async () => {
    const cy = await signUp(server);
    const org = await seedOrg(server, cy);
    const acting = actingFor(cy, org);
    const own = newSessionId();
    await pushSession(cy, own, await sessionArchive({}, [userSays('mine')]));
    const id = newSessionId();
    await pushSession(acting, id, await sessionArchive({}, [userSays('theirs')]));
    const link = async (by: Client, session: string): Promise<string> =>
      new URL((await by.post(`/api/v1/sessions/${session}/share`, {})).body.url).pathname;
    const [mine, theirs] = [await link(cy, own), await link(acting, id)];
    const opened = async (): Promise<number[]> => [(await world.get(mine)).status, (await world.get(theirs)).status];
    expect(await opened()).toEqual([200, 200]);
    await unseatMember(server, org, cy);
    expect(await opened()).toEqual([200, 404]);
    await seedMember(server, org, cy);
    expect(await opened()).toEqual([200, 200]);
  });

  it('counts each opening once, however many come at once, and turning pages not at all', async () => {
    const { id } = await pushed();
    const { path } = await shared(id);
    expect(await listed(id)).toMatchObject([{ view_count: 0, last_viewed_at: null }]);
    await Promise.all([
      ...Array.from({ length: 10 }, () => world.get(path, asJson)),
      ...Array.from({ length: 10 }, () => new Client(node.url, null).get(path)),
    ]);
    await world.get(`${path}?page=2`, asJson);
    await world.get(`${path.slice(0, -1)}${path.endsWith('A') ? 'B' : 'A'}`);
    const [link] = await listed(id);
    expect(link).toMatchObject({ view_count: 20, last_viewed_at: expect.stringMatching(/Z$/) });
  });
});

describe('a password', () => {
  it('is asked for, and opens what the link opens', async () => {
    const { id, archive } = await pushed();
    const { path, answer } = await shared(id, { password: 'Ⅻ böse' });
    expect(answer.body.has_password).toBe(true);
    const failed = async (sent: Promise<Answer>): Promise<unknown[]> => {
      const { status, body } = await sent;
      return [status, body.error.message];
    };
    expect(await failed(world.get(`${path}?password=XII%20b%C3%B6se`))).toEqual([401, 'Password required']);
    expect(await failed(world.post(path, { password: null }))).toEqual([401, 'Password required']);
    expect(await failed(world.post(path, {}))).toEqual([401, 'Password required']);
    expect(await failed(world.post(path, { password: 'wrong' }))).toEqual([401, 'Invalid password']);
    // The same letters in another form of Unicode.
    const opened = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ password: 'XII bo\u0308se' }),
    });
    expect(Buffer.from(await opened.arrayBuffer()).equals(archive)).toBe(true);
    expect((await world.post(path, { password: 'XII böse' }, asJson)).body).toMatchObject({ total: 1 });
    const [stored] = await sql<{ hash: string }>(server, 'select password_hash as hash from share_link where id = $1', [
      answer.body.link_id,
    ]);
    expect(stored?.hash).toMatch(/^scrypt\$32768\$8\$1\$/);
  });

  it('may be sent to a link that takes none; a body that says nothing of it is refused', async () => {
    const { path } = await shared((await pushed()).id);
    expect((await world.post(path, { password: 'any' }, asJson)).status).toBe(200);
    expect((await world.post(path, { password: null }, asJson)).status).toBe(200);
    for (const body of [undefined, [1], 'x', { password: 7 }, { password: 'x'.repeat(201) }]) {
      expect((await world.post(path, body, asJson)).status).toBe(422);
    }
    expect((await world.post(path, { password: 'x'.repeat(5_000) }, asJson)).status).toBe(413);
  });

  it('is guessed ten times from one address, at once or not, on any node, and not again before the wait is over', async () => {
    const { path } = await shared((await pushed()).id, { password: 'right' });
    const guess = (client: Client, password: string, address: string): Promise<Answer> =>
      client.post(path, { password }, { ...asJson, ...from(address) });
    const other = new Client(node.url, null);
    expect((await guess(world, 'right', '203.0.113.7')).status).toBe(200);
    const guesses = await Promise.all(
      Array.from({ length: 16 }, (_, n) => guess(n % 2 ? world : other, `wrong ${n}`, '203.0.113.7')),
    );
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(10);
    const refused = guesses.find(({ status }) => status === 429);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(refused?.body.error.details.error).toBe('share_password_limit');
    expect((await guess(other, 'right', '203.0.113.7')).status).toBe(429);
    expect((await guess(world, 'right', '203.0.113.8')).status).toBe(200);
    // Guesses that were refused do not use up what the link has for everybody.
    const [{ failures } = { failures: 0 }] = await sql<{ failures: number }>(
      server,
      `select failures from share_guess where bucket like 'link:%' order by failures desc limit 1`,
    );
    expect(failures).toBe(10);
    moveClock([server, node], 16 * 60_000);
    expect((await guess(other, 'right', '203.0.113.7')).status).toBe(200);
  });

  it('is guessed fifty times in an hour from wherever', async () => {
    const { path, linkId } = await shared((await pushed()).id, { password: 'right' });
    await sql(server, `insert into share_guess values ($1, 50, now() + interval '10 years')`, [`link:${linkId}`]);
    expect((await world.post(path, { password: 'right' }, from('198.51.100.1'))).status).toBe(429);
    await sql(server, `update share_guess set failures = 49 where bucket = $1`, [`link:${linkId}`]);
    expect((await world.post(path, { password: 'wrong' }, from('198.51.100.2'))).status).toBe(401);
    expect((await world.post(path, { password: 'right' }, from('198.51.100.3'))).status).toBe(429);
  });
});
