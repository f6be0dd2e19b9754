import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

export const PACK_TYPE = { commit: 1, tree: 2, blob: 3, ofsDelta: 6, refDelta: 7 } as const;

export interface PackEntry {
  readonly type: number;
  /** The size the entry claims; need not be true. */
  readonly size: number;
  /** What stands between header and data: a base's id or offset. */
  readonly base?: Buffer;
  readonly data: Buffer;
}

/** A pack as its sender likes it, with a correct checksum. */
export function handMadePack(entries: readonly PackEntry[]): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  header.writeUInt32BE(entries.length, 8);
  const parts = entries.map(({ type, size, base = Buffer.alloc(0), data }) =>
    Buffer.concat([entryHeader(type, size), base, deflateSync(data)]),
  );
  const body = Buffer.concat([header, ...parts]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

/** A delta that claims to make `targetSize` bytes out of `sourceSize` by the given instructions. */
export function delta(sourceSize: number, targetSize: number, instructions: Buffer): Buffer {
  return Buffer.concat([varint(sourceSize), varint(targetSize), instructions]);
}

/** The instruction that copies `size` bytes (at most 0xffffff) from offset 0 of the base. */
export function copyFromStart(size: number): Buffer {
  return Buffer.from([0xf0, size & 0xff, (size >> 8) & 0xff, (size >> 16) & 0xff]);
}

/** The distance back to an offset delta's base. */
export function offsetBack(distance: number): Buffer {
  const bytes = [distance & 0x7f];
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1;
    bytes.unshift(0x80 | (rest & 0x7f));
  }
  return Buffer.from(bytes);
}

export function blobId(data: Buffer): string {
  return createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex');
}

function entryHeader(type: number, size: number): Buffer {
  const bytes = [];
  let rest = Math.floor(size / 16);
  bytes.push((rest > 0 ? 0x80 : 0) | (type << 4) | (size & 15));
  while (rest > 0) {
    const next = Math.floor(rest / 128);
    bytes.push((next > 0 ? 0x80 : 0) | (rest & 0x7f));
    rest = next;
  }
  return Buffer.from(bytes);
}

function varint(value: number): Buffer {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    const more = rest >= 128;
    bytes.push((more ? 0x80 : 0) | (rest % 128));
    if (!more) return Buffer.from(bytes);
  }
}
