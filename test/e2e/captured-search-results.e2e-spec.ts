import { readdir } from 'node:fs/promises';
import { Blobs, Database, PeriodicTasks } from '../../libs/platform/src/index.js';
import { SearchIndexing } from '../../libs/sessions/src/search/search-indexing.js';
import { pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { handOff, person } from '../support/handoffs.js';
import { setTier } from '../support/organisations.js';
import { actingFor, type OrgRow, seedMember, seedOrg } from '../support/org-rows.js';
import { eventually } from '../support/pinned-sessions.js';
import { filler, found, idsOf, say, search } from '../support/search.js';
import { serviceKey } from '../support/service-keys.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let db: Database;
let ann: TestAccount;
let bo: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  db = server.app.get(Database);
  ann = await signUp(server);
  bo = await signUp(server);
});

afterAll(() => server.close());

const uidOf = async (id: string): Promise<string> =>
  (await db.query<{ uid: string }>('select uid from captured_session where id = $1', [id]))[0]!.uid;

describe('what is searched', () => {
  it('is the version a session shows, and nothing of the one before', async () => {
    const id = await say(ann, ['the first is about caimans']);
    const next = await sessionArchive({ title: 'Untold' }, [userSays('the second is about tuataras')]);
    expect((await pushSession(ann, id, next)).status).toBe(200);
    expect(await found(ann, 'tuatara')).toEqual([id]);
    expect(await found(ann, 'caiman')).toEqual([]);
    const [kept] = await db.query<{ versions: number }>(
      'select count(distinct version_id)::integer as versions from session_chunk where session_uid = $1',
      [await uidOf(id)],
    );
    expect(kept?.versions).toBe(1);
  });

  it('is no session in the trash', async () => {
    const id = await say(ann, ['the fossa is shy']);
    await ann.delete(`/api/v1/sessions/${id}?scope=cloud`);
    expect(await found(ann, 'fossa')).toEqual([]);
    await ann.post(`/api/v1/sessions/${id}/restore`);
    expect(await found(ann, 'fossa')).toEqual([id]);
  });

  it('is caught up with behind the event log after a crash between push and index', async () => {
    const indexing = server.app.get(SearchIndexing);
    const { afterPush } = indexing;
    indexing.afterPush = () => Promise.resolve();
    try {
      const id = await say(ann, ['the kinkajou was pushed']);
      await eventually(async () => (await found(ann, 'kinkajou')).includes(id));
    } finally {
      indexing.afterPush = afterPush;
    }
  });

  it('is the same when it is indexed by several at once, and again', async () => {
    const id = await say(ann, [`the serval ${filler(30_000)}`]);
    const uid = await uidOf(id);
    const chunks = (): Promise<object[]> =>
      db.query(
        'select version_id, ordinal, text, words::text from session_chunk where session_uid = $1 order by 1, 2',
        [uid],
      );
    const before = await chunks();
    const indexing = server.app.get(SearchIndexing);
    await Promise.all([1, 2, 3].map(() => indexing.catchUp(uid, undefined, true)));
    expect(await chunks()).toEqual(before);
    expect(before.length).toBeGreaterThan(3);
  });
});

