import { LRUCache } from 'lru-cache';
import { applyDelta, deltaSizes } from './delta.js';
import type { FilePool } from './file-pool.js';
import {
  CorruptObjectError,
  MAX_CACHED_OBJECT_BYTES,
  MAX_MATERIALISED_BYTES,
  ObjectTooLargeError,
} from './git-object.js';
import type { GitObject, ObjectInfo, ObjectReader, ObjectType } from './git-object.js';
import { assertPlausibleSize, deflateBound, inflateExact, inflatePrefix } from './inflate.js';
import type { PackIndex } from './pack-index.js';

const PLAIN_TYPES: Readonly<Record<number, ObjectType>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };
const OFS_DELTA = 6;
const REF_DELTA = 7;
/** One read fetches an entry's header and, for most source files, all of its compressed bytes. */
const WINDOW_BYTES = 4096;
const TRAILER_BYTES = 20;
/** git itself never writes chains above 4,095; a longer one can only be a cycle of REF_DELTAs. */
const MAX_CHAIN = 5000;

/** Delta bases by `pack path:offset`, bounded in bytes and shared by every pack of a thread. */
export type DeltaBaseCache = LRUCache<string, GitObject>;

export function createDeltaBaseCache(maxBytes: number): DeltaBaseCache {
  return new LRUCache({ maxSize: maxBytes, sizeCalculation: (object) => object.data.length + 256 });
}

/** Where the compressed bytes of a whole (non-delta) object lie, for a reader that streams them. */
export interface StoredExtent {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

interface Entry {
  readonly offset: number;
  readonly kind: number;
  /** Inflated size: of the object, or of the delta. */
  readonly size: number;
  readonly dataOffset: number;
  readonly window: Buffer;
  readonly base: number | Buffer | null;
}

/** Objects of one pack, by offset. Descriptors live in the pool; the pack itself is immutable. */
export class PackFile {
  private end = -1;

  /** `others` finds REF_DELTA bases this pack does not hold. */
  constructor(
    readonly path: string,
    private readonly index: PackIndex,
    private readonly pool: FilePool,
    private readonly bases: DeltaBaseCache,
    private readonly others: ObjectReader,
  ) {}

  /** The object at `offset`. Throws CorruptObjectError, ObjectTooLargeError or VanishedFileError. */
  read(offset: number): GitObject {
    const chain: Entry[] = [];
    let at = offset;
    let object: GitObject | undefined;
    while (object === undefined) {
      if (chain.length > MAX_CHAIN) throw new CorruptObjectError('delta chain');
      object = this.bases.get(this.key(at));
      if (object !== undefined) break;
      const entry = this.entryAt(at);
      const type = PLAIN_TYPES[entry.kind];
      if (type !== undefined) {
        object = { type, data: this.inflate(entry) };
        if (chain.length > 0) this.remember(at, object);
        break;
      }
      chain.push(entry);
      const base = this.baseOffset(entry);
      if (base === -1) object = this.foreignBase(entry);
      else at = base;
    }
    return this.unwind(chain, object);
  }

  /** Type and size of the object at `offset`, reading headers only. */
  info(offset: number): ObjectInfo {
    let entry = this.entryAt(offset);
    const first = PLAIN_TYPES[entry.kind];
    if (first !== undefined) return { type: first, size: entry.size };
    const size = deltaSizes(this.inflateHead(entry)).result;
    for (let depth = 0; depth <= MAX_CHAIN; depth += 1) {
      const type = PLAIN_TYPES[entry.kind];
      if (type !== undefined) return { type, size };
      const base = this.baseOffset(entry);
      if (base === -1) return { type: this.foreignBase(entry).type, size };
      entry = this.entryAt(base);
    }
    throw new CorruptObjectError('delta chain');
  }

  /** The stored bytes of the object at `offset`, or null when it is a delta. */
  extent(offset: number): StoredExtent | null {
    const entry = this.entryAt(offset);
    if (PLAIN_TYPES[entry.kind] === undefined) return null;
    return { path: this.path, start: entry.dataOffset, end: this.end, size: entry.size };
  }

  private unwind(chain: Entry[], base: GitObject): GitObject {
    let object = base;
    for (let i = chain.length - 1; i >= 0; i -= 1) {
      const entry = chain[i] as Entry;
      const delta = this.inflate(entry);
      const { result } = deltaSizes(delta);
      if (result > MAX_MATERIALISED_BYTES) throw new ObjectTooLargeError(result);
      object = { type: object.type, data: applyDelta(object.data, delta) };
      if (i > 0) this.remember(entry.offset, object);
    }
    return object;
  }

