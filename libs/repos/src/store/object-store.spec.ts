import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PackWriter } from './pack-writer.js';
import { StoreCache } from './store-cache.js';
import { git, gitText, Random, scratchFolder } from './testing/git.js';
import { createSampleRepository, objectsByGit } from './testing/sample-repository.js';
import { EMPTY_TREE } from './oid.js';

const scratch = scratchFolder('object-store');
const original = join(scratch.path, 'original.git');
let copies = 0;
let stores: StoreCache;

beforeAll(() => {
  stores = new StoreCache();
  createSampleRepository(original, new Random(), 60);
});
afterAll(() => {
  stores.close();
  scratch.remove();
});

function copy(): string {
  const dir = join(scratch.path, `copy-${copies++}.git`);
  cpSync(original, dir, { recursive: true });
  return dir;
}

function packs(dir: string): string[] {
  const folder = join(dir, 'objects/pack');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.pack'))
    .map((name) => join(folder, name));
}

/** Compares every object and header the store gives with what git gives. */
function expectEqualToGit(dir: string): void {
  const store = stores.open(dir);
  const expected = objectsByGit(dir);
  expect(expected.size).toBeGreaterThan(500);
  const wrong: string[] = [];
  for (const [oid, { type, data }] of expected) {
    const info = store.info(oid);
    const object = store.find(oid);
    const same = object?.type === type && object.data.equals(data) && info?.type === type && info.size === data.length;
    if (!same) wrong.push(oid);
  }
  expect(wrong).toEqual([]);
}

/** Moves all packs aside and feeds them back through `args`, so that the repository is stored another way. */
function reingest(dir: string, ingest: (pack: Buffer) => void, packObjectsArgs: string[] = []): void {
  const list = gitText(dir, ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)']);
  const pack = git(
    dir,
    [...packObjectsArgs, 'pack-objects', '-q', '--stdout', '--window=20', '--depth=50'],
    `${list}\n`,
  );
  for (const path of packs(dir)) {
    for (const ending of ['.pack', '.idx', '.rev']) rmSync(path.replace(/\.pack$/, ending), { force: true });
  }
  ingest(pack);
}