describe('filters, facets and pages', () => {
  const all = new Map<string, string>();

  beforeAll(async () => {
    const about = ['a dugong'];
    all.set('gemini', await say(bo, about, { source: { tool: 'gemini-cli' }, tags: ['sea', 'slow'] }));
    const git = { remote_url: 'git@git.example.com:Acme/Reef.git', branch: 'main' };
    all.set('reef', await say(bo, about, { model: { model_id: 'demo-1' }, tags: ['sea'] }, git));
    all.set('old', await say(bo, about));
    await db.query(`update captured_session set updated_at = '2024-05-05T12:00:00Z' where id = $1`, [all.get('old')]);
  });

  it.each([
    [{ tool: 'gemini' }, ['gemini']],
    [{ tool: 'codex' }, ['old', 'reef']],
    [{ model: 'demo-1' }, ['reef']],
    [{ repo: 'https://git.example.com/acme/reef' }, ['reef']],
    [{ branch: 'main' }, ['reef']],
    [{ branch: 'other' }, []],
    [{ tag: 'sea' }, ['gemini', 'reef']],
    [{ tag: 'se%' }, []],
    [{ days: '30' }, ['gemini', 'reef']],
    [{ until: '2024-05-06' }, ['old']],
    [{ since: '2024-05-05T11:59:59Z', until: '2024-05-05T14:00:01+02:00' }, ['old']],
    [{ since: '2024-05-06', tool: 'codex' }, ['reef']],
  ])('%j', async (filter: Record<string, string | undefined>, expected) => {
    const given = Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined);
    expect(await found(bo, 'dugong', Object.fromEntries(given))).toEqual(
      expected.map((name) => all.get(name)).toSorted(),
    );
  });

  it('count all results by what they have', async () => {
    expect((await search(bo, 'dugong', { page_size: '1' })).body).toMatchObject({
      total: 3,
      facets: {
        tools: [
          { value: 'codex', count: 2 },
          { value: 'gemini-cli', count: 1 },
        ],
        models: [{ value: 'demo-1', count: 1 }],
        repos: [{ value: 'acme/reef', count: 1 }],
        branches: [{ value: 'main', count: 1 }],
        tags: [
          { value: 'sea', count: 2 },
          { value: 'slow', count: 1 },
        ],
      },
    });
  });

  it('are the same by number and by cursor, each result once', async () => {
    const ids = await Promise.all(Array.from({ length: 7 }, () => say(bo, ['one of many narwhals'])));
    await say(bo, ['narwhal narwhal'], { title: 'The narwhal' }).then((id) => ids.push(id));
    const byNumber: string[] = [];
    for (const page of ['1', '2', '3', '4'])
      byNumber.push(...idsOf(await search(bo, 'narwhal', { page, page_size: '3' })));
    const byCursor: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const answer = await search(bo, 'narwhal', { page_size: '3', ...(cursor && { cursor }) });
      byCursor.push(...idsOf(answer));
      cursor = answer.body.next_cursor;
    }
    expect(byCursor).toEqual(byNumber);
    expect(byNumber.toSorted()).toEqual(ids.toSorted());
    expect(byNumber[0]).toBe(ids.at(-1));
  });

  it.each<Record<string, string>>([
    {},
    { q: '' },
    { q: 'a\0b' },
    { q: 'x'.repeat(501) },
    { q: 'x', page: '0' },
    { q: 'x', page: 'one' },
    { q: 'x', page_size: '51' },
    { q: 'x', days: '0' },
    { q: 'x', days: '366' },
    { q: 'x', tool: 'a\0' },
    { q: 'x', tag: 'x'.repeat(51) },
    { q: 'x', since: 'yesterday' },
    { q: 'x', until: '2024-13-45' },
    { q: 'x', cursor: 'nonsense' },
    { q: 'x', cursor: Buffer.from('1|2|3').toString('base64url') },
  ])('refuse %j', async (params) => {
    expect((await bo.get(`/api/v1/sessions/search?${new URLSearchParams(params)}`)).status).toBe(422);
  });
});

describe('who may search what', () => {
  let org: OrgRow;
  let shown: string;
  let hidden: string;

  beforeAll(async () => {
    org = await seedOrg(server, ann);
    await seedMember(server, org, bo);
    const atWork = actingFor(ann, org);
    shown = await say(atWork, ['the okapis of work', 'zorillaSecretWord'], { tags: ['forest'] });
    hidden = await say(atWork, ['more okapis of work', 'zorillaHiddenWord'], { tags: ['private-tag'] });
    expect((await atWork.patch(`/api/v1/sessions/${shown}`, { visibility: 'org' })).status).toBe(200);
  });

  it('people find what is theirs and what their organisation sees, in the account they act for', async () => {
    expect(await found(actingFor(ann, org), 'okapis work')).toEqual([hidden, shown].toSorted());
    const answer = await search(actingFor(bo, org), 'okapis work');
    expect(idsOf(answer)).toEqual([shown]);
    expect(answer.body).toMatchObject({ total: 1, facets: { tags: [{ value: 'forest', count: 1 }] } });
    expect(answer.body.results[0].is_own).toBe(false);
    expect(await found(ann, 'okapis work')).toEqual([]);
    expect(await found(bo, 'okapis work')).toEqual([]);
  });

  it("nobody finds another's session: not by its words, their parts, its title, its tags or its id", async () => {
    for (const q of [
      'zorillaHiddenWord',
      'illaHiddenW',
      'zorillaHidden*',
      '"zorillaHiddenWord"',
      'private-tag',
      hidden,
    ]) {
      expect(await found(actingFor(bo, org), q)).toEqual([]);
      expect((await search(actingFor(bo, org), q)).body.facets.tags).toEqual([]);
    }
    expect(await found(actingFor(bo, org), 'illaSecretW')).toEqual([shown]);
  });

  it('service keys with sessions:read find what the organisation sees; others are refused', async () => {
    const reader = await serviceKey(ann, org, ['sessions:read']);
    expect(await found(reader, 'okapis work')).toContain(shown);
    const stranger = await serviceKey(ann, org, ['handoffs:read']);
    expect(await search(stranger, 'okapis')).toMatchObject({ status: 403 });
    expect((await search(new Client(server.url, null), 'x')).status).toBe(401);
  });

  it('a plan without cloud sync has no search', async () => {
    const cy = await signUp(server);
    await setTier(await admin(server), cy, 'free');
    expect(await search(cy, 'x')).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'upgrade_required', feature: 'cloud_sync' } } },
    });
  });
});

