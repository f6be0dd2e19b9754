import { randomUUID } from 'node:crypto';
import { Database } from '../../libs/platform/src/index.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { createOrg } from '../support/organisations.js';
import { answersAbout } from '../support/session-routes.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
});

type Body = Record<string, unknown>;

interface Created {
  readonly session: { readonly id: string; readonly lifecycleVersion: number } & Record<string, unknown>;
  readonly chat: { readonly id: string } & Record<string, unknown>;
}

async function create(client: Client, body?: object): Promise<Created> {
  const answer = await client.post('/api/sessions', body as Body | undefined);
  if (answer.status !== 200) throw new Error(`creating answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body as Created;
}

describe('creating a session', () => {
  it('without a body gives the stored defaults and a first chat', async () => {
    const { session, chat } = await create(alice);
    expect(session).toEqual({
      id: expect.stringMatching(/^[A-Za-z0-9_-]{21}$/) as string,
      userId: alice.userId,
      artistId: null,
      title: expect.stringMatching(/^[A-Z][A-Za-z ]+$/) as string,
      status: 'running',
      repoOwner: null,
      repoName: null,
      branch: null,
      cloneUrl: null,
      isNewBranch: false,
      globalSkillRefs: [],
      sandboxState: { type: 'vercel' },
      lifecycleState: 'provisioning',
      lifecycleVersion: 0,
      lastActivityAt: null,
      sandboxExpiresAt: null,
      hibernateAfter: null,
      lifecycleRunId: null,
      lifecycleError: null,
      linesAdded: 0,
      linesRemoved: 0,
      snapshotUrl: null,
      snapshotCreatedAt: null,
      snapshotSizeBytes: null,
      cachedDiff: null,
      cachedDiffUpdatedAt: null,
      createdAt: expect.stringMatching(/Z$/) as string,
      updatedAt: expect.stringMatching(/Z$/) as string,
    });
    expect(chat).toEqual({
      id: expect.stringMatching(/^[A-Za-z0-9_-]{21}$/) as string,
      sessionId: session.id,
      title: 'New chat',
      modelId: null,
      activeStreamId: null,
      lastAssistantMessageAt: null,
      capturedSessionId: null,
      createdAt: expect.stringMatching(/Z$/) as string,
      updatedAt: chat['createdAt'],
    });
    expect((await alice.get(`/api/sessions/${session.id}`)).body).toEqual({ session });
  });

  it('keeps what it was asked for', async () => {
    const asked = {
      title: '  My work ',
      repoOwner: 'octocat',
      repoName: 'hello-world',
      branch: 'feature/x',
      cloneUrl: 'https://github.com/octocat/hello-world',
      sandboxType: 'vercel',
      artistId: randomUUID(),
      autoCommitPush: true,
      unknown: 'ignored',
    };
    const { session } = await create(alice, asked);
    const { unknown, autoCommitPush, sandboxType, ...kept } = asked;
    expect(session).toMatchObject({ ...kept, title: 'My work' });
    expect([unknown, autoCommitPush, sandboxType].some((name) => Object.hasOwn(session, String(name)))).toBe(false);
  });

  it('invents a branch when a new one is wanted, whatever was named', async () => {
    const { session } = await create(alice, { branch: 'main', isNewBranch: true });
    expect(session['branch']).toMatch(/^[a-z0-9]{1,2}\/[0-9a-f]{8}$/);
    expect(session['isNewBranch']).toBe(true);
  });

  it.each<[object, string, string]>([
    [{ repoOwner: '-octo' }, 'repoOwner', 'Invalid repository owner'],
    [{ repoOwner: null }, 'repoOwner', 'Invalid repository owner'],
    [{ repoName: '..' }, 'repoName', 'Invalid repository name'],
    [{ repoName: 7 }, 'repoName', 'Invalid repository name'],
    [{ branch: 'a..b' }, 'branch', 'Invalid branch'],
    [
      { cloneUrl: 'https://evil.example/a/b' },
      'cloneUrl',
      'Invalid clone URL: sandboxes may not clone from evil.example',
    ],
    [{ cloneUrl: 'file:///etc/passwd' }, 'cloneUrl', 'Invalid clone URL: it must begin with https://'],
    [{ sandboxType: 'docker' }, 'sandboxType', 'Invalid sandbox type'],
    [{ isNewBranch: 'yes' }, 'isNewBranch', 'Invalid isNewBranch value'],
    [{ autoCommitPush: 1 }, 'autoCommitPush', 'Invalid autoCommitPush value'],
    [{ autoCreatePr: 'no' }, 'autoCreatePr', 'Invalid autoCreatePr value'],
    [{ organizationId: 'acme' }, 'organizationId', 'organizationId must be a valid UUID'],
    [{ artistId: 'x' }, 'artistId', 'artistId must be a valid UUID'],
    [{ title: 5 }, 'title', 'title must be a string'],
    [{ title: 'x'.repeat(501) }, 'title', 'title must have at most 500 characters'],
    [{ title: 'a\0' }, 'title', 'title must not contain NUL'],
  ])('refuses %j in the surface’s own shape', async (body, field, message) => {
    expect(await alice.post('/api/sessions', body as Body)).toMatchObject({
      status: 400,
      body: { status: 'error', error: message, message, missing_fields: [field], path: [field], code: 'invalid_input' },
    });
  });

  it('asks for credentials before it looks at the body, and refuses what is not JSON', async () => {
    const nobody = new Client(server.url, null);
    expect(await nobody.post('/api/sessions', { title: 5 })).toMatchObject({ status: 401, body: { status: 'error' } });
    expect(await alice.send('POST', '/api/sessions', Buffer.from('{'))).toMatchObject({
      status: 400,
      body: { status: 'error', error: 'Invalid JSON body' },
    });
    expect((await alice.send('POST', '/api/sessions', Buffer.from('  \n'))).status).toBe(200);
  });

  it('happens once for a repeat with the same Idempotency-Key, also at the same time', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const make = (): ReturnType<Client['post']> => alice.post('/api/sessions', { title: 'Once' }, headers);
    const both = await Promise.all([make(), make()]);
    for (const { status, body } of both.filter(({ status }) => status !== 200))
      expect([status, body.code]).toEqual([409, 'idempotency_key_in_use']);
    expect(await make()).toMatchObject({
      status: 200,
      body: both.find(({ status }) => status === 200)!.body as object,
    });
    const { sessions } = (await alice.get('/api/sessions')).body as { sessions: { title: string }[] };
    expect(sessions.filter(({ title }) => title === 'Once')).toHaveLength(1);
  });

  it('draws no title twice, however many are made at once', async () => {
    const carol = await signUp(server);
    const made = await Promise.all(Array.from({ length: 30 }, () => create(carol)));
    expect(new Set(made.map(({ session }) => session['title'])).size).toBe(30);
  });

  it('is for members of the organisation it names', async () => {
    const { slug } = await createOrg(alice);
    const [{ id }] = (await server.app.get(Database).query('select id from account where slug = $1', [slug])) as [
      { id: string },
    ];
    expect((await alice.post('/api/sessions', { organizationId: id })).status).toBe(200);
    for (const organizationId of [id, randomUUID()]) {
      expect(await bob.post('/api/sessions', { organizationId })).toMatchObject({
        status: 403,
        body: { status: 'error', error: 'Access denied to specified organization_id' },
      });
    }
  });
});

describe('credentials', () => {
  it('that are no good are told of in the texts that clients know', async () => {
    const anybody = new Client(server.url, null);
    expect((await anybody.get('/api/sessions')).body).toMatchObject({
      status: 'error',
      error: 'Exactly one of x-api-key or Authorization must be provided',
    });
    for (const [header, key] of Object.entries({ 'x-api-key': 'recoup_sk_x', authorization: `Bearer ${bob.key!}x` }))
      expect(await anybody.get('/api/sessions', { [header]: key })).toMatchObject({
        status: 401,
        body: { status: 'error', message: 'Unauthorized' },
      });
    expect((await anybody.get('/api/sessions', { authorization: 'Token x' })).body).toMatchObject({
      message: 'Authorization header with Bearer token required',
    });
    expect((await anybody.put('/api/sessions')).headers.get('allow')).toBe('GET, POST');
    expect((await anybody.get('/api/sessions', { authorization: `bearer ${alice.key!}` })).status).toBe(200);
  });

  it('act for an organisation that is named, and for nobody else’s', async () => {
    const { slug } = await createOrg(alice);
    const acting = alice.with({ 'x-account': slug });
    const { session } = await create(acting);
    expect((await acting.get(`/api/sessions/${session.id}`)).status).toBe(200);
    expect((await alice.get(`/api/sessions/${session.id}`)).status).toBe(403);
    expect((await bob.with({ 'x-account': slug }).get('/api/sessions')).status).toBe(403);
  });
});

describe('changing a session', () => {
  it('takes title, status and line counts, and leaves the rest', async () => {
    const { session } = await create(alice);
    const path = `/api/sessions/${session.id}`;
    const changed = await alice.patch(path, { title: ' New ', linesAdded: 3, linesRemoved: 1, branch: 'ignored' });
    expect(changed.body.session).toMatchObject({ title: 'New', linesAdded: 3, linesRemoved: 1, branch: null });
    for (const body of [undefined, {}]) {
      expect(await alice.patch(path, body)).toMatchObject({ status: 200, body: changed.body });
    }
  });

  it.each<[object, string]>([
    [{ title: ' ' }, 'title'],
    [{ status: 'paused' }, 'status'],
    [{ linesAdded: -1 }, 'linesAdded'],
    [{ linesAdded: 2_147_483_648 }, 'linesAdded'],
    [{ linesRemoved: '1' }, 'linesRemoved'],
  ])('refuses %j and says where', async (body, field) => {
    const { session } = await create(alice);
    const answer = await alice.patch(`/api/sessions/${session.id}`, body as Body);
    expect(answer).toMatchObject({ status: 400, body: { status: 'error', path: [field] } });
  });

  it('archives and takes out of the archive, each a step of the lifecycle', async () => {
    const { session } = await create(alice);
    const path = `/api/sessions/${session.id}`;
    expect((await alice.patch(path, { status: 'archived' })).body.session).toMatchObject({
      status: 'archived',
      lifecycleState: 'archived',
      lifecycleVersion: 1,
    });
    expect((await alice.patch(path, { status: 'archived' })).body.session).toMatchObject({ lifecycleVersion: 1 });
    expect((await alice.patch(path, { status: 'completed' })).body.session).toMatchObject({
      status: 'completed',
      lifecycleState: 'archived',
    });
    await alice.patch(path, { status: 'archived' });
    expect((await alice.patch(path, { status: 'running' })).body.session).toMatchObject({
      status: 'running',
      lifecycleState: null,
      lifecycleVersion: 3,
    });
  });

  it('takes one out of the archive that was called completed there', async () => {
    const { session } = await create(alice);
    const path = `/api/sessions/${session.id}`;
    for (const status of ['archived', 'completed']) await alice.patch(path, { status });
    expect((await alice.patch(path, { status: 'running' })).body.session).toMatchObject({
      status: 'running',
      lifecycleState: null,
    });
  });

  it('waits for what runs in it to end before it leaves the archive', async () => {
    const { session } = await create(alice);
    const path = `/api/sessions/${session.id}`;
    await server.app.get(Database).query(`update sandbox set state = 'active' where id = $1`, [session.id]);
    await alice.patch(path, { status: 'archived' });
    expect(await alice.patch(path, { status: 'running' })).toMatchObject({
      status: 409,
      body: { error: 'Sandbox is still being paused, try again in a few seconds.' },
    });
  });

  it('honours the version the caller has seen', async () => {
    const { session } = await create(alice);
    const path = `/api/sessions/${session.id}`;
    expect((await alice.get(path)).headers.get('etag')).toBe('"0"');
    expect((await alice.patch(path, { status: 'archived' }, { 'If-Match': '"0"' })).status).toBe(200);
    const late = await alice.patch(path, { title: 'Late' }, { 'If-Match': '"0"' });
    expect(late).toMatchObject({ status: 412, body: { lifecycleVersion: 1 } });
    expect((await alice.patch(path, { title: 'x' }, { 'If-Match': 'abc' })).status).toBe(400);
    const races = await Promise.all(
      Array.from({ length: 8 }, () => alice.patch(path, { status: 'running' }, { 'If-Match': '"1"' })),
    );
    expect(races.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(412)]);
  });

  it('is for its owner: a stranger is told so, as the contract has it', async () => {
    const { session } = await create(alice);
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? { title: 'mine' } : undefined;
      expect(await bob.send(method, `/api/sessions/${session.id}`, body)).toMatchObject({
        status: 403,
        body: { status: 'error', error: 'Forbidden' },
      });
      for (const id of ['nope', 'x'.repeat(5_000), encodeURIComponent('ä/..')]) {
        expect(await bob.send(method, `/api/sessions/${id}`, body)).toMatchObject({
          status: 404,
          body: { status: 'error', error: 'Session not found' },
        });
      }
    }
  });
});

describe('listing and deleting', () => {
  it('shows all, active or archived ones, in pages where there may be many', async () => {
    const dave = await signUp(server);
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift((await create(dave)).session.id);
    for (const id of ids.slice(0, 3)) await dave.patch(`/api/sessions/${id}`, { status: 'archived' });
    const listed = (body: { sessions: { id: string }[] }): string[] => body.sessions.map(({ id }) => id);

    const all = (await dave.get('/api/sessions')).body;
    expect(listed(all)).toEqual(ids);
    expect(all).not.toHaveProperty('archivedCount');
    expect(all.sessions[0]).toMatchObject({ hasUnread: false, hasStreaming: false, latestChatId: expect.any(String) });
    const active = (await dave.get('/api/sessions?status=active')).body;
    expect(listed(active)).toEqual(ids.slice(3));
    expect(active).toMatchObject({ archivedCount: 3 });

    const first = (await dave.get('/api/sessions?status=archived&limit=2')).body;
    expect(first.pagination).toEqual({ limit: 2, offset: 0, hasMore: true, nextOffset: 2 });
    const second = (await dave.get('/api/sessions?status=archived&limit=2&offset=2')).body;
    expect([...listed(first), ...listed(second)]).toEqual(ids.slice(0, 3));
    const byCursor = (await dave.get(`/api/sessions?status=archived&limit=2&cursor=${first.nextCursor}`)).body;
    expect(listed(byCursor)).toEqual(listed(second));
    expect((await dave.get('/api/sessions?status=archived&limit=1000')).body.pagination.limit).toBe(100);
  });

  it.each([
    ['status=gone', 'Invalid status filter'],
    ['status=archived&limit=x', 'Invalid archived limit'],
    ['status=archived&offset=-1', 'Invalid archived offset'],
    ['cursor=AAAA', 'Invalid cursor'],
  ])('refuses ?%s', async (query, error) => {
    expect(await alice.get(`/api/sessions?${query}`)).toMatchObject({ status: 400, body: { status: 'error', error } });
  });

  it('deletes a session with its chats, once', async () => {
    const { session, chat } = await create(alice);
    expect(await alice.delete(`/api/sessions/${session.id}`)).toMatchObject({ status: 200, body: { success: true } });
    for (const path of [`/api/sessions/${session.id}`, `/api/sessions/${session.id}/chats/${chat.id}`]) {
      expect((await alice.get(path)).status).toBe(404);
    }
    expect((await alice.delete(`/api/sessions/${session.id}`)).status).toBe(404);
    expect((await alice.get('/api/sessions')).body.sessions).not.toContainEqual(
      expect.objectContaining({ id: session.id }),
    );
  });
});

describe('every route about a session', () => {
  it('is for its owner, and finds nothing under what is no id', async () => {
    const { session, chat } = await create(alice);
    const about = (sessionId: string) => ({ sessionId, chatId: chat.id });
    const answers = await answersAbout(server, bob, about(session.id));
    expect(Object.keys(answers).length).toBeGreaterThan(30);
    for (const [route, status] of Object.entries(answers))
      expect([route, status]).toEqual([route, route.includes('/api/chat/') ? 404 : 403]);
    for (const id of ['nosuch', 'a%20b', 'x'.repeat(200)])
      for (const [route, status] of Object.entries(await answersAbout(server, alice, about(id))))
        if (!route.includes('/api/chat/')) expect([route, status]).toEqual([route, 404]);
    expect((await alice.get(`/api/sessions/${session.id}`)).body.session).toMatchObject({ title: session['title'] });
  });

  it('tells a stranger nothing where the operator hides what is not theirs', async () => {
    const { session, chat } = await create(alice);
    const hiding = await startOn(server.databaseUrl, server.dataDir, { SANDBOX_HIDE_FOREIGN: 'true' });
    try {
      const stranger = new Client(hiding.url, bob.key);
      const answers = Object.values(await answersAbout(hiding, stranger, { sessionId: session.id, chatId: chat.id }));
      expect(answers).toEqual(answers.map(() => 404));
      const shown = async (id: string): Promise<string> =>
        JSON.stringify((await stranger.get(`/api/sessions/${id}`)).body).replaceAll(id, 'id');
      expect(await shown(session.id)).toBe(await shown('x'.repeat(21)));
    } finally {
      await hiding.close();
    }
  });
});

describe('browsers of any origin', () => {
  it('may call this surface, and are told so with errors too', async () => {
    const preflight = (path: string): Promise<Response> =>
      fetch(server.url + path, {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      });
    const sessions = await preflight('/api/sessions');
    expect(sessions.status).toBe(200);
    expect(sessions.headers.get('access-control-allow-origin')).toBe('*');
    for (const name of ['x-api-key', 'X-Account', 'If-Match', 'Idempotency-Key', 'Last-Event-ID'])
      expect(sessions.headers.get('access-control-allow-headers')).toContain(name);
    expect((await preflight('/api/sandbox/status')).status).toBe(204);
    const refused = await alice.get('/api/sessions/nope', { origin: 'https://app.example' });
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
    expect(
      (await alice.get('/v1/repos', { origin: 'https://app.example' })).headers.has('access-control-allow-origin'),
    ).toBe(false);
  });
});
