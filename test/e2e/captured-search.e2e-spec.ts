import { Database } from '../../libs/platform/src/index.js';
import { signUp, type TestAccount } from '../support/client.js';
import { eventually } from '../support/pinned-sessions.js';
import { filler, found, idsOf, say, search, snippetOf } from '../support/search.js';
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

describe('words of a query', () => {
  it('find a session as soon as its push is answered, with the fields clients read', async () => {
    const id = await say(ann, ['The parser skips every tabulator it meets.']);
    const answer = await search(ann, 'tabulators');
    expect(answer).toMatchObject({ status: 200, body: { total: 1, page: 1, page_size: 20, query: 'tabulators' } });
    const [result] = answer.body.results;
    expect(result).toMatchObject({
      session_id: id,
      title: 'Untold',
      alias: null,
      source_tool: 'codex',
      model_id: null,
    });
    expect(result).toMatchObject({ message_count: 0, is_own: true, updated_at: expect.stringMatching(/Z$/) });
    expect(result.matches).toHaveLength(1);
    expect(snippetOf(answer)).toBe('The parser skips every <mark>tabulator</mark> it meets.');
  });

  it('must all be in the session, however far apart', async () => {
    const far = await say(ann, ['An ocelot appears.', filler(60_000), 'Then the pangolin leaves.']);
    await say(ann, ['Here is but the ocelot.']);
    expect(await found(ann, 'ocelot pangolin')).toEqual([far]);
    expect(await found(ann, 'ocelot pangolin wombat')).toEqual([]);
    expect(await found(ann, 'ocelot')).toHaveLength(2);
  });

  it('are found at the very end of a transcript of 5 MB', async () => {
    const id = await say(ann, [...Array.from({ length: 50 }, () => filler(100_000)), 'and at last: axolotlPond']);
    await eventually(async () => (await found(ann, 'axolotlPond')).includes(id));
    expect((await search(ann, 'axolotl')).body.results[0].matches[0]).toMatchObject({
      field: 'messages',
      last_message: 50,
    });
  });

  it('are searched in titles, aliases and tags too, as these are now', async () => {
    const id = await say(ann, ['nothing'], { title: 'Tame the capybara', tags: ['marsupial-free'] });
    expect(await found(ann, 'capybara nothing')).toEqual([id]);
    expect(await found(ann, 'marsupial')).toEqual([id]);
    const changes = { title: 'Tame the quokka', alias: 'rodent-run', tags: ['petting'] };
    expect((await ann.patch(`/api/v1/sessions/${id}`, changes)).status).toBe(200);
    expect(await found(ann, 'capybara')).toEqual([]);
    expect(await found(ann, 'quokka rodent-run petting')).toEqual([id]);
    const answer = await search(ann, 'quokka');
    expect(answer.body.results[0].matches[0].field).toBe('title');
    expect(snippetOf(answer)).toContain('Tame the <mark>quokka</mark>');
    expect(await found(ann, id)).toEqual([id]);
  });

  it('that everybody uses narrow nothing, unless there are no others', async () => {
    const id = await say(bo, ['to be or not to be']);
    const other = await say(bo, ['or so they say']);
    expect(await found(bo, 'what is it to say')).toEqual([other]);
    expect(await found(bo, 'to be')).toEqual([id]);
    expect(await found(bo, '"or not to be"')).toEqual([id]);
    expect(await found(bo, '!? =>')).toEqual([]);
    expect(await found(bo, ' ')).toEqual([]);
  });
});

