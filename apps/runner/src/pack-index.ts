import { open } from 'node:fs/promises';

const HEADER = 8;
const FANOUT = 256 * 4;
const OID = 20;
const BIG_OFFSET = 0x80000000;

/** The object ids of one pack index (version 2), split by where they lie in the pack. */
export class PackIndex {
  readonly count: number;
  private readonly bytes: Buffer;
  private readonly boundary: number;

  private constructor(bytes: Buffer, sentObjects: number) {
    if (bytes.readUInt32BE(0) !== 0xff744f63 || bytes.readUInt32BE(4) !== 2) throw new Error('Not a pack index v2');
    this.bytes = bytes;
    this.count = bytes.readUInt32BE(HEADER + 255 * 4);
    const offsets = new Float64Array(this.count);
    for (let at = 0; at < this.count; at += 1) offsets[at] = this.offset(at);
    offsets.sort();
    this.boundary = offsets[Math.min(sentObjects, this.count) - 1] ?? -1;
  }

  /** `sentObjects`: how many objects the pack's sender put into it; git appends bases of thin packs behind them. */
  static async read(path: string, sentObjects: number): Promise<PackIndex> {
    const file = await open(path, 'r');
    try {
      return new PackIndex(await file.readFile(), sentObjects);
    } finally {
      await file.close();
    }
  }

  /** Whether the sender itself put this object into the pack. */
  wasSent(oid: string): boolean {
    const wanted = Buffer.from(oid, 'hex');
    for (let at = this.lowerBound(wanted); at < this.count; at += 1) {
      if (this.compare(at, wanted) !== 0) return false;
      if (this.offset(at) <= this.boundary) return true;
    }
    return false;
  }

  /** The bases git added from the repository. */
  *appended(): Generator<string> {
    for (let at = 0; at < this.count; at += 1) {
      if (this.offset(at) > this.boundary) yield this.bytes.toString('hex', this.oidAt(at), this.oidAt(at) + OID);
    }
  }

  private lowerBound(wanted: Buffer): number {
    const first = wanted[0] ?? 0;
    let low = first === 0 ? 0 : this.bytes.readUInt32BE(HEADER + (first - 1) * 4);
    let high = this.bytes.readUInt32BE(HEADER + first * 4);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(middle, wanted) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private compare(at: number, wanted: Buffer): number {
    return this.bytes.compare(wanted, 0, OID, this.oidAt(at), this.oidAt(at) + OID);
  }

  private oidAt(at: number): number {
    return HEADER + FANOUT + at * OID;
  }

  private offset(at: number): number {
    const offsets = HEADER + FANOUT + this.count * (OID + 4);
    const small = this.bytes.readUInt32BE(offsets + at * 4);
    if (small < BIG_OFFSET) return small;
    return Number(this.bytes.readBigUInt64BE(offsets + this.count * 4 + (small - BIG_OFFSET) * 8));
  }
}
