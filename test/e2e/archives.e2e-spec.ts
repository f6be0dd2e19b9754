import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { DataSource } from 'typeorm';
import { Blobs } from '../../libs/platform/src/blobs/blobs.js';
import { BlobsRepository } from '../../libs/platform/src/blobs/blobs.repository.js';
import { Database, LocalBlobStore } from '../../libs/platform/src/index.js';
import { Archives } from '../../libs/sessions/src/archive/archives.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const MEBIBYTE = 1_048_576;
const LIMITS = { archiveBytes: 50 * MEBIBYTE, memberBytes: 10 * MEBIBYTE, canUpgrade: true };

const message = (i: number): string =>
  JSON.stringify({ msg_id: `m${i}`, role: 'user', content: [{ type: 'text', text: `message ${i}` }] });

async function archiveOf(members: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const packer = pack();
  for (const [name, content] of Object.entries(members)) packer.entry({ name }, content);
  packer.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packer as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

const conversation = (count: number): string => Array.from({ length: count }, (_, i) => message(i)).join('\n');

let database: TestDatabase;
let source: DataSource;
let root: string;
let blobs: Blobs;
let archives: Archives;

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  root = await mkdtemp(join(tmpdir(), 'rh-archives-'));
  const db = new Database(source);
  blobs = new Blobs(db, new LocalBlobStore(root), new BlobsRepository(db));
  archives = new Archives(blobs);
});
afterAll(async () => {
  await archives.onApplicationShutdown();
  await source.destroy();
  await database.drop();
  await rm(root, { recursive: true });
});

const spools = (): Promise<string[]> => readdir(blobs.spoolFolder);

describe('receiving archives in a worker', () => {
  it('keeps the bytes as they came and the messages page by page', async () => {
    const archive = await archiveOf({
      'manifest.json': '{"title":"Ship it today"}',
      'messages.jsonl': conversation(3_000),
    });
    const reading = await archives.receive(Readable.from([archive]), LIMITS, null);
    await archives.keep(reading);
    expect(reading.metadata.title).toBe('Ship it today');
    expect(reading.archive.digest).toBe(createHash('sha256').update(archive).digest('hex'));
    expect(Buffer.concat(await (await blobs.open(reading.archive.digest)).toArray())).toEqual(archive);
    const log = archives.messages(reading.conversation.log?.digest ?? null, reading.conversation.index);
    const page: string[] = [];
    for await (const { json } of log.page(10, 2, 'newest')) page.push(json.toString());
    expect(page).toEqual([message(2_989), message(2_988)]);
    expect(await spools()).toEqual([]);
  });

  it('leaves nothing of what was refused, dropped or cut off', async () => {
    const good = await archiveOf({ 'messages.jsonl': conversation(10) });
    await archives.drop(await archives.receive(Readable.from([good]), LIMITS, null));
    const evil = await archiveOf({ '../evil': 'x' });
    await expect(archives.receive(Readable.from([evil]), LIMITS, null)).rejects.toMatchObject({
      code: 'bad_request',
      message: 'Path traversal in tar member: ../evil',
    });
    const cut = new PassThrough();
    cut.write(good.subarray(0, 50));
    const receiving = archives.receive(cut, LIMITS, null);
    setImmediate(() => cut.destroy(new Error('connection reset')));
    await expect(receiving).rejects.toMatchObject({ code: 'bad_request', message: 'The upload ended early' });
    const broken = new PassThrough();
    broken.destroy();
    await expect(archives.receive(broken, LIMITS, null)).rejects.toMatchObject({ code: 'bad_request' });
    expect(await spools()).toEqual([]);
  });

  it('refuses at the first broken rule, while the client still sends and without destroying it', async () => {
    const client = new PassThrough();
    const evil = await archiveOf({ '/etc/passwd': 'x', noise: randomBytes(500_000) });
    client.write(evil.subarray(0, 100_000));
    await expect(archives.receive(client, LIMITS, null)).rejects.toMatchObject({
      message: 'Absolute path in tar member: /etc/passwd',
    });
    expect(client.destroyed).toBe(false);
  });

  it('reads many at the same time, each for itself', async () => {
    const some = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        archiveOf({ 'manifest.json': `{"title":"Session number ${i}"}`, noise: randomBytes(200_000) }),
      ),
    );
    const readings = await Promise.all(
      some.map((archive, i) => archives.receive(i % 3 ? Readable.from([archive]) : slices(archive), LIMITS, null)),
    );
    expect(readings.map(({ metadata }) => metadata.title)).toEqual(some.map((_, i) => `Session number ${i}`));
    for (const [i, reading] of readings.entries()) {
      expect((await readFile(reading.archive.path)).equals(some[i] ?? Buffer.alloc(0))).toBe(true);
    }
    await Promise.all(readings.map((reading) => archives.drop(reading)));
  });
});

function slices(bytes: Buffer): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 999) yield bytes.subarray(at, at + 999);
    })(),
  );
}