describe('phrases and beginnings', () => {
  it('match words in their order, next to each other', async () => {
    const id = await say(ann, ['the lynx chased the marmot']);
    await say(ann, ['the marmot chased the lynx']);
    expect(await found(ann, '"lynx chased"')).toEqual([id]);
    expect(await found(ann, '"lynx chases the marmots"')).toEqual([id]);
    expect(await found(ann, 'marmot "chased lynx"')).toEqual([]);
    expect(snippetOf(await search(ann, '"lynx chased"'))).toContain('<mark>lynx chased</mark>');
  });

  it('match across the places where long texts are cut for the index', async () => {
    const words = Array.from({ length: 3_000 }, (_, index) => `kea${index}`);
    const id = await say(ann, [words.join(' ')]);
    const phrases = words.slice(1).map((word, index) => `"${words[index]} ${word}"`);
    for (const phrase of phrases.filter((_, index) => index % 100 === 0))
      expect(await found(ann, phrase)).toEqual([id]);
    const borders = await db.query<{ text: string }>(
      'select text from session_chunk c join captured_session s on s.uid = c.session_uid where s.id = $1 order by ordinal',
      [id],
    );
    expect(borders.length).toBeGreaterThan(2);
    for (const { text } of borders.slice(0, -1)) {
      const last = Number(/kea(\d+)$/.exec(text)![1]);
      expect(await found(ann, `"kea${last} kea${last + 1}"`)).toEqual([id]);
    }
  });

  it('match words that begin so, also beyond their stems', async () => {
    const id = await say(ann, ['about numbats and their disconnections']);
    for (const q of ['numb*', 'numbats*', 'disconnectio*', 'disconnections*'])
      expect(await found(ann, q)).toEqual([id]);
    expect(await found(ann, 'numb')).toEqual([id]);
    expect(await found(ann, 'numbatsx*')).toEqual([]);
  });
});

describe('code', () => {
  let id: string;
  let path: string;

  beforeAll(async () => {
    id = await say(ann, ['call readTapirLine() or parse_tapir_header, not this.tapirs.countAll()']);
    path = await say(ann, [
      'in src/lexer/tapirStops.ts:41\nTypeError: Cannot read properties of undefined (reading "okapi")',
    ]);
  });

  it.each([
    'readTapirLine',
    'readtapirline',
    'read_tapir_line',
    'TapirLine',
    'apirLin',
    'readT*',
    'countAll',
    'tapirs.count',
  ])('is found by %s', async (q) => expect(await found(ann, q)).toEqual([id]));

  it.each([
    'src/lexer/tapirStops.ts',
    'lexer/tapirStops.ts',
    'tapirStops.ts',
    'tapirStops',
    'src/lex*',
    'tapirStops.ts:41',
  ])('is found by %s', async (q) => expect(await found(ann, q)).toEqual([path]));

  it('is found by the text of an error', async () => {
    expect(await found(ann, 'TypeError: Cannot read properties of undefined (reading "okapi")')).toEqual([path]);
    expect(await found(ann, '"undefined (reading"')).toEqual([path]);
    expect(await found(ann, 'kapi')).toEqual([path]);
  });

  it('is found by the parts of its names, the exact name first', async () => {
    const scattered = await say(ann, ['the parse of a header by the tapir']);
    expect(idsOf(await search(ann, 'parse_tapir_header'))).toEqual([id, scattered]);
  });

  it('that looks like operators or patterns is only text', async () => {
    for (const q of [
      "it's",
      '\\',
      "'",
      '100%',
      '_%_',
      'a:*',
      '!x & (y | z)',
      '<->',
      '%tapir%',
      "';--",
      'a'.repeat(500),
    ]) {
      expect((await search(ann, q)).status).toBe(200);
    }
    expect(await found(ann, '%%%')).toEqual([]);
  });
});

describe('an excerpt', () => {
  it('is escaped, and its places are those of the plain text', async () => {
    await say(ann, ['<script>alert("gharial")</script> & <mark>gharials</mark>']);
    const [match] = (await search(ann, 'gharial')).body.results[0].matches;
    expect(match.snippet).toBe(
      '&lt;script&gt;alert(&quot;<mark>gharial</mark>&quot;)&lt;/script&gt; &amp; &lt;mark&gt;<mark>gharials</mark>&lt;/mark&gt;',
    );
    expect(
      match.highlights.map(({ start, end }: { start: number; end: number }) => match.text.slice(start, end)),
    ).toEqual(['gharial', 'gharials']);
  });
});
