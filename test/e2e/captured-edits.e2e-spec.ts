import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { agentSays, newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { setTier } from '../support/organisations.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ann: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  ann = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

const at = (id: string, tail = ''): string => `/api/v1/sessions/${id}${tail}`;

async function pushed(manifest: Record<string, unknown> = {}, owner: Client = ann): Promise<string> {
  const id = newSessionId();
  const archive = await sessionArchive({ title: 'First', ...manifest }, [userSays('hello'), agentSays('good day')]);
  expect((await pushSession(owner, id, archive)).status).toBe(201);
  return id;
}

describe('an edit', () => {
  it('changes title and tags, and neither ETag nor archive', async () => {
    const id = await pushed();
    const { body: before } = await ann.get(at(id));
    const { status, body } = await ann.patch(at(id), { title: '  <i>Second</i> ', tags: ['a', 'b'] });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { title: 'Second', tags: ['a', 'b'], etag: before.etag },
    });
    expect(Date.parse(body.updated_at)).toBeGreaterThan(Date.parse(before.updated_at));
    expect((await ann.get(at(id, '/sync'), { 'if-none-match': `"${before.etag}"` })).status).toBe(304);
  });

  it('of nothing is 400', async () => {
    const id = await pushed();
    for (const body of [{}, { unknown: 1 }]) {
      expect(await ann.patch(at(id), body)).toMatchObject({
        status: 400,
        body: { error: { message: 'At least one of title, alias, or tags must be provided' } },
      });
    }
  });

  it.each([
    ['blank', { title: '   ' }],
    ['only markup', { title: '<b></b>' }],
    ['too long', { title: 'x'.repeat(501) }],
    ['not a text', { title: 7 }],
    ['a NUL', { title: 'a\0b' }],
    ['21 tags', { tags: Array.from({ length: 21 }, (_, n) => `t${n}`) }],
    ['a long tag', { tags: ['x'.repeat(51)] }],
    ['a tag with NUL', { tags: ['a\0'] }],
  ])('to what it cannot be is 422: %s', async (_, body) => {
    const id = await pushed();
    expect((await ann.patch(at(id), body)).status).toBe(422);
    expect((await ann.get(at(id))).body).toMatchObject({ title: 'First', tags: [] });
  });

  it('of title and tags is in every plan, an alias is not, whichever way it is set; taking it away is', async () => {
    const free = await signUp(server);
    const id = await pushed({}, free);
    expect((await free.put(at(id, '/alias'), { alias: 'kept-from-before' })).status).toBe(200);
    await setTier(await admin(server), free, 'free');
    const refused = {
      status: 403,
      body: { error: { details: { error: 'upgrade_required', feature: 'aliases_cloud' } } },
    };
    const answer = await eventually(async () => {
      const said = await free.put(at(id, '/alias'), { alias: 'another' });
      return said.status !== 200 && said;
    });
    expect(answer).toMatchObject(refused);
    expect(await free.patch(at(id), { title: 'Titled', alias: 'another' })).toMatchObject(refused);
    expect((await free.patch(at(id), { title: 'Titled', tags: ['t'] })).body).toMatchObject({
      title: 'Titled',
      tags: ['t'],
    });
    for (const _ of [1, 2])
      expect(await free.delete(at(id, '/alias'))).toMatchObject({ status: 200, body: { alias: null } });
  });
});

describe('an alias', () => {
  it('stands for the session wherever its id does, and may be set again', async () => {
    const id = await pushed();
    const alias = `first-${id.slice(4)}`;
    expect((await ann.put(at(id, '/alias'), { alias })).body).toMatchObject({ id, alias });
    expect((await ann.put(at(id, '/alias'), { alias })).status).toBe(200);
    for (const tail of ['', '/sync', '/download', '/messages', '/versions', '/provenance', '/share']) {
      expect({ tail, status: (await ann.get(at(alias, tail))).status }).toEqual({ tail, status: 200 });
    }
    expect((await ann.get('/api/v1/sessions?page_size=100')).body.sessions).toContainEqual(
      expect.objectContaining({ id, alias }),
    );
    const next = `second-${id.slice(4)}`;
    expect((await ann.patch(at(alias), { alias: next })).body).toMatchObject({ id, alias: next });
    expect((await ann.get(at(alias))).status).toBe(404);
    expect((await ann.delete(at(next))).body).toMatchObject({ id, is_deleted: true });
  });

  it('is of one session of a person, and may be of another person’s too', async () => {
    const bo = await signUp(server);
    const [first, second, theirs] = [await pushed(), await pushed(), await pushed({}, bo)];
    const alias = `one-${first.slice(4)}`;
    await ann.put(at(first, '/alias'), { alias });
    const taken = { status: 409, body: { error: { message: `Alias '${alias}' is already in use` } } };
    expect(await ann.put(at(second, '/alias'), { alias })).toMatchObject(taken);
    expect(await ann.patch(at(second), { alias })).toMatchObject(taken);
    expect((await bo.put(at(theirs, '/alias'), { alias })).status).toBe(200);
    expect((await bo.get(at(alias))).body.id).toBe(theirs);
  });

  it.each(['ab', '-abc', 'a b c', 'x'.repeat(101), 'ä'.repeat(5), 'a\0bc', ''])('is not %.20s', async (alias) => {
    const id = await pushed();
    expect((await ann.put(at(id, '/alias'), { alias })).status).toBe(422);
    expect((await ann.patch(at(id), { alias })).status).toBe(400);
    expect((await ann.get(at(id))).body.alias).toBeNull();
  });

  it('is neither an id nor a word of other routes', async () => {
    const id = await pushed();
    for (const alias of [newSessionId(), 'search', 'share', 'audits']) {
      expect((await ann.put(at(id, '/alias'), { alias })).status).toBe(400);
    }
  });
});

