import { createReadStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import type { DlpMode, DlpRules } from './dlp-screen.js';
import { inflate } from './inflate.js';
import { members } from './members.js';
import type { ArchiveReading } from './read-archive.js';
import { FREE, line, SpoolFolder, tarGz, type TestMember } from './testing/archives.js';

const KEY = 'sk-' + 'ant-api03-' + 'a1B2'.repeat(10);
const AWS = 'AKIA' + 'ABCDEFGHIJ123456';
const HIDDEN = '[REDACTED:anthropic_api_key]';
const MEBIBYTE = 1_048_576;

let spools: SpoolFolder;

beforeAll(async () => {
  spools = await SpoolFolder.create();
});
afterEach(async () => expect(await spools.files()).toEqual([]));
afterAll(() => spools.remove());

const rules = (mode: DlpMode, more: Partial<DlpRules> = {}): DlpRules => ({
  mode,
  categories: ['secret'],
  customPatterns: [],
  allowlist: [],
  ...more,
});

async function dropped({ archive, conversation }: ArchiveReading): Promise<void> {
  await rm(archive.path);
  if (conversation.log) await rm(conversation.log.path);
}

async function membersOf(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { path: name, content } of members(inflate(createReadStream(path)), FREE)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    found[name] = Buffer.concat(chunks).toString('latin1');
  }
  return found;
}

const SECRETIVE: readonly TestMember[] = [
  { name: 'manifest.json', content: `{ "title": "Use ${KEY} there", "tags": ["${AWS}"], "n": 12345678901234567890 }` },
  { name: 'messages.jsonl', content: `${line('hello')}\n${line(KEY)}\n{broken ${KEY}\n` },
  { name: 'workspace.json', content: JSON.stringify({ git: { branch: `fix/${AWS}`, remote_url: null } }) },
  { name: 'notes/todo.md', content: `# caf\xe9\nexport KEY=${KEY}\n` },
  { name: 'context/shot.png', content: Buffer.from(`\x89PNG\0${KEY}`, 'latin1') },
];

describe('redaction on the way in', () => {
  it('takes secrets out of every text before anything is made of it', async () => {
    const archive = await tarGz(...SECRETIVE);
    const reading = await spools.read(archive, { dlp: rules('redact') });
    expect(await membersOf(reading.archive.path)).toEqual({
      'manifest.json': `{ "title": "Use ${HIDDEN} there", "tags": ["[REDACTED:aws_access_key_id]"], "n": 12345678901234567890 }`,
      'messages.jsonl': `${line('hello')}\n${line(HIDDEN)}\n{broken ${HIDDEN}\n`,
      'workspace.json': '{"git":{"branch":"fix/[REDACTED:aws_access_key_id]","remote_url":null}}',
      'notes/todo.md': `# caf\xc3\xa9\nexport KEY=${HIDDEN}\n`,
      'context/shot.png': `\x89PNG\0${KEY}`,
    });
    expect(reading.metadata).toMatchObject({ title: 'Use [redacted] there', tags: ['[REDACTED:aws_access_key_id]'] });
    expect(reading.metadata.gitBranch).toBe('fix/[REDACTED:aws_access_key_id]');
    const log = await promisify(inflateRaw)(await readFile(reading.conversation.log!.path));
    expect(log.toString()).toContain(HIDDEN);
    expect(log.toString()).not.toContain(KEY);
    expect(reading.dlp).toEqual({ count: 6, types: ['anthropic_api_key', 'aws_access_key_id'] });
    await dropped(reading);
  });

  it('leaves an archive without findings the bytes it was', async () => {
    const archive = await tarGz({ name: 'messages.jsonl', content: line('hello') });
    const reading = await spools.read(archive, { dlp: rules('redact') });
    expect((await readFile(reading.archive.path)).equals(archive)).toBe(true);
    expect(reading.dlp).toEqual({ count: 0, types: [] });
    await dropped(reading);
  });

  it('makes equal content of what is pushed again, whatever the times, and of what was pulled', async () => {
    const [first, second] = await Promise.all(
      [1_000, 2_000].map(async (seconds) => {
        const mtime = new Date(seconds * 1000);
        const archive = await tarGz(...SECRETIVE.map((member) => ({ ...member, mtime })));
        return spools.read(archive, { dlp: rules('redact') });
      }),
    );
    expect(first!.contentHash).toBe(second!.contentHash);
    const pulled = await spools.read(await readFile(first!.archive.path), { dlp: rules('redact') });
    expect(pulled.contentHash).toBe(first!.contentHash);
    expect(pulled.dlp?.count).toBe(0);
    for (const reading of [first!, second!, pulled]) await dropped(reading);
  });

  it('holds the cap on members for what they have grown to', async () => {
    const password = ['password', '"hunter2!"'].join('=');
    const text = `${password}\n`.repeat(1_000);
    const archive = await tarGz({ name: 'notes.txt', content: text });
    const limits = { ...FREE, memberBytes: text.length };
    await dropped(await spools.read(archive, { limits, dlp: rules('warn') }));
    await expect(spools.read(archive, { limits, dlp: rules('redact') })).rejects.toMatchObject({
      code: 'payload_too_large',
      reason: 'session_too_large',
    });
  });

  it('renames members whose names are secrets, and makes no two of them one', async () => {
    const archive = await tarGz(
      { name: `a/${AWS}`, content: 'one' },
      { name: `a/${AWS.replace('6', '7')}`, content: 'two' },
      { name: 'c', content: Buffer.alloc(3 * MEBIBYTE) },
    );
    const reading = await spools.read(archive, { dlp: rules('redact'), chunkBytes: 65_536 });
    const found = await membersOf(reading.archive.path);
    const name = 'a/[REDACTED:aws_access_key_id]';
    expect(found).toMatchObject({ [name]: 'one', [`${name}~`]: 'two' });
    expect(found['c']).toHaveLength(3 * MEBIBYTE);
    await dropped(reading);
  });
});

