import { hash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import type { ZlibOptions } from 'node:zlib';
import { faultPoint } from '#kernel';
import type { GitObject, ObjectAdopter, ObjectType } from './git-object.js';
import { hashObject } from './oid.js';
import { serialiseIndex } from './pack-index.js';
import type { IndexedEntry } from './pack-index.js';
import { syncFolder } from './sync-folder.js';
import { Tree } from './tree.js';
import type { TreeReader } from './tree.js';

const TYPE_CODES: Readonly<Record<ObjectType, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 };
/** A small window halves the cost of deflating a small object without changing its size. */
const SMALL_OBJECT_BYTES = 2048;
const SMALL_DEFLATE: ZlibOptions = { level: 1, windowBits: 11, memLevel: 4 };
const READ_ONLY = 0o444;

export interface WrittenPack {
  /** Name without extension, e.g. `pack-<40 hex>`. */
  readonly name: string;
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Collects the objects of one or several commits and writes them as a single durable pack. Also answers reads, in
 * front of the repository, so that a second commit can build on the first before either is on disk.
 *
 * Objects that exist already are written again on purpose: a concurrent prune may be about to drop the old copy.
 */
export class PackWriter implements TreeReader {
  private readonly chunks: Buffer[] = [];
  private readonly entries: IndexedEntry[] = [];
  private readonly pending = new Map<string, GitObject>();
  private offset = 12;

  /** `base` answers for objects this pack does not hold. */
  constructor(
    private readonly objectsDir: string,
    private readonly base: TreeReader & Partial<ObjectAdopter>,
  ) {}

  /** Adds an object (once) and returns its id. `bytes` must not change afterwards. */
  add(type: ObjectType, bytes: Buffer): string {
    const oid = hashObject(type, bytes);
    const hex = oid.toString('hex');
    if (this.pending.has(hex)) return hex;
    this.pending.set(hex, { type, data: bytes });
    const head = entryHeader(TYPE_CODES[type], bytes.length);
    const body = deflateSync(bytes, deflateOptions(bytes.length));
    this.entries.push({ oid, crc: crc32(body, crc32(head)), offset: this.offset });
    this.chunks.push(head, body);
    this.offset += head.length + body.length;
    return hex;
  }

  find(oid: string): GitObject | null {
    return this.pending.get(oid) ?? this.base.find(oid);
  }

  tree(oid: string): Tree {
    const pending = this.pending.get(oid);
    return pending?.type === 'tree' ? new Tree(pending.data) : this.base.tree(oid);
  }

  get objects(): number {
    return this.entries.length;
  }

  /**
   * Writes pack and index, each fsynced under a temporary name, then publishes the pack before its index, so that no
   * reader ever sees half of it. Durable when it returns. Null when nothing was added.
   */
  write(): WrittenPack | null {
    if (this.entries.length === 0) return null;
    const body = Buffer.concat([packHeader(this.entries.length), ...this.chunks]);
    const checksum = hash('sha1', body, 'buffer');
    const index = serialiseIndex(this.entries, checksum);
    // git does not care what a pack is called. A random name keeps a pack of equal content that a repack is just
    // deleting from taking this one with it.
    const id = randomBytes(20).toString('hex');
    const name = `pack-${id}`;
    const packDir = join(this.objectsDir, 'pack');
    // git's own temporary names, swept by `git prune`. Anything ending in `.idx` git would take for a finished pack.
    const temporaryPack = join(packDir, `tmp_pack_${id}`);
    const temporaryIndex = join(packDir, `tmp_idx_${id}`);
    try {
      writeDurably([
        { path: temporaryPack, parts: [body, checksum] },
        { path: temporaryIndex, parts: [index] },
      ]);
      renameSync(temporaryPack, join(packDir, `${name}.pack`));
      renameSync(temporaryIndex, join(packDir, `${name}.idx`));
    } catch (error) {
      removeIfPresent(temporaryPack);
      removeIfPresent(temporaryIndex);
      throw error;
    }
    syncFolder(packDir);
    faultPoint('commit.pack-written');
    this.base.adopt?.(this.pending);
    return { name, objects: this.entries.length, bytes: body.length + checksum.length + index.length };
  }
}

function packHeader(count: number): Buffer {
  const header = Buffer.alloc(12);
  header.write('PACK', 'latin1');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(count, 8);
  return header;
}

/** Type and size: 4 bits of size in the first byte, then 7 a byte, least significant first. */
function entryHeader(code: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (code << 4) | (size & 15);
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 0x80);
    byte = rest & 0x7f;
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}

function deflateOptions(size: number): ZlibOptions {
  const chunkSize = Math.min(65_536, Math.max(64, size + 32));
  return size <= SMALL_OBJECT_BYTES ? { ...SMALL_DEFLATE, chunkSize } : { level: 1, chunkSize };
}

/** Creates the files with their content and returns when all of it is on disk. */
function writeDurably(files: readonly { readonly path: string; readonly parts: readonly Buffer[] }[]): void {
  const open: number[] = [];
  try {
    for (const { path, parts } of files) {
      const fd = openSync(path, 'wx', READ_ONLY);
      open.push(fd);
      for (const part of parts) {
        for (let at = 0; at < part.length;) at += writeSync(fd, part, at);
      }
    }
    faultPoint('commit.pack-before-fsync');
    for (const fd of open) fsyncSync(fd);
    faultPoint('commit.pack-after-fsync');
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

function removeIfPresent(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
