import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobSpool, type SpooledBlob } from '#kernel';
import { S3Peer } from '../../../../test/support/peers/s3.js';
import { S3BlobStore, type S3Settings } from './s3-blob-store.js';

let peer: S3Peer;
let folder: string;

const storeWith = (more: Partial<S3Settings> = {}): S3BlobStore => {
  const { bucket, region, endpoint, accessKeyId, secretAccessKey } = peer;
  return new S3BlobStore({ bucket, region, endpoint, credentials: { accessKeyId, secretAccessKey }, ...more }, folder);
};

async function spooled(content: Buffer): Promise<SpooledBlob> {
  const spool = await BlobSpool.create(folder);
  await spool.write(content);
  return spool.finish();
}

const read = async (store: S3BlobStore, digest: string, range?: { start: number; end: number }): Promise<Buffer> =>
  Buffer.concat((await (await store.open(digest, range)).toArray()) as Buffer[]);

describe('S3BlobStore', () => {
  beforeEach(async () => {
    peer = await S3Peer.start();
    folder = await mkdtemp(join(tmpdir(), 'rh-s3-'));
  });
  afterEach(async () => {
    await peer.close();
    await rm(folder, { recursive: true });
  });

  it('stores content under its digest, reads all of it or a range, and deletes it', async () => {
    const content = randomBytes(300_000);
    const spool = await spooled(content);
    const { digest } = spool;
    const store = storeWith();
    await store.publish(spool);
    const key = `blobs/${digest.slice(0, 2)}/${digest.slice(2, 4)}/${digest}`;
    expect(peer.objects.get(key)?.equals(content)).toBe(true);
    expect(await readdir(folder)).toEqual([]);
    expect(await store.stat(digest)).toBe(300_000);
    expect((await read(store, digest)).equals(content)).toBe(true);
    for (const [start, end] of [
      [0, 1],
      [70_000, 200_001],
      [299_999, 400_000],
      [300_000, 300_001],
      [7, 7],
    ] as const) {
      expect((await read(store, digest, { start, end })).equals(content.subarray(start, end))).toBe(true);
    }
    await store.delete(digest);
    await store.delete(digest);
    expect(await store.stat(digest)).toBeNull();
    await expect(store.open(digest)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('does not send what is there already, and takes the spool all the same', async () => {
    const store = storeWith();
    const content = randomBytes(1_000);
    await store.publish(await spooled(content));
    await store.publish(await spooled(content));
    expect(peer.requests.filter((request) => request.startsWith('PUT'))).toHaveLength(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('stores the empty blob', async () => {
    const spool = await spooled(Buffer.alloc(0));
    await storeWith().publish(spool);
    expect(await read(storeWith(), spool.digest)).toHaveLength(0);
  });

  it('refuses bytes that are not those of the digest', async () => {
    const spool = await spooled(randomBytes(1_000));
    const other = { ...spool, digest: 'ab'.repeat(32) };
    await expect(storeWith().publish(other)).rejects.toMatchObject({ code: 'unavailable' });
    expect(peer.objects.size).toBe(0);
  });

  it('tries again when the bucket is busy, and gives up as unavailable', async () => {
    const spool = await spooled(randomBytes(1_000));
    Object.assign(peer.outage, { method: 'PUT', left: 2 });
    await storeWith().publish(spool);
    expect([peer.objects.size, peer.outage.left]).toEqual([1, 0]);
    Object.assign(peer.outage, { method: null, left: 100 });
    await expect(storeWith().stat(spool.digest)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'blob_store_unavailable',
    });
  });

  it('tells a missing bucket and wrong credentials from a missing blob', async () => {
    const spool = await spooled(randomBytes(10));
    const wrong = storeWith({ credentials: { accessKeyId: peer.accessKeyId, secretAccessKey: 'guess' } });
    await expect(wrong.publish(spool)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(storeWith({ bucket: 'other' }).publish(spool)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(storeWith({ bucket: 'other' }).open(spool.digest)).rejects.toMatchObject({ code: 'unavailable' });
    expect(peer.requests).toEqual([]);
  });
});
