import { describe, expect, it } from '@jest/globals';
import { applyDelta } from './delta.js';

const BASE = Buffer.from('0123456789');

describe('deltas', () => {
  it('copies and inserts', () => {
    // Copy 3 bytes from 2, insert "ab", copy 1 byte from 9.
    const delta = Buffer.from([10, 6, 0x91, 2, 3, 2, 0x61, 0x62, 0x91, 9, 1]);
    expect(applyDelta(BASE, delta).toString()).toBe('234ab9');
  });

  it('takes an absent copy size for 65,536 bytes', () => {
    const base = Buffer.alloc(70_000, 'x');
    const delta = Buffer.from([0xf0, 0xa2, 0x04, 0x80, 0x80, 0x04, 0x80]);
    expect(applyDelta(base, delta)).toEqual(base.subarray(0, 65_536));
  });

  it.each([
    ['a base of another size', [11, 3, 0x91, 0, 3]],
    ['a copy beyond the base', [10, 3, 0x91, 8, 3]],
    ['a copy beyond the result', [10, 3, 0x91, 0, 4]],
    ['an insert beyond the result', [10, 1, 2, 0x61, 0x62]],
    ['an insert that ends early', [10, 3, 3, 0x61]],
    ['a copy that ends early', [10, 3, 0x91, 0]],
    ['the reserved instruction', [10, 1, 0]],
    ['a result shorter than announced', [10, 5, 1, 0x61]],
    ['a header that never ends', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]],
    ['nothing at all', []],
  ])('refuses %s', (_, bytes) => {
    expect(() => applyDelta(BASE, Buffer.from(bytes))).toThrow('Stored object is corrupt');
  });
});
