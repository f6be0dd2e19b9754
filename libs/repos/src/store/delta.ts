import { CorruptObjectError } from './git-object.js';

interface Varint {
  readonly value: number;
  readonly next: number;
}

/** The size header at `at`: 7 bits a byte, least significant first. */
function readSize(delta: Buffer, at: number): Varint {
  let value = 0;
  let scale = 1;
  for (let next = at; next < delta.length && next < at + 8; next += 1) {
    const byte = delta[next] as number;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) return { value, next: next + 1 };
  }
  throw new CorruptObjectError('delta header');
}

/** Sizes of the base and of the result, read from the first bytes of a delta (20 are always enough). */
export function deltaSizes(delta: Buffer): { base: number; result: number; start: number } {
  const base = readSize(delta, 0);
  const result = readSize(delta, base.next);
  return { base: base.value, result: result.value, start: result.next };
}

/** The object a delta describes against `base`. Throws CorruptObjectError rather than read or write out of bounds. */
export function applyDelta(base: Buffer, delta: Buffer): Buffer {
  const sizes = deltaSizes(delta);
  if (sizes.base !== base.length) throw new CorruptObjectError('delta base size');
  const out = sizes.result > 65_536 ? Buffer.allocUnsafeSlow(sizes.result) : Buffer.allocUnsafe(sizes.result);
  let written = 0;
  let at = sizes.start;
  while (at < delta.length) {
    const op = delta[at++] as number;
    if (op >= 0x80) {
      const copy = readCopy(delta, at, op);
      const { from, size } = copy;
      at = copy.next;
      if (from + size > base.length || written + size > out.length) throw new CorruptObjectError('delta copy');
      written += base.copy(out, written, from, from + size);
    } else {
      const end = at + op;
      if (op === 0 || end > delta.length || written + op > out.length) throw new CorruptObjectError('delta insert');
      written += delta.copy(out, written, at, end);
      at = end;
    }
  }
  if (written !== out.length) throw new CorruptObjectError('delta result size');
  return out;
}

/** A copy instruction: each of the low seven bits of `op` says whether a byte of the offset (4) or size (3) follows. */
function readCopy(delta: Buffer, start: number, op: number): { from: number; size: number; next: number } {
  let next = start;
  let from = 0;
  for (let i = 0, scale = 1; i < 4; i += 1, scale *= 256) if (op & (1 << i)) from += byteAt(delta, next++) * scale;
  let size = 0;
  for (let i = 4; i < 7; i += 1) if (op & (1 << i)) size += byteAt(delta, next++) << ((i - 4) * 8);
  return { from, size: size === 0 ? 0x10000 : size, next };
}

function byteAt(delta: Buffer, at: number): number {
  const byte = delta[at];
  if (byte === undefined) throw new CorruptObjectError('delta ends early');
  return byte;
}