describe('reading objects', () => {
  it('reads packs with deep offset-delta chains like git', () => {
    const dir = copy();
    git(dir, ['repack', '-adfq', '--depth=50', '--window=50']);
    const chains = gitText(dir, ['verify-pack', '-v', ...packs(dir)]);
    expect(chains).toMatch(/chain length = \d\d: /);
    expectEqualToGit(dir);
  });

  it('reads packs whose deltas name their base by id like git', () => {
    const dir = copy();
    git(dir, ['-c', 'repack.useDeltaBaseOffset=false', 'repack', '-adfq', '--depth=50']);
    expectEqualToGit(dir);
  });

  it('reads indexes with 64-bit offsets like git', () => {
    const dir = copy();
    reingest(dir, (pack) => {
      const path = join(dir, 'objects/pack/pack-large.pack');
      writeFileSync(path, pack);
      git(dir, ['index-pack', '--index-version=2,0x100', path]);
      expect(readFileSync(path.replace('.pack', '.idx')).length).toBeGreaterThan(1072 + 28 * 500 + 8 * 400);
    });
    expectEqualToGit(dir);
  });

  it('reads loose objects like git', () => {
    const dir = copy();
    reingest(dir, (pack) => void git(dir, ['unpack-objects', '-q'], pack));
    expect(packs(dir)).toEqual([]);
    expectEqualToGit(dir);
  });

  it('reads a repository of 200 packs, a few loose objects and an alternate like git', () => {
    const dir = copy();
    const child = join(scratch.path, 'child.git');
    git(child, ['init', '-q', '--bare', child]);
    writeFileSync(join(child, 'objects/info/alternates'), `${join(dir, 'objects')}\n`);
    const held = stores.open(child);
    for (let i = 0; i < 200; i += 1) {
      const pack = new PackWriter(held.objectsDir, held);
      pack.add('blob', Buffer.from(`blob ${i}`));
      pack.write();
      if (i % 50 === 0) git(child, ['hash-object', '-w', '--stdin'], `loose ${i}`);
    }
    expect(packs(child)).toHaveLength(200);
    expectEqualToGit(child);
  });

  it('reads packs whose objects are stored uncompressed', () => {
    const dir = copy();
    git(dir, ['-c', 'pack.compression=0', 'repack', '-adFq']);
    expectEqualToGit(dir);
  });

  it('notices packs and loose objects that appear after the store was opened', () => {
    const dir = copy();
    const store = stores.open(dir);
    for (let i = 0; i < 20; i += 1) {
      const oid = gitText(dir, ['hash-object', '--stdin', '-t', 'blob'], `late ${i}`);
      expect(store.find(oid)).toBeNull();
      expect(gitText(dir, ['hash-object', '-w', '--stdin'], `late ${i}`)).toBe(oid);
      if (i % 2 === 0) git(dir, ['repack', '-dq', '--geometric=2']);
      if (i % 2 === 0) git(dir, ['pack-objects', '-q', join(dir, 'objects/pack/pack')], `${oid}\n`);
      git(dir, ['prune-packed', '-q']);
      expect(store.find(oid)?.data.toString()).toBe(`late ${i}`);
    }
  });

  it('keeps reading while every pack is replaced', () => {
    const dir = copy();
    const store = stores.open(dir);
    const oids = [...objectsByGit(dir).keys()];
    for (let i = 0; i < 5; i += 1) {
      git(dir, ['repack', '-adfq', `--depth=${5 + i}`, `--window=${5 + i}`]);
      // Blobs are never cached by the store, so each of these reads the new packs.
      for (let at = i; at < oids.length; at += 7) expect(store.find(oids[at] as string)).not.toBeNull();
    }
  });

  it('knows the empty tree and nothing that is not stored', () => {
    const store = stores.open(original);
    expect(store.find(EMPTY_TREE)).toEqual({ type: 'tree', data: Buffer.alloc(0) });
    expect(store.find('12'.repeat(20))).toBeNull();
    expect(store.info('12'.repeat(20))).toBeNull();
    expect(store.find('HEAD')).toBeNull();
  });

  it('resolves abbreviations like git', () => {
    const dir = copy();
    const store = stores.open(dir);
    const oids = [...objectsByGit(dir).keys()];
    for (let length = 4; length <= 9; length += 1) {
      for (let at = length; at < oids.length; at += 31) {
        const prefix = (oids[at] as string).slice(0, length);
        const matching = oids.filter((oid) => oid.startsWith(prefix));
        expect(store.resolvePrefix(prefix)).toBe(matching.length === 1 ? matching[0] : 'ambiguous');
      }
    }
    const absent = Array.from({ length: 0x10000 }, (_, i) => i.toString(16).padStart(4, '0')).find(
      (prefix) => !oids.some((oid) => oid.startsWith(prefix)),
    );
    expect(store.resolvePrefix(absent as string)).toBeNull();
  });

  it('does not see a deleted repository, nor its objects in one created at the same place', () => {
    const dir = copy();
    const head = gitText(dir, ['rev-parse', 'main']);
    expect(stores.open(dir).find(head)?.type).toBe('commit');
    rmSync(dir, { recursive: true });
    expect(() => stores.open(dir)).toThrow('Repository not found');
    mkdirSync(dir);
    git(dir, ['init', '-q', '--bare', dir]);
    expect(stores.open(dir).find(head)).toBeNull();
    rmSync(dir, { recursive: true });
    renameSync(copy(), dir);
    expect(stores.open(dir).find(head)?.type).toBe('commit');
  });

  it('keeps the number of open files bounded over many packs and repositories', () => {
    const small = new StoreCache({ stores: 3, files: 8, objectBytes: 1 << 20, baseBytes: 1 << 20 });
    const dirs = [copy(), copy(), copy(), copy(), copy()];
    for (let i = 0; i < 20; i += 1) {
      const dir = dirs[i % dirs.length] as string;
      const blob = gitText(dir, ['hash-object', '-w', '--stdin'], `file ${i}`);
      git(dir, ['pack-objects', '-q', join(dir, 'objects/pack/pack')], `${blob}\n`);
      git(dir, ['prune-packed', '-q']);
      expect(small.open(dir).find(blob)?.data.toString()).toBe(`file ${i}`);
      expect(small.openFiles).toBeLessThanOrEqual(8);
    }
    small.close();
    expect(small.openFiles).toBe(0);
  });
});
