import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { VanishedFileError } from './file-pool.js';
import type { FilePool } from './file-pool.js';
import { CorruptObjectError } from './git-object.js';
import type { GitObject, ObjectInfo, ObjectReader } from './git-object.js';
import { hashObject } from './oid.js';
import { looseInfo, readLoose } from './loose.js';
import { PackFile } from './pack-file.js';
import type { DeltaBaseCache, StoredExtent } from './pack-file.js';
import { PackIndex } from './pack-index.js';

/**
 * A directory whose mtime is this close to the moment it was listed may have changed since without showing it
 * (timestamps tick in milliseconds on local disks, in seconds on some network file systems).
 */
const RACY_MS = 2000;

interface Pack {
  readonly name: string;
  readonly index: PackIndex;
  readonly file: PackFile;
}

/** What is needed to read object directories; one per thread. */
export interface ReadResources {
  readonly files: FilePool;
  readonly bases: DeltaBaseCache;
}

/** One `objects` directory: its packs and loose objects. */
export class ObjectDirectory {
  private readonly packDir: string;
  private names: string[] = [];
  private readonly opened = new Map<string, Pack>();
  /** Packs that could not be opened or read since the last listing, with the reason. */
  private readonly broken = new Map<string, unknown>();
  private recent: string | undefined;
  private listedMtime = -1;
  private listedAt = -1;

  constructor(
    readonly path: string,
    private readonly resources: ReadResources,
    private readonly others: ObjectReader,
  ) {
    this.packDir = join(path, 'pack');
    this.list();
  }

  /**
   * Calls `use` for every stored copy of the object until one answers. A copy that is corrupt or vanished is passed
   * over; `failures` collects why, so that a hole is never reported as "not found".
   */
  private firstCopy<T>(oid: Buffer, failures: unknown[], use: (pack: Pack, offset: number) => T): T | null {
    if (this.recent !== undefined) {
      const answer = this.tryPack(this.recent, oid, failures, use);
      if (answer !== null) return answer;
    }
    for (const name of this.names) {
      if (name === this.recent) continue;
      const answer = this.tryPack(name, oid, failures, use);
      if (answer !== null) {
        this.recent = name;
        return answer;
      }
    }
    return null;
  }

  /** The object, verified against its id. */
  read(oid: Buffer, failures: unknown[]): GitObject | null {
    return (
      this.firstCopy(oid, failures, (pack, offset) => verified(oid, pack.file.read(offset))) ??
      guarded(failures, () => {
        const object = readLoose(this.loosePath(oid));
        return object && verified(oid, object);
      })
    );
  }

  info(oid: Buffer, failures: unknown[]): ObjectInfo | null {
    return (
      this.firstCopy(oid, failures, (pack, offset) => pack.file.info(offset)) ??
      guarded(failures, () => looseInfo(this.loosePath(oid)))
    );
  }

  /** Stored bytes to stream: `{ extent }`, or `{ extent: null }` when the object exists as a delta. */
  extent(oid: Buffer, failures: unknown[]): { readonly extent: (StoredExtent & { skip: number }) | null } | null {
    const packed = this.firstCopy(oid, failures, (pack, offset) => {
      const extent = pack.file.extent(offset);
      return { extent: extent && { ...extent, skip: 0 } };
    });
    if (packed !== null) return packed;
    const path = this.loosePath(oid);
    const loose = guarded(failures, () => looseInfo(path));
    return loose && { extent: { path, start: 0, end: loose.end, size: loose.size, skip: loose.length } };
  }

  /** Object ids beginning with `prefix`, at most `limit` from each pack. */
  matches(prefix: string, limit: number, failures: unknown[]): string[] {
    const found: string[] = [];
    for (const name of this.names) {
      const pack = guarded(failures, () => this.open(name));
      if (pack !== null) found.push(...pack.index.matches(prefix, limit));
    }
    const folder = join(this.path, prefix.slice(0, 2));
    if (existsSync(folder)) {
      for (const rest of readdirSync(folder)) {
        if (/^[0-9a-f]{38}$/.test(rest) && rest.startsWith(prefix.slice(2))) found.push(prefix.slice(0, 2) + rest);
      }
    }
    return found;
  }