  private entryAt(offset: number): Entry {
    const end = this.verifiedEnd();
    if (offset < 12 || offset >= end) throw new CorruptObjectError('pack offset');
    const window = this.pool.read(this.path, offset, Math.min(WINDOW_BYTES, end - offset));
    let at = 0;
    let byte = window[at++] as number;
    const kind = (byte >> 4) & 7;
    let size = byte & 15;
    for (let scale = 16; byte >= 0x80; scale *= 128) {
      if (at >= window.length || at > 9) throw new CorruptObjectError('pack entry header');
      byte = window[at++] as number;
      size += (byte & 0x7f) * scale;
    }
    let base: number | Buffer | null = null;
    if (kind === OFS_DELTA) {
      const distance = readDistance(window, at);
      base = offset - distance.value;
      at = distance.next;
      if (base < 12 || base >= offset) throw new CorruptObjectError('delta base offset');
    } else if (kind === REF_DELTA) {
      base = window.subarray(at, at + 20);
      at += 20;
    } else if (PLAIN_TYPES[kind] === undefined) {
      throw new CorruptObjectError('pack entry type');
    }
    return { offset, kind, size, dataOffset: offset + at, window: window.subarray(at), base };
  }

  private inflate(entry: Entry): Buffer {
    const available = this.end - entry.dataOffset;
    assertPlausibleSize(entry.size, available);
    let wanted = Math.min(available, deflateBound(entry.size));
    let input = entry.window;
    for (;;) {
      if (input.length < wanted) input = this.pool.read(this.path, entry.dataOffset, wanted);
      const output = inflateExact(input, entry.size);
      if (output !== null) return output;
      // A legal encoder may waste space (flushes, stored blocks): offer more until the pack itself ends.
      if (wanted >= available) throw new CorruptObjectError('pack entry ends early');
      wanted = Math.min(available, wanted * 4);
    }
  }

  private inflateHead(entry: Entry): Buffer {
    const head = inflatePrefix(entry.window.subarray(0, 1024), 64);
    return head.length >= Math.min(20, entry.size) ? head : this.inflate(entry);
  }

  private baseOffset(entry: Entry): number {
    return typeof entry.base === 'number' ? entry.base : this.index.find(entry.base as Buffer);
  }

  private foreignBase(entry: Entry): GitObject {
    const object = this.others.find((entry.base as Buffer).toString('hex'));
    if (object === null) throw new CorruptObjectError('delta base is missing');
    return object;
  }

  /** End of the entries, after checking once that header, length and checksum belong to this index. */
  private verifiedEnd(): number {
    if (this.end >= 0) return this.end;
    const size = this.pool.size(this.path);
    const header = this.pool.read(this.path, 0, 12);
    if (size < 12 + TRAILER_BYTES || header.toString('latin1', 0, 4) !== 'PACK') {
      throw new CorruptObjectError('pack header');
    }
    const version = header.readUInt32BE(4);
    if (version !== 2 && version !== 3) throw new CorruptObjectError('pack version');
    if (header.readUInt32BE(8) !== this.index.count) throw new CorruptObjectError('pack object count');
    const trailer = this.pool.read(this.path, size - TRAILER_BYTES, TRAILER_BYTES);
    if (!trailer.equals(this.index.packChecksum)) throw new CorruptObjectError('pack checksum');
    this.end = size - TRAILER_BYTES;
    return this.end;
  }

  private remember(offset: number, object: GitObject): void {
    if (object.data.length <= MAX_CACHED_OBJECT_BYTES) this.bases.set(this.key(offset), object);
  }

  private key(offset: number): string {
    return `${this.path}:${offset}`;
  }
}

/** The distance of an OFS_DELTA: 7 bits a byte, most significant first, with the offset git adds per byte. */
function readDistance(window: Buffer, start: number): { value: number; next: number } {
  let at = start;
  let byte = window[at++] ?? 0;
  let value = byte & 0x7f;
  while (byte >= 0x80) {
    if (at >= window.length || at - start > 8) throw new CorruptObjectError('delta base offset');
    byte = window[at++] as number;
    value = (value + 1) * 128 + (byte & 0x7f);
  }
  return { value, next: at };
}
