import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DomainError } from '#kernel';
import fc from 'fast-check';
import { CEILINGS } from './archive-limits.js';
import { countMessages, countShown } from './message-log.js';
import type { ArchiveReading } from './read-archive.js';
import { FREE, line, SpoolFolder, tarGz, tarOf, type TestMember } from './testing/archives.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 60);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const MANIFEST = {
  sfs_version: '0.1.0',
  session_id: 'ses_5f0e1d2c3b4a5968',
  title: 'Teach the parser about tabs',
  tags: ['parser'],
  source: { tool: 'codex', tool_version: '9.9.1', original_session_id: 'native-77' },
  model: { provider: 'openai', model_id: 'demo-1' },
  stats: { message_count: 4, turn_count: 1, tool_use_count: 1, total_input_tokens: 910, duration_ms: 570_000 },
};
const WORKSPACE = { root_path: '/srv/lex', git: { remote_url: 'git@github.com:Acme/Lex.git', branch: 'tabs' } };
const SESSION: readonly TestMember[] = [
  { name: 'manifest.json', content: JSON.stringify(MANIFEST) },
  { name: 'messages.jsonl', content: `${line('Why does a tab break line 7?')}\n${line('two')}\n` },
  { name: 'tools.json', content: '{"tools_used":["Bash"]}' },
  { name: 'workspace.json', content: JSON.stringify(WORKSPACE) },
];

let spools: SpoolFolder;
beforeAll(async () => {
  spools = await SpoolFolder.create();
});
afterAll(() => spools.remove());

const refusal = async (archive: Buffer): Promise<unknown> => {
  const before = await spools.files();
  const error = await spools.read(archive).then(
    () => 'accepted',
    (failure: unknown) => failure,
  );
  expect(await spools.files()).toEqual(before);
  return error instanceof DomainError ? `${error.status} ${error.message}` : error;
};

const logText = async ({ conversation }: ArchiveReading): Promise<Buffer | null> =>
  conversation.log && readFile(conversation.log.path);