describe('what was handed over', () => {
  it('is found by the person it was handed to, and by nobody else, until the handoff ends', async () => {
    const dee = await person(server, 'dee');
    const id = await say(ann, ['a hoatzin to be handed over', 'hoatzinSecondWord'], { tags: ['handed'] });
    expect(await found(dee, 'hoatzin')).toEqual([]);
    const { body, status } = await handOff(ann, id, { recipient_email: dee.email });
    expect(status).toBe(201);
    const answer = await search(dee, 'hoatzin "handed over"');
    expect(answer.body).toMatchObject({ total: 1, results: [{ session_id: id, is_own: false }] });
    expect(await found(dee, 'handed hoatzinSecondWord')).toEqual([id]);
    expect(await found(bo, 'hoatzin')).toEqual([]);
    expect((await ann.post(`/api/v1/handoffs/${body.id}/revoke`, { reason: 'done' })).status).toBe(200);
    expect(await found(dee, 'hoatzin')).toEqual([]);
  });

  it('is one more session when it is taken', async () => {
    const eve = await person(server, 'eve');
    const id = await say(ann, ['a shoebill to be taken']);
    const { body } = await handOff(ann, id, { recipient_email: eve.email });
    const claimed = await eve.post(`/api/v1/handoffs/${body.id}/claim`);
    expect(claimed.status).toBe(200);
    const copy = claimed.body.recipient_session_id as string;
    await eventually(async () => (await found(eve, 'shoebill')).includes(copy));
    expect(await found(eve, 'shoebill')).toEqual([copy]);
  });
});

describe('words that are looked for inside of others', () => {
  it('are forgotten with the last session that has them', async () => {
    const fay = await signUp(server);
    const gone = await say(fay, ['saigaWord and tsaineWord']);
    await say(fay, ['tsaineWord too']);
    const known = async (): Promise<string[]> =>
      (await db.query<{ word: string }>(`select word from session_word where word in ('saigaword', 'tsaineword')`)).map(
        ({ word }) => word,
      );
    expect((await known()).toSorted()).toEqual(['saigaword', 'tsaineword']);
    await db.query('delete from captured_session where id = $1', [gone]);
    await server.app.get(PeriodicTasks).runNow('sessions.forget-words');
    expect(await known()).toEqual(['tsaineword']);
    expect(await found(fay, 'saineWor')).toHaveLength(1);
  });
});

describe('reindexing', () => {
  it('reads stored archives again: facts as they say, titles and tags as they were set', async () => {
    const cy = await signUp(server);
    const plain = await say(cy, ['a potoo'], {
      title: 'From the archive',
      model: { model_id: 'demo-1' },
      tags: ['told'],
    });
    const edited = await say(cy, ['a potoo too'], { title: 'From the archive', tags: ['told'] });
    const broken = await say(cy, ['no potoo']);
    const others = await say(bo, ['a potoo of somebody else'], { model: { model_id: 'demo-1' } });
    const set = { title: 'As set', tags: ['set'] };
    const { updated_at: updatedAt } = (await cy.patch(`/api/v1/sessions/${edited}`, set)).body;
    await db.query(`update captured_session set model_id = 'mistaken', title = 'Mistaken' where id = any($1)`, [
      [plain, others],
    ]);
    await db.query(`delete from session_chunk where session_uid = $1`, [await uidOf(plain)]);
    const nothing = '0'.repeat(64);
    await db.query('update session_version set archive_digest = $2 where session_uid = $1', [
      await uidOf(broken),
      nothing,
    ]);
    expect(await found(cy, 'potoo')).toEqual([broken, edited].toSorted());
    expect(await cy.post('/api/v1/sessions/admin/reindex')).toMatchObject({
      status: 200,
      body: { reindexed: 2, updated: 1, errors: 1 },
    });
    expect(await found(cy, 'potoo')).toEqual([broken, edited, plain].toSorted());
    const detail = async (by: Client, id: string): Promise<object> => (await by.get(`/api/v1/sessions/${id}`)).body;
    expect(await detail(cy, plain)).toMatchObject({ title: 'From the archive', model_id: 'demo-1', tags: ['told'] });
    expect(await detail(cy, edited)).toMatchObject({ ...set, updated_at: updatedAt });
    expect(await detail(bo, others)).toMatchObject({ model_id: 'mistaken' });
    expect((await cy.post('/api/v1/sessions/admin/reindex')).body).toEqual({ reindexed: 2, updated: 0, errors: 1 });
  });

  it('runs once at a time for a person, and leaves no spooled file', async () => {
    const answers = await Promise.all([1, 2].map(() => bo.post('/api/v1/sessions/admin/reindex')));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(await readdir(server.app.get(Blobs).spoolFolder)).toEqual([]);
  });
});
