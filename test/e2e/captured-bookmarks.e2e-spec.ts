import { randomUUID } from 'node:crypto';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { seedMember, seedOrg } from '../support/org-rows.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const PATH = '/api/v1/bookmarks';

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

async function pushed(owner: { send: TestAccount['send'] } = ann): Promise<string> {
  const id = newSessionId();
  const answer = await pushSession(owner as TestAccount, id, await sessionArchive({ title: 'Kept' }, [userSays(id)]));
  expect(answer.status).toBe(201);
  return id;
}

async function folder(name = 'Later', owner: Pick<TestAccount, 'post'> = ann): Promise<string> {
  return (await owner.post(`${PATH}/folders`, { name })).body.id as string;
}

const said = ({ status, body }: Answer): unknown[] => [status, body.error?.message];

describe('a folder', () => {
  it('is made, listed oldest first, changed and deleted', async () => {
    const made = await ann.post(`${PATH}/folders`, { name: '  To read ', color: '#00FFaa', more: 1 });
    const { id } = made.body;
    expect([made.status, made.body]).toEqual([
      201,
      { id, name: 'To read', color: '#00FFaa', bookmark_count: 0, created_at: expect.stringMatching(/Z$/) },
    ]);
    const second = await folder();
    const ids = async (): Promise<string[]> =>
      (await ann.get(`${PATH}/folders/`)).body.folders.map((each: { id: string }) => each.id);
    expect(await ids()).toEqual([id, second]);
    expect((await ann.put(`${PATH}/folders/${id}`, { name: 'Read' })).body).toMatchObject({
      name: 'Read',
      color: '#00FFaa',
    });
    expect((await ann.put(`${PATH}/folders/${id}`, { color: null })).body).toMatchObject({ name: 'Read', color: null });
    expect((await ann.put(`${PATH}/folders/${id}`, {})).body).toMatchObject({ name: 'Read', color: null });
    expect((await ann.delete(`${PATH}/folders/${id}`)).status).toBe(204);
    expect(said(await ann.delete(`${PATH}/folders/${id}`))).toEqual([404, 'Folder not found']);
    expect(await ids()).toEqual([second]);
  });

  it.each([
    { name: '' },
    { name: '   ' },
    { name: 'x'.repeat(101) },
    { name: 'a\0b' },
    { name: 7 },
    { name: 'ok', color: 'red' },
    { name: 'ok', color: '#12345678' },
    { name: 'ok', color: '#12345g' },
    { name: 'ok', color: 5 },
  ])('is refused with %j, when it is made and when it is changed', async (body) => {
    const id = await folder();
    expect((await ann.post(`${PATH}/folders`, body)).status).toBe(422);
    expect((await ann.put(`${PATH}/folders/${id}`, body)).status).toBe(422);
    await ann.delete(`${PATH}/folders/${id}`);
  });

  it('needs a name', async () => {
    expect((await ann.post(`${PATH}/folders`, { color: '#000000' })).status).toBe(422);
  });

  it('is one of at most 500, however many are made at once', async () => {
    const cy = await signUp(server);
    await sql(
      server,
      `insert into bookmark_folder select gen_random_uuid(), u.account_id, u.id, 'f', null, now()
         from app_user u, generate_series(1, 498) where u.id = $1`,
      [cy.userId],
    );
    const answers = await Promise.all(Array.from({ length: 6 }, () => cy.post(`${PATH}/folders`, { name: 'x' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409, 409, 409]);
  });
});

describe('a bookmark', () => {
  it('keeps a session once in a folder, and says so of two at once', async () => {
    const [id, kept] = [await folder(), await pushed()];
    const add = () => ann.post(PATH, { folder_id: id, session_id: kept });
    const [first, second] = (await Promise.all([add(), add()])).sort((a, b) => a.status - b.status);
    expect([first?.status, first?.body]).toEqual([
      201,
      { id: first?.body.id, folder_id: id, session_id: kept, created_at: expect.stringMatching(/Z$/) },
    ]);
    expect(said(second!)).toEqual([409, 'Session already bookmarked in this folder']);
    const { body } = await ann.get(`${PATH}/folders/${id}/sessions`);
    expect(body).toMatchObject({ total: 1, next_cursor: null });
    expect(body.sessions).toEqual([
      {
        ...(await ann.get('/api/v1/sessions')).body.sessions.find((session: { id: string }) => session.id === kept),
        bookmark_id: first?.body.id,
        bookmarked_at: first?.body.created_at,
      },
    ]);
    expect((await ann.delete(`${PATH}/${first?.body.id}`)).status).toBe(204);
    expect(said(await ann.delete(`${PATH}/${first?.body.id}`))).toEqual([404, 'Bookmark not found']);
  });

  it('is refused for what is not there', async () => {
    const [id, kept] = [await folder(), await pushed()];
    const trashed = await pushed();
    await ann.delete(`/api/v1/sessions/${trashed}?scope=cloud`);
    for (const folderId of [randomUUID(), 'x', "'; drop", 'a\0']) {
      expect(said(await ann.post(PATH, { folder_id: folderId, session_id: kept }))).toEqual([404, 'Folder not found']);
    }
    for (const sessionId of [newSessionId(), 'an-alias', 'a\0', trashed]) {
      expect(said(await ann.post(PATH, { folder_id: id, session_id: sessionId }))).toEqual([404, 'Session not found']);
    }
    for (const body of [
      {},
      { folder_id: id },
      { folder_id: 1, session_id: kept },
      { folder_id: id, session_id: null },
    ]) {
      expect((await ann.post(PATH, body)).status).toBe(422);
    }
  });

  it('lists newest first, page by page', async () => {
    const id = await folder();
    const kept = [await pushed(), await pushed(), await pushed()];
    for (const session of kept) await ann.post(PATH, { folder_id: id, session_id: session });
    const first = (await ann.get(`${PATH}/folders/${id}/sessions?limit=2`)).body;
    const rest = (await ann.get(`${PATH}/folders/${id}/sessions?limit=2&cursor=${first.next_cursor}`)).body;
    expect([first.total, rest.next_cursor]).toEqual([3, null]);
    const seen = [...first.sessions, ...rest.sessions].map((session: { id: string }) => session.id);
    expect(seen).toEqual(kept.reverse());
    expect((await ann.get(`${PATH}/folders/${id}/sessions?cursor=x`)).status).toBe(422);
  });

  it('of a session in the trash stays and says so; of one that is purged it goes', async () => {
    const [id, kept, other] = [await folder(), await pushed(), await pushed()];
    for (const session of [kept, other]) await ann.post(PATH, { folder_id: id, session_id: session });
    await ann.delete(`/api/v1/sessions/${kept}?scope=cloud`);
    const listed = async () => (await ann.get(`${PATH}/folders/${id}/sessions`)).body;
    expect(await listed()).toMatchObject({
      total: 2,
      sessions: [
        { id: other, is_deleted: false, deleted_at: null },
        { id: kept, is_deleted: true, deleted_at: expect.any(String) },
      ],
    });
    await sql(server, 'delete from captured_session where id = $1', [kept]);
    expect(await listed()).toMatchObject({ total: 1, sessions: [{ id: other }] });
    const counts = (await ann.get(`${PATH}/folders`)).body.folders.find((each: { id: string }) => each.id === id);
    expect(counts.bookmark_count).toBe(1);
    await ann.delete(`${PATH}/folders/${id}`);
    expect((await ann.get(`/api/v1/sessions/${other}`)).status).toBe(200);
  });

  it("is nobody else's, nor seen while acting for another account", async () => {
    const [id, kept] = [await folder(), await pushed()];
    const bookmark = (await ann.post(PATH, { folder_id: id, session_id: kept })).body.id as string;
    const org = await seedOrg(server, ann, 'enterprise');
    for (const stranger of [bo, ann.with({ 'x-account': org.slug })]) {
      const own = await folder('own', stranger);
      expect((await stranger.get(`${PATH}/folders`)).body.folders).toMatchObject([{ id: own }]);
      expect((await stranger.get(`${PATH}/folders/${id}/sessions`)).status).toBe(404);
      expect((await stranger.put(`${PATH}/folders/${id}`, { name: 'x' })).status).toBe(404);
      expect((await stranger.delete(`${PATH}/folders/${id}`)).status).toBe(404);
      expect((await stranger.delete(`${PATH}/${bookmark}`)).status).toBe(404);
      expect((await stranger.post(PATH, { folder_id: id, session_id: kept })).status).toBe(404);
      expect((await stranger.post(PATH, { folder_id: own, session_id: kept })).status).toBe(404);
    }
    expect((await ann.get(`${PATH}/folders/${id}/sessions`)).body.total).toBe(1);
  });

  it("of a colleague's session is seen as long as the organisation sees the session", async () => {
    const org = await seedOrg(server, ann, 'enterprise');
    await seedMember(server, org, bo, 'member');
    const [annThere, boThere] = [ann, bo].map((person) => person.with({ 'x-account': org.slug }));
    const kept = await pushed(annThere);
    const show = (visibility: string) => annThere!.patch(`/api/v1/sessions/${kept}`, { visibility });
    const id = await folder('team', boThere);
    expect((await boThere!.post(PATH, { folder_id: id, session_id: kept })).status).toBe(404);
    await show('org');
    expect((await boThere!.post(PATH, { folder_id: id, session_id: kept })).status).toBe(201);
    for (const [visibility, total] of [
      ['private', 0],
      ['org', 1],
    ] as const) {
      await show(visibility);
      const { body } = await boThere!.get(`${PATH}/folders/${id}/sessions`);
      expect([visibility, body.total, body.sessions.length]).toEqual([visibility, total, total]);
      expect((await boThere!.get(`${PATH}/folders`)).body.folders[0].bookmark_count).toBe(total);
    }
  });
});