describe('reading an archive', () => {
  it('finds what the example of the format says, byte for byte and in any chunks', async () => {
    const archive = await tarGz(...SESSION);
    for (const chunkBytes of [1, 7, 511, 1 << 20]) {
      const found = await spools.read(archive, { chunkBytes });
      expect(found.archive.digest).toBe(createHash('sha256').update(archive).digest('hex'));
      expect(await readFile(found.archive.path)).toEqual(archive);
      expect(found.metadata).toMatchObject({
        title: 'Teach the parser about tabs',
        tags: ['parser'],
        sourceTool: 'codex',
        originalSessionId: 'native-77',
        modelId: 'demo-1',
        messageCount: 4,
        totalInputTokens: 910,
        durationMs: 570_000,
        gitRemote: 'acme/lex',
        gitBranch: 'tabs',
      });
      expect(found).toMatchObject({ workspace: WORKSPACE, tools: { tools_used: ['Bash'] }, problems: [] });
      expect(countMessages(found.conversation.index)).toBe(2);
      expect((await logText(found))?.length).toBeGreaterThan(0);
    }
  });

  it('accepts an archive without any member', async () => {
    const found = await spools.read(await tarGz());
    expect(found.metadata).toMatchObject({ sourceTool: 'unknown', title: null });
    expect(found.conversation).toMatchObject({ log: null, badLineCount: 0 });
  });

  it('takes secrets out of the title', async () => {
    const token = `ghp_${'a1B2'.repeat(9)}`;
    const content = JSON.stringify({ title: `Push with ${token} please` });
    const found = await spools.read(await tarGz({ name: 'manifest.json', content }));
    expect(found.metadata.title).toBe('Push with [redacted] please');
  });

  it('reports bad lines by number and reads on', async () => {
    const content = ['{"role":', line('one'), '', '[1]', '  ', line('two', { is_sidechain: true }), 'x', line('end')];
    const found = await spools.read(await tarGz({ name: 'messages.jsonl', content: content.join('\r\n') }));
    expect(found.conversation.badLines).toEqual([
      { line: 1, reason: 'not_json' },
      { line: 4, reason: 'not_an_object' },
      { line: 7, reason: 'not_json' },
    ]);
    expect([countMessages, countShown].map((count) => count(found.conversation.index))).toEqual([3, 2]);
    expect(found.conversation.prompt).toBe('one');
  });

  it('reports a line longer than it holds in memory and reads on', async () => {
    const limits = { ...FREE, memberBytes: 50 * 1_048_576 };
    const content = `${line('one')}\n${line('x'.repeat(9 * 1_048_576))}\n${line('three')}`;
    const found = await spools.read(await tarGz({ name: 'messages.jsonl', content }), { limits, chunkBytes: 65_536 });
    expect(found.conversation.badLines).toEqual([{ line: 2, reason: 'too_long' }]);
    expect(countMessages(found.conversation.index)).toBe(2);
  });

  it.each<[string, string, string[]]>([
    ['not JSON', '{"title": ', ['manifest.json is not a JSON object']],
    ['a list', '[]', ['manifest.json is not a JSON object']],
    ['nested too deep', `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, ['manifest.json is not a JSON object']],
    ['too large', JSON.stringify({ title: 'x'.repeat(2_000_000) }), ['manifest.json is too large']],
    [
      'with a poisoned field',
      '{"tags":{"a":1},"stats":[]}',
      ['manifest.stats is not an object', 'manifest.tags is not a list'],
    ],
  ])('takes a manifest that is %s for one that says nothing, and says why', async (_, content, problems) => {
    const messages = { name: 'messages.jsonl', content: line('Please fix the build') };
    const found = await spools.read(await tarGz({ name: 'manifest.json', content }, messages));
    expect(found.problems).toEqual(problems);
    expect(found.metadata).toMatchObject({ title: 'Please fix the build', sourceTool: 'unknown', tags: [] });
  });
});

describe('which members count', () => {
  const titled = (name: string, title: string): TestMember => ({ name, content: JSON.stringify({ title }) });
  const said = (name: string, text: string): TestMember => ({ name, content: line(text) });
  const top: readonly TestMember[] = [titled('s.sfs/manifest.json', 'In a folder'), said('s.sfs/messages.jsonl', 'in')];

  it.each<[string, readonly TestMember[], string | null, string | null]>([
    ['those in the one folder', [{ name: 's.sfs', type: 'directory' }, ...top], 'In a folder', 'in'],
    [
      'those under ./',
      [titled('./manifest.json', 'Dotted name'), said('./messages.jsonl', 'dot')],
      'Dotted name',
      'dot',
    ],
    [
      'not checkpoints, whichever come first',
      [
        said('checkpoints/a/messages.jsonl', 'old'),
        titled('checkpoints/a/manifest.json', 'Old title'),
        titled('manifest.json', 'New title'),
        said('messages.jsonl', 'new'),
      ],
      'New title',
      'new',
    ],
    ['not checkpoints alone', [said('checkpoints/messages.jsonl', 'old')], null, null],
    ['not those in a folder beside another', [...top, said('other/messages.jsonl', 'other')], null, null],
    ['not those in a folder once something lies at the root', [...top, { name: 'README' }], null, null],
    ['the root rather than a folder before it', [...top, titled('manifest.json', 'Root title')], 'Root title', null],
    ['the root rather than a folder after it', [titled('manifest.json', 'Root title'), ...top], 'Root title', null],
    ['nothing two folders deep', [said('a/b/messages.jsonl', 'deep')], null, null],
    ['no name that objects inherit', [{ name: 'toString', content: 'x' }], null, null],
  ])('%s', async (_, members, title, prompt) => {
    const { metadata, conversation } = await spools.read(await tarGz(...members));
    expect({ title: metadata.title, prompt: conversation.prompt }).toEqual({ title, prompt });
    if (prompt === null) expect(conversation.log).toBeNull();
  });
});

describe('the content hash', () => {
  const hashOf = async (...members: readonly TestMember[]): Promise<string> =>
    (await spools.read(await tarGz(...members))).contentHash;
  const manifest = (extra: object): TestMember => ({
    name: 'manifest.json',
    content: JSON.stringify({ ...MANIFEST, ...extra }),
  });
  const rest = SESSION.slice(1);

  it('is blind to times, order, modes and the notes of the client', async () => {
    const wanted = await hashOf(...SESSION);
    const synced = manifest({ sync: { etag: 'abc', dirty: false } });
    const reversed = {
      ...synced,
      content: JSON.stringify(Object.fromEntries(Object.entries(MANIFEST).reverse()), null, 1),
    };
    expect(await hashOf(...rest, synced)).toBe(wanted);
    expect(
      await hashOf(...SESSION.toReversed().map((member) => ({ ...member, mtime: new Date(0), mode: 0o600 }))),
    ).toBe(wanted);
    expect(await hashOf(reversed, ...rest, { name: 'context', type: 'directory' })).toBe(wanted);
  });

  it('sees every other difference', async () => {
    const others = await Promise.all([
      hashOf(...SESSION),
      hashOf(manifest({ title: 'Other' }), ...rest),
      hashOf(manifest({ updated_at: '2026-01-01' }), ...rest),
      hashOf(...rest),
      hashOf(...SESSION, { name: 'context/a' }),
      hashOf(...SESSION, { name: 'context/b' }),
      hashOf(...SESSION, { name: 'context/b', content: ' ' }),
      hashOf({ name: 'manifest.json', content: '{"sync":1' }, ...rest),
      hashOf({ name: 'manifest.json', content: '{"sync":2' }, ...rest),
    ]);
    expect(new Set(others).size).toBe(others.length);
  });
});

describe('refusing an archive', () => {
  it.each<[string, TestMember]>([
    ['400 Path traversal in tar member: ../evil', { name: '../evil' }],
    ['400 Path traversal in tar member: a..b', { name: 'a..b' }],
    ['400 Absolute path in tar member: /etc/passwd', { name: '/etc/passwd' }],
    ['400 Windows path in tar member: a\\b', { name: 'a\\b' }],
    ['400 Windows path in tar member: C:x', { name: 'C:x' }],
    ['400 Invalid name of tar member: a?b', { name: 'a\u0007b' }],
    ['400 Invalid name of tar member: a?[31mb', { name: 'a\u001b[31mb' }],
    ['400 Symlink in tar archive: l', { name: 'l', type: 'symlink', linkname: 'manifest.json' }],
    ['400 Symlink in tar archive: h', { name: 'h', type: 'link', linkname: 'manifest.json' }],
    ['400 Special file in tar archive: p', { name: 'p', type: 'fifo' }],
    ['400 Special file in tar archive: c', { name: 'c', type: 'character-device', devmajor: 1, devminor: 3 }],
    ['400 Special file in tar archive: b', { name: 'b', type: 'block-device', devmajor: 8 }],
    ['400 Duplicate tar member: ./tools.json', { name: './tools.json' }],
    ['400 Duplicate tar member: manifest.json', { name: 'manifest.json' }],
    ['400 Invalid tar member: s', { name: 's', pax: { 'GNU.sparse.major': '1' } }],
    [
      "413 Session file 'big' is 11MB which exceeds the 10MB per-file limit for your tier.",
      { name: 'big', content: Buffer.alloc(10 * 1_048_576 + 1) },
    ],
    ['400 Member too large: huge (101MB, limit 100MB)', { name: 'huge', content: Buffer.alloc(100 * 1_048_576 + 1) }],
  ])('%s', async (message, member) => {
    expect(await refusal(await tarGz(...SESSION, member))).toBe(message);
  });

  it('refuses the same name written with other Unicode', async () => {
    const names = ['caf\u00e9', 'cafe\u0301'].map((name) => ({ name }));
    expect(await refusal(await tarGz(...names))).toMatch(/^400 Duplicate tar member/);
  });

  it('refuses names that are no UTF-8', async () => {
    const tar = await tarOf([{ name: 'aab' }]);
    tar[1] = 0xff;
    tar.write(checksum(tar), 148, 'latin1');
    expect(await refusal(gzipSync(tar))).toMatch(/^400 Invalid name/);
  });

  it('says the limit and the file of a member that is too large', async () => {
    const archive = await tarGz({ name: 'big', content: Buffer.alloc(10 * 1_048_576 + 1) });
    await expect(spools.read(archive)).rejects.toMatchObject({
      reason: 'session_too_large',
      details: { file: 'big', size_bytes: 10_485_761, limit_bytes: 10_485_760, suggestion: expect.any(String) },
    });
  });

  it('refuses an archive that grows past its cap while it is received', async () => {
    const archive = await tarGz({ name: 'noise', content: randomBytes(20_000) });
    const limits = { ...FREE, archiveBytes: 20_000 };
    await expect(spools.read(archive, { limits })).rejects.toMatchObject({
      code: 'payload_too_large',
      reason: 'PAYLOAD_TOO_LARGE',
    });
    expect(await spools.read(archive, { limits: { ...limits, archiveBytes: archive.length } })).toBeDefined();
  });

  it.each<[string, (archive: Buffer) => Buffer, string]>([
    ['nothing', () => Buffer.alloc(0), 'empty file'],
    ['gzip of nothing', () => gzipSync(''), 'empty file'],
    ['no gzip', () => Buffer.from('plain text, not gzip'), 'not a gzip file'],
    ['an uncompressed tar', (archive) => gunzipSync(archive), 'not a gzip file'],
    ['gzip of no tar', () => gzipSync(randomBytes(5_000)), 'not a tar file'],
    ['a cut gzip stream', (archive) => archive.subarray(0, -5), 'truncated gzip stream'],
    [
      'a wrong checksum',
      (archive) => Buffer.concat([archive.subarray(0, -8), Buffer.alloc(8, 1)]),
      'damaged gzip stream',
    ],
    ['text behind it', (archive) => Buffer.concat([archive, Buffer.from('more')]), 'data after the gzip stream'],
    [
      'text behind zeros',
      (archive) => Buffer.concat([archive, Buffer.alloc(9), Buffer.from('x')]),
      'data after the gzip stream',
    ],
    ['a tar cut in a member', (archive) => gzipSync(gunzipSync(archive).subarray(0, 600)), 'no end of archive'],
    ['a tar cut between members', (archive) => gzipSync(gunzipSync(archive).subarray(0, 1_024)), 'no end of archive'],
    [
      'a tar cut in a member of zeros',
      (archive) => gzipSync(Buffer.concat([gunzipSync(archive).subarray(0, 512), Buffer.alloc(100)])),
      'no end of archive',
    ],
    [
      'a tar with text behind it',
      (archive) => gzipSync(Buffer.concat([gunzipSync(archive), randomBytes(512)])),
      'no end of archive',
    ],
  ])('refuses %s', async (_, damage, reason) => {
    expect(await refusal(damage(await tarGz(...SESSION)))).toBe(`400 Invalid tar.gz archive: ${reason}`);
  });

  it('accepts zeros behind the gzip stream and several gzip streams in one', async () => {
    const tar = await tarOf(SESSION);
    const halves = Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]);
    for (const archive of [halves, Buffer.concat([gzipSync(tar), Buffer.alloc(3_000)])]) {
      expect((await spools.read(archive)).metadata.title).toBe(MANIFEST.title);
    }
  });
});

describe('bombs', () => {
  it('refuses more members than any session has', async () => {
    const block = await tarOf([{ name: '0000000' }]);
    const headers = Array.from({ length: CEILINGS.members + 1 }, (_, i) => {
      const header = Buffer.from(block.subarray(0, 512));
      header.write(String(i).padStart(7, '0'), 0, 'latin1');
      header.write(checksum(header), 148, 'latin1');
      return header;
    });
    expect(await refusal(gzipSync(Buffer.concat([...headers, Buffer.alloc(1_024)])))).toBe(
      '400 Too many members in archive (limit 10000)',
    );
  });

  it('refuses what expands further than text does', async () => {
    const zeros = Buffer.alloc(9 * 1_048_576);
    const members = Array.from({ length: 9 }, (_, i) => ({ name: `zeros-${i}`, content: zeros }));
    expect(await refusal(await tarGz(...members))).toBe('400 Archive expands to more than 200 times its size');
  });

  it('refuses a header that holds a book', async () => {
    expect(await refusal(await tarGz({ name: 'a', pax: { comment: 'x'.repeat(5_000_000) } }))).toBe(
      '400 Invalid tar.gz archive: not a tar file',
    );
  });

  it('refuses a name that is longer than any path', async () => {
    expect(await refusal(await tarGz({ name: `${'long/'.repeat(300)}name` }))).toMatch(/^400 Invalid name/);
  });
});

describe('whatever is done to an archive', () => {
  it('answers with a reading or a refusal, and leaves nothing behind', async () => {
    const before = await spools.files();
    const tar = await tarOf(SESSION);
    const gz = gzipSync(tar);
    const byte = fc.integer({ min: 0, max: 255 });
    const damage = fc.record({
      inTar: fc.boolean(),
      at: fc.double({ min: 0, max: 0.999, noNaN: true }),
      byte,
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (damages) => {
        let archive = Buffer.from(damages[0]?.inTar ? tar : gz);
        for (const { at, byte: value, cut } of damages) {
          const position = Math.floor(at * archive.length);
          if (cut) archive = archive.subarray(0, position);
          else archive[position] = value;
        }
        const found = await spools.read(damages[0]?.inTar ? gzipSync(archive) : archive).catch((error: Error) => error);
        if (found instanceof Error) expect(found).toMatchObject({ name: 'DomainError', code: 'bad_request' });
        else for (const spool of [found.archive, found.conversation.log]) if (spool !== null) await rm(spool.path);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
    expect(await spools.files()).toEqual(before);
  });
});

/** The checksum field of a tar header. */
function checksum(header: Buffer): string {
  const bytes = header.subarray(0, 512);
  const sum = bytes.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return `${sum.toString(8).padStart(6, '0')}\0 `;
}
