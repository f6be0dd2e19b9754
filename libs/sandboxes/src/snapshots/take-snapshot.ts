import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { geteuid } from 'node:process';
import { BlobSpool, type SpooledBlob } from '#kernel';
import { HeldDirectory } from './held-directory.js';
import { type SnapshotContent, type SnapshotEntry, type SnapshotRoot, toLine } from './manifest.js';

const MEBIBYTE = 1_048_576;
/** A larger file is a blob of its own, which snapshots share as long as it stays the same. */
const LARGE_BYTES = 8 * MEBIBYTE;
/** Small files are put together until they are so much. */
const SEGMENT_BYTES = 64 * MEBIBYTE;
const CHUNK_BYTES = MEBIBYTE;
const LINES_AT_ONCE = 256;

export interface TakeSnapshot {
  readonly directory: string;
  readonly spoolFolder: string;
}

export interface TakenSnapshot {
  /** Of the root; with what it names it is the snapshot. */
  readonly digest: string;
  readonly digests: readonly string[];
  readonly bytes: number;
}

/** Stores a finished spool. */
export type KeepBlob = (spooled: SpooledBlob) => Promise<void>;

/** Reads a directory in which nothing runs, with a chunk of it in memory at a time. For a thread of its own. */
export async function takeSnapshot({ directory, spoolFolder }: TakeSnapshot, keep: KeepBlob): Promise<TakenSnapshot> {
  const walk = new SnapshotWalk(spoolFolder, keep, await BlobSpool.create(spoolFolder));
  try {
    return await walk.run(directory);
  } finally {
    await walk.discard();
  }
}

class SnapshotWalk {
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  private readonly blobs: (string | null)[] = [];
  private segment: { readonly spool: BlobSpool; readonly index: number } | null = null;
  private readonly unfinished: Set<BlobSpool>;
  private lines: string[] = [];
  private bytes = 0;

  constructor(
    private readonly spoolFolder: string,
    private readonly keep: KeepBlob,
    private readonly list: BlobSpool,
  ) {
    this.unfinished = new Set([list]);
  }

  async run(path: string): Promise<TakenSnapshot> {
    const top = HeldDirectory.at(path);
    try {
      await this.directory(top, Buffer.alloc(0), fstatSync(top.fd, { bigint: true }));
    } finally {
      top.close();
    }
    await this.endSegment();
    await this.writeLines();
    const entries = await this.store(this.list);
    const blobs = this.blobs.map((digest) => digest!);
    const root: SnapshotRoot = { version: 1, entries, blobs, bytes: this.bytes };
    const spool = await this.newSpool();
    await spool.write(Buffer.from(JSON.stringify(root)));
    const digest = await this.store(spool);
    return { digest, digests: [...new Set([digest, entries, ...blobs])], bytes: this.bytes };
  }

  private async directory(held: HeldDirectory, path: Buffer, facts: BigIntStats): Promise<void> {
    await this.write({ path, type: 'directory', ...factsOf(facts) });
    for (const name of readdirSync(held.self, { encoding: 'buffer' })) {
      const below = path.length === 0 ? name : Buffer.concat([path, Buffer.from('/'), name]);
      await this.entry(held.pathOf(name), below);
    }
  }

  private async entry(at: Buffer, path: Buffer): Promise<void> {
    const facts = lstatSync(at, { bigint: true });
    if (facts.isSymbolicLink()) {
      const target = readlinkSync(at, { encoding: 'buffer' });
      await this.write({ path, type: 'link', ...factsOf(facts), target });
    } else if (facts.isDirectory()) {
      await opened(at, facts, 0o500, async () => {
        const held = HeldDirectory.at(at);
        try {
          await this.directory(held, path, facts);
        } finally {
          held.close();
        }
      });
    } else if (facts.isFile()) {
      const content = await opened(at, facts, 0o400, () => this.content(at, Number(facts.size)));
      await this.write({ path, type: 'file', ...factsOf(facts), content });
    }
    // Sockets and pipes are nothing without the processes that had them open.
  }

  private async content(at: Buffer, size: number): Promise<SnapshotContent> {
    const isLarge = size > LARGE_BYTES;
    const { spool, index } = isLarge ? await this.begin() : (this.segment ??= await this.begin());
    const offset = spool.bytes;
    const hash = createHash('sha256');
    const fd = openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      for (let read = readSync(fd, this.chunk); read > 0; read = readSync(fd, this.chunk)) {
        hash.update(this.chunk.subarray(0, read));
        await spool.write(this.chunk.subarray(0, read));
      }
    } finally {
      closeSync(fd);
    }
    const content = { size: spool.bytes - offset, digest: hash.digest('hex'), blob: index, offset };
    this.bytes += content.size;
    if (isLarge) this.blobs[index] = await this.store(spool);
    else if (spool.bytes >= SEGMENT_BYTES) await this.endSegment();
    return content;
  }

  /** Takes away what was begun and is not stored. */
  async discard(): Promise<void> {
    for (const spool of this.unfinished) await spool.discard();
  }

  private async begin(): Promise<{ spool: BlobSpool; index: number }> {
    return { spool: await this.newSpool(), index: this.blobs.push(null) - 1 };
  }

  private async newSpool(): Promise<BlobSpool> {
    const spool = await BlobSpool.create(this.spoolFolder);
    this.unfinished.add(spool);
    return spool;
  }

  private async endSegment(): Promise<void> {
    if (this.segment) this.blobs[this.segment.index] = await this.store(this.segment.spool);
    this.segment = null;
  }

  private async store(spool: BlobSpool): Promise<string> {
    this.unfinished.delete(spool);
    const spooled = await spool.finish();
    await this.keep(spooled);
    return spooled.digest;
  }

  private async write(entry: SnapshotEntry): Promise<void> {
    if (this.lines.push(toLine(entry)) >= LINES_AT_ONCE) await this.writeLines();
  }

  private async writeLines(): Promise<void> {
    const text = this.lines.join('');
    this.lines = [];
    await this.list.write(Buffer.from(text));
  }
}

function factsOf({ mode, mtimeNs }: BigIntStats): { mode: number; mtimeNs: bigint } {
  return { mode: Number(mode) & 0o7777, mtimeNs };
}

/** Owners may have taken their own rights away; without being root they must be given back for a moment. */
async function opened<Result>(
  at: Buffer,
  { mode }: BigIntStats,
  needed: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const own = Number(mode) & 0o7777;
  if (geteuid!() === 0 || (own & needed) === needed) return work();
  chmodSync(at, own | needed);
  try {
    return await work();
  } finally {
    chmodSync(at, own);
  }
}
