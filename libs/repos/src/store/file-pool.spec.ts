import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FilePool, VanishedFileError } from './file-pool.js';
import { scratchFolder } from './testing/git.js';

const scratch = scratchFolder('file-pool');
const path = (i: number): string => join(scratch.path, `file-${i}`);
beforeAll(() => [0, 1, 2, 3].forEach((i) => writeFileSync(path(i), `content ${i}`)));
afterAll(() => scratch.remove());

describe('a pool of open files', () => {
  it('reads anywhere, and less than asked at the end', () => {
    const pool = new FilePool(2);
    expect(pool.read(path(1), 3, 4).toString()).toBe('tent');
    expect(pool.read(path(1), 5, 100).toString()).toBe('nt 1');
    expect(pool.read(path(1), 100, 5)).toHaveLength(0);
    expect(pool.size(path(1))).toBe(9);
    pool.closeAll();
  });

  it('keeps the files read last and opens the others again', () => {
    const pool = new FilePool(2);
    for (const i of [0, 1, 0, 2, 3, 0]) {
      expect(pool.read(path(i), 8, 1).toString()).toBe(String(i));
      expect(pool.openCount).toBeLessThanOrEqual(2);
    }
    pool.closeAll();
    expect(pool.openCount).toBe(0);
  });

  it('reads on from a file deleted while open, and says so once it had to open it', () => {
    const pool = new FilePool(2);
    expect(pool.read(path(3), 8, 1).toString()).toBe('3');
    rmSync(path(3));
    expect(pool.read(path(3), 8, 1).toString()).toBe('3');
    pool.close(path(3));
    expect(() => pool.read(path(3), 8, 1)).toThrow(VanishedFileError);
  });

  it('closes only what was idle', () => {
    const pool = new FilePool(4);
    pool.read(path(0), 0, 1);
    pool.closeIdle(60_000);
    expect(pool.openCount).toBe(1);
    pool.closeIdle(0);
    expect(pool.openCount).toBe(0);
  });
});
