import { afterAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FilePool } from './file-pool.js';
import { PackIndex, serialiseIndex } from './pack-index.js';
import { Random, scratchFolder } from './testing/git.js';

const scratch = scratchFolder('pack-index');
const files = new FilePool(4);
afterAll(() => {
  files.closeAll();
  scratch.remove();
});

function indexOf(name: string, entries: { oid: Buffer; crc: number; offset: number }[]): PackIndex {
  const path = join(scratch.path, name);
  writeFileSync(path, serialiseIndex(entries, Buffer.alloc(20, 7)));
  return PackIndex.open(path, files);
}

describe('pack indexes', () => {
  it('finds every entry and nothing else, offsets beyond 4 GB included', () => {
    const random = new Random();
    const offset = (i: number): number => (i % 3 === 0 ? 2 ** 31 + i : i % 3 === 1 ? 2 ** 40 + i : 12 + i);
    const entries = Array.from({ length: 3000 }, (_, i) => ({ oid: random.bytes(20), crc: i, offset: offset(i) }));
    const index = indexOf('large.idx', entries);
    expect(index.count).toBe(3000);
    expect(index.packChecksum).toEqual(Buffer.alloc(20, 7));
    for (const { oid, offset: expected } of entries) expect(index.find(oid)).toBe(expected);
    for (let i = 0; i < 300; i += 1) expect(index.find(random.bytes(20))).toBe(-1);
  });

  it('answers the same for an index too large to be kept in memory', () => {
    const random = new Random();
    const count = 160_000;
    const oid = (i: number): Buffer => {
      const bytes = Buffer.alloc(20, i & 0xff);
      bytes.writeUInt32BE(Math.imul(i + 1, 0x9e3779b1) >>> 0, 0);
      bytes.writeUInt32BE(i, 4);
      return bytes;
    };
    const index = indexOf(
      'huge.idx',
      Array.from({ length: count }, (_, i) => ({ oid: oid(i), crc: 0, offset: 12 + i })),
    );
    for (let i = 0; i < 500; i += 1) {
      const at = random.below(count);
      expect(index.find(oid(at))).toBe(12 + at);
      expect(index.matches(oid(at).toString('hex'), 2)).toEqual([oid(at).toString('hex')]);
      expect(index.find(random.bytes(20))).toBe(-1);
    }
  });

  it('handles an index of nothing', () => {
    const index = indexOf('empty.idx', []);
    expect(index.count).toBe(0);
    expect(index.find(Buffer.alloc(20))).toBe(-1);
    expect(index.matches('0000', 2)).toEqual([]);
  });
});
