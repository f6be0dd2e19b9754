import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '#kernel';
import { StoreCache } from './store-cache.js';
import { git, gitText, Random, rounds, scratchFolder } from './testing/git.js';
import { objectsByGit } from './testing/sample-repository.js';

const scratch = scratchFolder('store-corruption');
const packed = join(scratch.path, 'packed.git');
const loose = join(scratch.path, 'loose.git');
let random: Random;
let expected: Map<string, { type: string; data: Buffer }>;

beforeAll(() => {
  random = new Random();
  mkdirSync(loose);
  git(loose, ['init', '-q', '--bare', '-b', 'main', loose]);
  const stream: string[] = [];
  let text = Array.from({ length: 200 }, (_, i) => `line ${i} ${random.below(1e9)}`);
  for (let i = 1; i <= 12; i += 1) {
    text = text.map((line) => (random.below(20) === 0 ? `${line}.` : line));
    const content = text.join('\n');
    stream.push(`commit refs/heads/main\nmark :${i}\ncommitter T <t@e> ${i} +0000\ndata 2\nm\n`);
    if (i > 1) stream.push(`from :${i - 1}\n`);
    stream.push(`M 644 inline dir/file.txt\ndata ${Buffer.byteLength(content)}\n${content}\n`);
  }
  git(loose, ['-c', 'fastimport.unpackLimit=1000', 'fast-import', '--quiet'], stream.join(''));
  cpSync(loose, packed, { recursive: true });
  git(packed, ['repack', '-adfq', '--depth=10']);
  expected = objectsByGit(loose);
});
afterAll(() => scratch.remove());

/** Reads everything after `damage`: each object must come back right, be reported missing or damaged; never wrong. */
function expectNoWrongAnswer(from: string, damage: (dir: string) => void): { damaged: number; right: number } {
  const dir = join(scratch.path, 'damaged.git');
  rmSync(dir, { recursive: true, force: true });
  cpSync(from, dir, { recursive: true });
  damage(dir);
  const stores = new StoreCache();
  const store = stores.open(dir);
  const outcome = { damaged: 0, right: 0 };
  for (const [oid, { type, data }] of expected) {
    try {
      const object = store.find(oid);
      if (object === null) outcome.damaged += 1;
      else {
        expect({ oid, type: object.type, same: object.data.equals(data) }).toEqual({ oid, type, same: true });
        outcome.right += 1;
      }
      store.info(oid);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      expect(error.code).toMatch(/^(internal|payload_too_large)$/);
      outcome.damaged += 1;
    }
  }
  stores.close();
  return outcome;
}

function onlyFile(dir: string, ending: string): string {
  const folder = join(dir, 'objects/pack');
  const [name] = readdirSync(folder).filter((entry) => entry.endsWith(ending));
  const path = join(folder, name as string);
  chmodSync(path, 0o644);
  return path;
}

function looseFiles(dir: string): string[] {
  const folders = readdirSync(join(dir, 'objects')).filter((name) => /^[0-9a-f]{2}$/.test(name));
  return folders.flatMap((folder) => {
    return readdirSync(join(dir, 'objects', folder)).map((name) => join(dir, 'objects', folder, name));
  });
}

function flipBits(path: string, flips: number): void {
  chmodSync(path, 0o644);
  const bytes = readFileSync(path);
  for (let i = 0; i < flips; i += 1) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  }
  writeFileSync(path, bytes);
}

describe('damaged storage', () => {
  it('reads everything while nothing is damaged', () => {
    expect(expectNoWrongAnswer(packed, () => undefined)).toEqual({ damaged: 0, right: expected.size });
    expect(expectNoWrongAnswer(loose, () => undefined)).toEqual({ damaged: 0, right: expected.size });
  });

  it('never gives a wrong object from a pack with flipped bits', () => {
    for (let i = 0; i < rounds(60); i += 1) {
      expectNoWrongAnswer(packed, (dir) => flipBits(onlyFile(dir, '.pack'), 1 + random.below(4)));
    }
  });

  it('never gives a wrong object from an index with flipped bits', () => {
    for (let i = 0; i < rounds(60); i += 1) {
      expectNoWrongAnswer(packed, (dir) => flipBits(onlyFile(dir, '.idx'), 1 + random.below(4)));
    }
  });

  it('never gives a wrong object from loose files with flipped bits', () => {
    for (let i = 0; i < rounds(15); i += 1) {
      const { damaged } = expectNoWrongAnswer(loose, (dir) => looseFiles(dir).forEach((path) => flipBits(path, 1)));
      expect(damaged).toBeGreaterThan(0);
    }
  });

  it.each(['.pack', '.idx'])('refuses a truncated %s file instead of guessing', (ending) => {
    for (let i = 0; i < rounds(20); i += 1) {
      const { right } = expectNoWrongAnswer(packed, (dir) => {
        const path = onlyFile(dir, ending);
        truncateSync(path, random.below(readFileSync(path).length));
      });
      expect(right).toBe(0);
    }
  });

  it('refuses truncated loose files', () => {
    const { right } = expectNoWrongAnswer(loose, (dir) => {
      for (const path of looseFiles(dir)) {
        chmodSync(path, 0o644);
        truncateSync(path, random.below(readFileSync(path).length - 5));
      }
    });
    expect(right).toBe(0);
  });

  it('reads another copy of an object when one is damaged', () => {
    const outcome = expectNoWrongAnswer(loose, (dir) => {
      git(dir, ['repack', '-aq']);
      truncateSync(onlyFile(dir, '.pack'), 40);
    });
    expect(outcome).toEqual({ damaged: 0, right: expected.size });
  });

  it('reports damage rather than absence when the pack that would know is unreadable', () => {
    const dir = join(scratch.path, 'hole.git');
    cpSync(packed, dir, { recursive: true });
    truncateSync(onlyFile(dir, '.idx'), 100);
    const stores = new StoreCache();
    const head = gitText(loose, ['rev-parse', 'main']);
    expect(() => stores.open(dir).find(head)).toThrow('Stored object is corrupt');
    stores.close();
  });

  it('does not allocate what a lying header claims', () => {
    const { right } = expectNoWrongAnswer(packed, (dir) => {
      const path = onlyFile(dir, '.pack');
      const bytes = readFileSync(path);
      // The first entry now claims a size of many terabytes.
      bytes.fill(0xff, 13, 18);
      writeFileSync(path, bytes);
    });
    expect(right).toBeLessThan(expected.size);
  });
});
