import { hash } from 'node:crypto';
import { CorruptObjectError } from './git-object.js';
import type { FilePool } from './file-pool.js';

const MAGIC = 0xff744f63;
const HEADER_BYTES = 8;
const FANOUT_BYTES = 1024;
const NAMES_AT = HEADER_BYTES + FANOUT_BYTES;
const TRAILER_BYTES = 40;
const SMALL_OFFSET_LIMIT = 0x80000000;
/** Indexes up to this size are kept in memory; of larger ones only the fan-out table is. */
const WHOLE_BYTES = 4 * 1024 * 1024;

/** A pack's `.idx` (version 2): object id → offset in the pack. */
export class PackIndex {
  private constructor(
    private readonly path: string,
    private readonly pool: FilePool,
    private readonly whole: Buffer | null,
    private readonly size: number,
    private readonly fanout: Uint32Array,
  ) {}

  /** Throws CorruptObjectError for anything that is not a well-formed version 2 index, VanishedFileError if gone. */
  static open(path: string, pool: FilePool): PackIndex {
    const size = pool.size(path);
    const whole = size <= WHOLE_BYTES ? pool.read(path, 0, size) : null;
    if (whole !== null) pool.close(path);
    const head = whole ?? pool.read(path, 0, NAMES_AT);
    if (head.length < NAMES_AT || head.readUInt32BE(0) !== MAGIC || head.readUInt32BE(4) !== 2) {
      throw new CorruptObjectError('pack index header');
    }
    const fanout = new Uint32Array(256);
    let previous = 0;
    for (let i = 0; i < 256; i += 1) {
      const value = head.readUInt32BE(HEADER_BYTES + i * 4);
      if (value < previous) throw new CorruptObjectError('pack index fan-out');
      previous = fanout[i] = value;
    }
    const largeBytes = size - (NAMES_AT + previous * 28 + TRAILER_BYTES);
    if (largeBytes < 0 || largeBytes % 8 !== 0 || largeBytes > previous * 8) {
      throw new CorruptObjectError('pack index size');
    }
    return new PackIndex(path, pool, whole, size, fanout);
  }

  get count(): number {
    return this.fanout[255] as number;
  }

  /** The checksum the pack itself must end with. */
  get packChecksum(): Buffer {
    return this.bytes(this.size - TRAILER_BYTES, 20);
  }

  /** Offset of the object in the pack, or -1. */
  find(oid: Buffer): number {
    const first = oid[0] as number;
    let low = first === 0 ? 0 : (this.fanout[first - 1] as number);
    let high = this.fanout[first] as number;
    if (low === high) return -1;
    const { buffer, base } = this.names(low, high);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = base + middle * 20;
      const order = buffer.compare(oid, 0, 20, at, at + 20);
      if (order === 0) return this.offsetAt(middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  /** Object ids that begin with `prefix` (hex), at most `limit` of them. */
  matches(prefix: string, limit: number): string[] {
    const from = Buffer.from(prefix.padEnd(40, '0'), 'hex');
    const first = from[0] as number;
    const start = first === 0 ? 0 : (this.fanout[first - 1] as number);
    const end = this.fanout[first] as number;
    const { buffer, base } = this.names(start, end);
    let low = start;
    for (let high = end; low < high;) {
      const middle = (low + high) >>> 1;
      const at = base + middle * 20;
      if (buffer.compare(from, 0, 20, at, at + 20) < 0) low = middle + 1;
      else high = middle;
    }
    const found: string[] = [];
    for (let i = low; i < end && found.length < limit; i += 1) {
      const oid = buffer.toString('hex', base + i * 20, base + i * 20 + 20);
      if (!oid.startsWith(prefix)) break;
      found.push(oid);
    }
    return found;
  }

  /** The `position`-th object id in index order, as hex. */
  oidAt(position: number): string {
    return this.bytes(NAMES_AT + position * 20, 20).toString('hex');
  }

  offsetAt(position: number): number {
    const offset = this.bytes(NAMES_AT + this.count * 24 + position * 4, 4).readUInt32BE(0);
    if (offset < SMALL_OFFSET_LIMIT) return offset;
    const at = NAMES_AT + this.count * 28 + (offset - SMALL_OFFSET_LIMIT) * 8;
    if (at + 8 > this.size - TRAILER_BYTES) throw new CorruptObjectError('pack index 64-bit offset');
    const large = this.bytes(at, 8).readBigUInt64BE(0);
    if (large > BigInt(Number.MAX_SAFE_INTEGER)) throw new CorruptObjectError('pack index 64-bit offset');
    return Number(large);
  }

  /** A buffer holding the names [low, high), and where name 0 would lie in it. */
  private names(low: number, high: number): { buffer: Buffer; base: number } {
    if (this.whole !== null) return { buffer: this.whole, base: NAMES_AT };
    return { buffer: this.bytes(NAMES_AT + low * 20, (high - low) * 20), base: -low * 20 };
  }

  private bytes(at: number, length: number): Buffer {
    const bytes = this.whole?.subarray(at, at + length) ?? this.pool.read(this.path, at, length);
    if (bytes.length !== length) throw new CorruptObjectError('pack index is truncated');
    return bytes;
  }
}

export interface IndexedEntry {
  readonly oid: Buffer;
  readonly crc: number;
  readonly offset: number;
}

/** Serialises a version 2 index for the pack whose trailing checksum is `packChecksum`. */
export function serialiseIndex(entries: readonly IndexedEntry[], packChecksum: Buffer): Buffer {
  const sorted = [...entries].sort((a, b) => Buffer.compare(a.oid, b.oid));
  const large = sorted.filter((entry) => entry.offset >= SMALL_OFFSET_LIMIT).length;
  const out = Buffer.alloc(NAMES_AT + sorted.length * 28 + large * 8 + TRAILER_BYTES);
  out.writeUInt32BE(MAGIC, 0);
  out.writeUInt32BE(2, 4);
  const crcs = NAMES_AT + sorted.length * 20;
  const offsets = crcs + sorted.length * 4;
  let largeAt = offsets + sorted.length * 4;
  let largeCount = 0;
  const counts = new Uint32Array(256);
  sorted.forEach((entry, i) => {
    counts[entry.oid[0] as number] = (counts[entry.oid[0] as number] as number) + 1;
    entry.oid.copy(out, NAMES_AT + i * 20);
    out.writeUInt32BE(entry.crc, crcs + i * 4);
    if (entry.offset < SMALL_OFFSET_LIMIT) {
      out.writeUInt32BE(entry.offset, offsets + i * 4);
    } else {
      out.writeUInt32BE(SMALL_OFFSET_LIMIT + largeCount++, offsets + i * 4);
      largeAt = out.writeBigUInt64BE(BigInt(entry.offset), largeAt);
    }
  });
  let total = 0;
  for (let i = 0; i < 256; i += 1) out.writeUInt32BE((total += counts[i] as number), HEADER_BYTES + i * 4);
  packChecksum.copy(out, out.length - TRAILER_BYTES);
  hash('sha1', out.subarray(0, out.length - 20), 'buffer').copy(out, out.length - 20);
  return out;
}
