import { createReadStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { planted, PLANTED, type Planted } from '../conversation/secrets/testing/planted-secrets.js';
import { inflate } from './inflate.js';
import { members } from './members.js';
import { redactArchive } from './redact-archive.js';
import { chunksOf, FREE, line, SpoolFolder, tarGz, type TestMember } from './testing/archives.js';

const KEY = 'sk-' + 'ant-api03-' + 'a1B2'.repeat(10);
const HIDDEN = '[REDACTED:anthropic_api_key]';

let spools: SpoolFolder;

beforeAll(async () => {
  spools = await SpoolFolder.create();
});
afterEach(async () => expect(await spools.files()).toEqual([]));
afterAll(() => spools.remove());

/** What strangers get of an archive: its members by path, or null when they get it as it is. */
async function redacted(...given: readonly TestMember[]): Promise<Record<string, string> | null> {
  const spool = await redactArchive(chunksOf(await tarGz(...given), 1_000), {
    spoolFolder: spools.path,
    rules: null,
    always: false,
  });
  if (spool === null) return null;
  const found: Record<string, string> = {};
  for await (const { path, content } of members(inflate(createReadStream(spool.path)), FREE)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    found[path] = Buffer.concat(chunks).toString();
  }
  await rm(spool.path);
  return found;
}

describe('an archive for strangers', () => {
  it('is the very same when it holds no secret', async () => {
    expect(
      await redacted({ name: 'manifest.json', content: '{"title":"x"}' }, { name: 'a.txt', content: 'b' }),
    ).toBeNull();
  });

  it('has no secret in any member, and everything else in place', async () => {
    const big = '{"n":12345678901234567890,"text":"ok"}';
    const found = await redacted(
      { name: 'manifest.json', content: `{ "title": "with ${KEY}", "n": 1.0 }` },
      { name: 'messages.jsonl', content: `${line(`my key is ${KEY}`)}\n{broken ${KEY}\n\n${big}` },
      { name: 'checkpoints/one/messages.jsonl', content: line(KEY) },
      { name: 'context/diff.patch', content: `-a\n+token = ${KEY}\n` },
    );
    expect(found).toEqual({
      'manifest.json': `{ "title": "with ${HIDDEN}", "n": 1.0 }`,
      'messages.jsonl': `${line(`my key is ${HIDDEN}`)}\n{broken ${HIDDEN}\n\n${big}`,
      'checkpoints/one/messages.jsonl': line(HIDDEN),
      'context/diff.patch': `-a\n+token = ${HIDDEN}\n`,
    });
  });

  it('keeps no kind of secret', async () => {
    const kinds = PLANTED.map((kind) => fc.sample(kind, { numRuns: 1, seed: 7 })[0] as Planted);
    const content = kinds.map(({ text }) => `${line(text)}\n`).join('');
    const found = await redacted({ name: 'messages.jsonl', content }, { name: 'notes.txt', content: kinds[0]!.text });
    for (const { secret } of kinds) expect(JSON.stringify(found)).not.toContain(JSON.stringify(secret).slice(1, -1));
    expect(found?.['messages.jsonl']?.trim().split('\n')).toHaveLength(kinds.length);
    await fc.assert(
      fc.asyncProperty(planted, fc.string(), async ({ secret, text }, before) => {
        const parts = await redacted({ name: 'a/messages.jsonl', content: line(`${before}\n${text}`) });
        expect(JSON.stringify(parts)).not.toContain(secret);
        expect(() => JSON.parse(parts!['a/messages.jsonl']!) as unknown).not.toThrow();
      }),
      { numRuns: 30 },
    );
  });

  it('lacks what cannot be searched: binaries, and members that are called by a secret', async () => {
    const long = 'x'.repeat(9 * 1_048_576);
    const found = await redacted(
      { name: 'db.sqlite', content: Buffer.from([0xff, 0xfe, 0x00, 0x80]) },
      { name: `keys/${KEY}.txt`, content: 'x' },
      { name: 'context/empty.txt' },
      { name: 'context/long.txt', content: `${long} ${KEY}\n` },
      { name: 'messages.jsonl', content: `${line('one')}\n"${long} ${KEY}"\n${line('two')}\n` },
    );
    expect(found).toEqual({
      'context/empty.txt': '',
      'context/long.txt': `${long} ${HIDDEN}\n`,
      'messages.jsonl': `${line('one')}\n"${long} ${HIDDEN}"\n${line('two')}\n`,
    });
  });

  it('is the same bytes each time, whatever a member says of its time', async () => {
    const archive = await tarGz(
      { name: 'a.txt', content: KEY, mtime: new Date('2026-07-02T08:00:00Z') },
      { name: 'b.txt', content: 'b', mtime: new Date(2 ** 33 * 1000) },
    );
    const digests = [];
    for (let round = 0; round < 2; round += 1) {
      const spool = await redactArchive(chunksOf(archive, 700), {
        spoolFolder: spools.path,
        rules: null,
        always: false,
      });
      digests.push(spool?.digest);
      expect(gunzipSync(await readFile(spool!.path)).toString()).toContain('\x00b.txt'.slice(1));
      await rm(spool!.path);
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('is not made of what cannot be read, which leaves nothing behind', async () => {
    const archive = await tarGz({ name: 'messages.jsonl', content: `${line(KEY)}\n`.repeat(5_000) });
    const cut = chunksOf(archive.subarray(0, archive.length - 50), 1_000);
    await expect(redactArchive(cut, { spoolFolder: spools.path, rules: null, always: false })).rejects.toMatchObject({
      code: 'bad_request',
    });
  });
});