describe('a name that is neither id nor alias', () => {
  it.each(['a', 'a%20b', 'x'.repeat(10_000), '..%2f'])('is 400 on every route that takes one: %.20s', async (name) => {
    for (const tail of ['', '/sync', '/messages', '/workspace', '/tools', '/provenance', '/download', '/share']) {
      expect({ tail, status: (await ann.get(at(name, tail))).status }).toEqual({ tail, status: 400 });
    }
    expect((await ann.post(at(name, '/restore'))).status).toBe(400);
    expect((await ann.delete(at(name))).status).toBe(400);
  });
});

describe('the list', () => {
  it('is filtered by tools with their family and by whole tags, and beyond its end is empty', async () => {
    const cy = await signUp(server);
    const byTool = async (tool: string, tags: string[] = []) => pushed({ source: { tool }, tags }, cy);
    const copilot = [await byTool('copilot'), await byTool('copilot-cli', ['a%b'])];
    const codex = await byTool('codex', ['axb', 'a_b']);
    const ids = async (query: string): Promise<string[]> => {
      const { status, body } = await cy.get(`/api/v1/sessions?${query}`);
      expect(status).toBe(200);
      return body.sessions.map(({ id }: { id: string }) => id);
    };
    expect(await ids('source_tool=copilot')).toEqual(copilot.toReversed());
    expect(await ids('source_tool=copilot-cli')).toEqual(copilot.toReversed());
    expect(await ids('source_tool=cod')).toEqual([]);
    expect(await ids('tag=a%25b')).toEqual([copilot[1]]);
    expect(await ids('tag=a_b')).toEqual([codex]);
    expect(await ids('tag=a')).toEqual([]);
    expect((await cy.get('/api/v1/sessions?page=7&page_size=2')).body).toMatchObject({
      sessions: [],
      total: 3,
      has_more: false,
    });
    for (const query of ['page=0', 'page_size=0', 'page_size=101', 'page=x', 'deleted=maybe']) {
      expect({ query, status: (await cy.get(`/api/v1/sessions?${query}`)).status }).toEqual({ query, status: 422 });
    }
  });

  it('is needed a key for, and empty at first', async () => {
    const dee = await signUp(server);
    expect((await dee.get('/api/v1/sessions')).body).toMatchObject({
      sessions: [],
      total: 0,
      page: 1,
      page_size: 20,
      has_more: false,
    });
    expect((await new Client(server.url, null).get('/api/v1/sessions')).status).toBe(401);
  });
});

describe('what is inside of a session', () => {
  it('are its messages as they were pushed, without side chains and what says nothing', async () => {
    const id = newSessionId();
    const odd = {
      msg_id: 'odd',
      role: 'user',
      content: [{ type: 'hologram', depth: 3 }],
      usage: { input_tokens: 7 },
      extra: [null],
    };
    const messages = [
      userSays('shown'),
      { ...userSays('aside'), is_sidechain: true },
      { msg_id: 'empty', role: 'assistant', content: [] },
      { msg_id: 'tool', role: 'tool', content: [] },
      odd,
    ];
    await pushSession(ann, id, await sessionArchive({}, messages));
    const { body } = await ann.get(at(id, '/messages'));
    expect(body).toEqual({
      total: 3,
      page: 1,
      page_size: 50,
      has_more: false,
      messages: [messages[0], messages[3], odd],
    });
    for (const query of ['page=0', 'page_size=101', 'order=random']) {
      expect((await ann.get(at(id, `/messages?${query}`))).status).toBe(422);
    }
    expect((await ann.get(at(id, '/messages?page=9'))).body).toMatchObject({ messages: [], total: 3, has_more: false });
    const next = await sessionArchive({}, [userSays('anew')]);
    await pushSession(ann, id, next);
    expect((await ann.get(at(id, '/messages'))).body).toMatchObject({ total: 1, messages: [{ msg_id: 'anew' }] });
  });

  it('are workspace and tools, where they were captured', async () => {
    const [without, id] = [await pushed(), newSessionId()];
    const [workspace, tools] = [{ root_path: '/srv/lex', git: null }, { tools_used: ['Bash'] }];
    const members = Object.entries({ workspace, tools }).map(([name, value]) => ({
      name: `${name}.json`,
      content: JSON.stringify(value),
    }));
    await pushSession(ann, id, await sessionArchive({}, [], members));
    expect((await ann.get(at(id, '/workspace'))).body).toEqual({ workspace });
    expect((await ann.get(at(id, '/tools'))).body).toEqual({ tools });
    for (const name of ['workspace', 'tools']) {
      expect(await ann.get(at(without, `/${name}`))).toMatchObject({
        status: 404,
        body: { error: { message: `No ${name}.json in session archive` } },
      });
    }
  });
});
