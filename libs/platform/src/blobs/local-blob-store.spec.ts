import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { BlobSpool, type SpooledBlob, sweepSpools } from '#kernel';
import { LocalBlobStore } from './local-blob-store.js';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('LocalBlobStore', () => {
  let root: string;
  let store: LocalBlobStore;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rh-blobs-'));
    store = new LocalBlobStore(root);
  });
  afterEach(() => rm(root, { recursive: true }));

  const spool = async (...chunks: Buffer[]): Promise<SpooledBlob> => {
    const draft = await BlobSpool.create(store.spoolFolder);
    for (const chunk of chunks) await draft.write(chunk);
    return draft.finish();
  };

  it('stores content under its digest and reads all of it or a range', async () => {
    const content = randomBytes(300_000);
    const spooled = await spool(content.subarray(0, 7), content.subarray(7));
    expect(spooled).toMatchObject({ digest: sha256(content), bytes: content.length });
    await store.publish(spooled);
    const { digest } = spooled;
    expect(await readFile(join(root, digest.slice(0, 2), digest.slice(2, 4), digest))).toEqual(content);
    expect(await store.stat(digest)).toBe(content.length);
    expect(await bytesOf(await store.open(digest))).toEqual(content);
    for (const [start, end] of [
      [0, 1],
      [65_535, 200_001],
      [299_999, 300_000],
      [299_999, 400_000],
      [5, 5],
    ] as const) {
      expect(await bytesOf(await store.open(digest, { start, end }))).toEqual(content.subarray(start, end));
    }
  });

  it('keeps nothing but the content, also when it is stored many times at once', async () => {
    const content = randomBytes(5_000);
    const spools = await Promise.all(Array.from({ length: 20 }, () => spool(content)));
    await Promise.all(spools.map((spooled) => store.publish(spooled)));
    expect(await readdir(store.spoolFolder)).toEqual([]);
    expect(await bytesOf(await store.open(sha256(content)))).toEqual(content);
  });

  it('stores the empty blob', async () => {
    const spooled = await spool();
    await store.publish(spooled);
    expect(spooled.bytes).toBe(0);
    expect(await bytesOf(await store.open(spooled.digest))).toHaveLength(0);
  });

  it('lets an open stream read on after a deletion, and then has it no more', async () => {
    const content = randomBytes(400_000);
    const spooled = await spool(content);
    await store.publish(spooled);
    const stream = await store.open(spooled.digest);
    await store.delete(spooled.digest);
    await store.delete(spooled.digest);
    expect(await bytesOf(stream)).toEqual(content);
    expect(await store.stat(spooled.digest)).toBeNull();
    await expect(store.open(spooled.digest)).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each(['', '../../etc/passwd', 'A'.repeat(64), 'a'.repeat(63), `${'a'.repeat(64)}/..`])(
    'never makes a path of %j',
    async (digest) => {
      await expect(async () => store.open(digest)).rejects.toThrow('not a digest');
      await expect(async () => store.delete(digest)).rejects.toThrow('not a digest');
    },
  );

  it('sweeps spools that nobody has written to since, and only those', async () => {
    const old = await spool(randomBytes(10));
    const fresh = await spool(randomBytes(10));
    await utimes(old.path, 1_000, 1_000);
    expect(await sweepSpools(store.spoolFolder, 2_000_000)).toBe(1);
    expect(await readdir(store.spoolFolder)).toEqual([fresh.path.slice(store.spoolFolder.length + 1)]);
    expect(await sweepSpools(join(root, 'absent'), 2_000_000)).toBe(0);
  });

  it('takes a discarded spool away, finished or not', async () => {
    const half = await BlobSpool.create(store.spoolFolder);
    await half.write(randomBytes(10));
    await half.discard();
    const whole = await BlobSpool.create(store.spoolFolder);
    await whole.finish();
    await whole.discard();
    expect(await readdir(store.spoolFolder)).toEqual([]);
  });
});
