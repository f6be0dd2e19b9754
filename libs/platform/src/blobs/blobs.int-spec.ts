import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { SystemClock, sweepSpools } from '#kernel';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { Database } from '../database/database.js';
import { BlobSweeper } from './blob-sweeper.js';
import { Blobs } from './blobs.js';
import { BlobsRepository } from './blobs.repository.js';
import { LocalBlobStore } from './local-blob-store.js';

/** A store whose deletions the test can stop half-way. */
class GatedStore extends LocalBlobStore {
  reached: () => void = () => undefined;
  gate: Promise<void> = Promise.resolve();

  override async delete(digest: string): Promise<void> {
    this.reached();
    await this.gate;
    await super.delete(digest);
  }

  /** Stops the next deletion; `waiting` resolves when it is reached, `open` lets it go on. */
  close(): { waiting: Promise<void>; open: () => void } {
    let open = (): void => undefined;
    this.gate = new Promise((resolve) => (open = resolve));
    return { waiting: new Promise((resolve) => (this.reached = resolve)), open };
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const holder = { kind: 'test', ownerId: 'owner' };

describe('Blobs', () => {
  let database: TestDatabase;
  let source: DataSource;
  let root: string;
  let db: Database;
  let store: GatedStore;
  let blobs: Blobs;
  let sweeper: BlobSweeper;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    source = await new DataSource({ type: 'postgres', url: database.url, poolSize: 20 }).initialize();
    db = new Database(source);
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rh-blobs-'));
    store = new GatedStore(root);
    const repository = new BlobsRepository(db);
    blobs = new Blobs(db, store, repository);
    sweeper = new BlobSweeper(db, store, repository, new SystemClock());
  });
  afterEach(async () => {
    await db.query('delete from blob_hold');
    await db.query('delete from blob');
    await rm(root, { recursive: true });
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const put = (content: Buffer) => blobs.put(Readable.from([content]));
  const age = () => db.query(`update blob set wanted_at = now() - interval '25 hours'`);
  const read = async (digest: string): Promise<Buffer> =>
    Buffer.concat((await (await blobs.open(digest)).toArray()) as Buffer[]);
  const known = async (): Promise<number> => (await db.query('select from blob')).length;

  it('stores one content once, however many put it at the same time', async () => {
    const content = randomBytes(100_000);
    const stored = await Promise.all(Array.from({ length: 12 }, () => put(content)));
    expect(new Set(stored.map(({ digest }) => digest))).toEqual(new Set([sha256(content)]));
    expect(await known()).toBe(1);
    expect(await read(sha256(content))).toEqual(content);
    expect(await blobs.stat(sha256(content))).toBe(100_000);
  });

  it('leaves nothing of a source that fails', async () => {
    const failing = Readable.from(
      (function* () {
        yield randomBytes(1_000);
        throw new Error('connection lost');
      })(),
    );
    await expect(blobs.put(failing)).rejects.toThrow('connection lost');
    expect(await known()).toBe(0);
    expect(await sweeperFindsSpools()).toBe(0);
  });

  const sweeperFindsSpools = (): Promise<number> => sweepSpools(store.spoolFolder, Number.MAX_SAFE_INTEGER);

  it('refuses to keep inside a transaction, where the sweep would not see it', async () => {
    await expect(db.transaction(() => put(randomBytes(10)))).rejects.toThrow('before the transaction');
  });

  it('deletes what nobody holds a day after it was put, and nothing else', async () => {
    const [held, loose] = [await put(randomBytes(10)), await put(randomBytes(10))];
    await db.transaction(() => blobs.hold(held.digest, holder));
    await age();
    const fresh = await put(randomBytes(10));
    expect(await sweeper.sweep()).toBe(1);
    expect(await Promise.all([held, loose, fresh].map(({ digest }) => blobs.stat(digest)))).toEqual([10, null, 10]);
    expect(await known()).toBe(2);
    expect(await sweeper.sweep()).toBe(0);
  });

  it('keeps what two hold until both released it, and a day longer', async () => {
    const { digest } = await put(randomBytes(10));
    const other = { kind: 'test', ownerId: 'other' };
    for (const who of [holder, holder, other]) await blobs.hold(digest, who);
    await age();
    await blobs.release(holder);
    await age();
    expect(await sweeper.sweep()).toBe(0);
    await blobs.release(other, digest);
    expect(await sweeper.sweep()).toBe(0);
    await age();
    expect(await sweeper.sweep()).toBe(1);
  });

  it('keeps the hold when the transaction that would release it rolls back', async () => {
    const { digest } = await put(randomBytes(10));
    await blobs.hold(digest, holder);
    const failing = db.transaction(async () => {
      await blobs.release(holder);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await age();
    expect(await sweeper.sweep()).toBe(0);
  });

  it('makes a put of what is just being swept wait, and then stores it anew', async () => {
    const content = randomBytes(10);
    const { digest } = await put(content);
    await age();
    const gate = store.close();
    const sweep = sweeper.sweep();
    await gate.waiting;
    const again = put(content);
    await someoneWaitsForALock();
    gate.open();
    expect(await sweep).toBe(1);
    await again;
    expect(await read(digest)).toEqual(content);
  });

  it('refuses a hold of what is just being swept', async () => {
    const { digest } = await put(randomBytes(10));
    await age();
    const gate = store.close();
    const sweep = sweeper.sweep();
    await gate.waiting;
    const hold = blobs.hold(digest, holder).then(
      () => 'held',
      (error: { code?: string }) => error.code,
    );
    await someoneWaitsForALock();
    gate.open();
    await sweep;
    expect(await hold).toBe('23503');
  });

  it('does not sweep what an open transaction is about to hold', async () => {
    const { digest } = await put(randomBytes(10));
    await age();
    await db.transaction(async () => {
      await blobs.hold(digest, holder);
      expect(await db.detached(() => sweeper.sweep())).toBe(0);
    });
    expect(await sweeper.sweep()).toBe(0);
    expect(await blobs.stat(digest)).toBe(10);
  });

  it('never loses an acknowledged put to sweeps that run all the time', async () => {
    const contents = Array.from({ length: 4 }, () => randomBytes(50));
    let going = true;
    const sweeping = (async () => {
      let swept = 0;
      while (going) {
        await age();
        swept += await sweeper.sweep();
      }
      return swept;
    })();
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(
        contents.map(async (content) => {
          const { digest } = await put(content);
          // From its acknowledgement on a held blob stays; one swept before the hold (the test ages all) is refused.
          const isHeld = await blobs.hold(digest, holder).then(
            () => true,
            () => false,
          );
          if (!isHeld) return;
          expect(await read(digest)).toEqual(content);
          await blobs.release(holder, digest);
        }),
      );
    }
    going = false;
    expect(await sweeping).toBeGreaterThan(0);
  });

  /** Resolves when a connection to this database waits for another's lock. */
  async function someoneWaitsForALock(): Promise<void> {
    for (;;) {
      const waiting = await db.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      if (waiting.length > 0) return;
      await pause(5);
    }
  }
});