  /** Every object id, packed and loose, in storage order. Only sensible for small directories such as quarantines. */
  *allOids(): Generator<string> {
    for (const name of this.names) {
      const { index } = this.open(name);
      for (let i = 0; i < index.count; i += 1) yield index.oidAt(i);
    }
    for (const folder of readdirSync(this.path).sort()) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const rest of readdirSync(join(this.path, folder)).sort()) {
        if (/^[0-9a-f]{38}$/.test(rest)) yield folder + rest;
      }
    }
  }

  /** Lists the packs again when they changed, or may have (or when `force`). True when it did. */
  refresh(force: boolean): boolean {
    const mtime = this.mtime();
    const racy = this.listedAt - this.listedMtime < RACY_MS;
    if (!force && !racy && mtime === this.listedMtime) return false;
    this.list();
    return true;
  }

  close(): void {
    for (const name of [...this.opened.keys()]) this.drop(name);
  }

  private list(): void {
    // Time and mtime are taken before reading the directory, so that a change in between is noticed next time.
    this.listedAt = Date.now();
    this.listedMtime = this.mtime();
    const entries = this.listedMtime < 0 ? [] : readdirSync(this.packDir);
    // Newest first would need a stat each; API packs are small and many, so any order serves.
    this.names = entries
      .filter((entry) => entry.startsWith('pack-') && entry.endsWith('.idx'))
      .map((e) => e.slice(0, -4));
    this.broken.clear();
    const present = new Set(this.names);
    for (const name of [...this.opened.keys()]) if (!present.has(name)) this.drop(name);
    if (this.recent !== undefined && !present.has(this.recent)) this.recent = undefined;
  }

  private tryPack<T>(name: string, oid: Buffer, failures: unknown[], use: (pack: Pack, offset: number) => T): T | null {
    const failure = this.broken.get(name);
    if (failure !== undefined) {
      failures.push(failure);
      return null;
    }
    let pack: Pack;
    try {
      pack = this.open(name);
    } catch (error) {
      this.broken.set(name, rememberable(error));
      failures.push(error);
      return null;
    }
    const offset = guarded(failures, () => pack.index.find(oid));
    return offset === null || offset < 0 ? null : guarded(failures, () => use(pack, offset));
  }

  private open(name: string): Pack {
    const known = this.opened.get(name);
    if (known !== undefined) return known;
    const { files, bases } = this.resources;
    const index = PackIndex.open(join(this.packDir, `${name}.idx`), files);
    const file = new PackFile(join(this.packDir, `${name}.pack`), index, files, bases, this.others);
    const pack = { name, index, file };
    this.opened.set(name, pack);
    return pack;
  }

  private drop(name: string): void {
    this.opened.delete(name);
    this.resources.files.close(join(this.packDir, `${name}.pack`));
    this.resources.files.close(join(this.packDir, `${name}.idx`));
  }

  private loosePath(oid: Buffer): string {
    const hex = oid.toString('hex');
    return join(this.path, hex.slice(0, 2), hex.slice(2));
  }

  private mtime(): number {
    return statSync(this.packDir, { throwIfNoEntry: false })?.mtimeMs ?? -1;
  }
}

function verified(oid: Buffer, object: GitObject): GitObject {
  if (hashObject(object.type, object.data).equals(oid)) return object;
  throw new CorruptObjectError('content does not match its id');
}

/** Runs `read`, turning damage and disappearance into an entry of `failures`. */
function guarded<T>(failures: unknown[], read: () => T | null): T | null {
  try {
    return read();
  } catch (error) {
    rememberable(error);
    failures.push(error);
    return null;
  }
}

/** Only damage and disappearance may be passed over; anything else (EMFILE, EIO, a bug) must surface. */
function rememberable(error: unknown): unknown {
  if (error instanceof CorruptObjectError || error instanceof VanishedFileError) return error;
  throw error;
}