describe('the other modes', () => {
  it('warn: stores what came, and says what was found', async () => {
    const archive = await tarGz(...SECRETIVE);
    const reading = await spools.read(archive, { dlp: rules('warn') });
    expect((await readFile(reading.archive.path)).equals(archive)).toBe(true);
    expect(reading.metadata.title).toBe('Use [redacted] there');
    expect(reading.dlp?.count).toBe(6);
    await dropped(reading);
  });

  it('block: leaves nothing, and names file, line and pattern but never the text', async () => {
    const refused = spools.read(await tarGz(...SECRETIVE), { dlp: rules('block') });
    await expect(refused).rejects.toMatchObject({ code: 'forbidden', reason: 'dlp_blocked' });
    const error = (await refused.catch((reason: unknown) => reason)) as { details: { findings: object[] } };
    expect(error.details.findings).toHaveLength(6);
    expect(error.details.findings[2]).toEqual({
      file: 'messages.jsonl',
      pattern: 'anthropic_api_key',
      category: 'secret',
      severity: 'high',
      line: 2,
    });
    expect(JSON.stringify(error.details)).not.toContain(KEY.slice(0, 12));
  });

  it('look for an organisation’s own patterns, and not for what it allows', async () => {
    const own = { name: 'badge', regex: 'ACME-[0-9]{4}', category: 'secret', severity: 'low' } as const;
    const archive = await tarGz({ name: 'messages.jsonl', content: line(`ACME-1234 ${AWS} ${KEY}`) });
    const given = rules('warn', { customPatterns: [own], allowlist: [KEY] });
    const reading = await spools.read(archive, { dlp: given });
    expect(reading.dlp).toEqual({ count: 2, types: ['badge', 'aws_access_key_id'] });
    await dropped(reading);
  });

  it('refuse what a pattern cannot get through, rather than store it unsearched', async () => {
    const slow = {
      name: 'slow',
      regex: '[ab]*a[ab]{400}c',
      category: 'secret',
      severity: 'low',
    } as const;
    const content = line('ab'.repeat(30_000));
    const archive = await tarGz({ name: 'messages.jsonl', content });
    await expect(spools.read(archive, { dlp: rules('warn', { customPatterns: [slow] }) })).rejects.toMatchObject({
      code: 'unprocessable',
      reason: 'dlp_pattern_too_slow',
    });
  });
});
