import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { GitStore } from './git-store.js';
import { StorePool } from './store-pool.js';
import { git, gitText, Random, scratchFolder } from './testing/git.js';
import { createSampleRepository } from './testing/sample-repository.js';

const scratch = scratchFolder('git-store');
const dir = join(scratch.path, 'sample.git');
const crashes: string[] = [];
const pool = new StorePool({ workers: 2, onCrash: (operation, stack) => crashes.push(`${operation}: ${stack}`) });
const store = new GitStore(pool);
let head: string;

beforeAll(() => {
  createSampleRepository(dir, new Random(), 30);
  head = gitText(dir, ['rev-parse', 'main']);
});
afterAll(async () => {
  await pool.close();
  expect(crashes).toEqual([]);
  scratch.remove();
});

async function drain(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function blobAt(path: string): string {
  return gitText(dir, ['rev-parse', `main:${path}`]);
}

describe('repositories', () => {
  it('creates a bare repository git accepts, and creating it again changes nothing', async () => {
    const fresh = join(scratch.path, 'aa/bb/fresh.git');
    await store.init(fresh, 'trunk');
    expect(gitText(fresh, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/trunk');
    expect(gitText(fresh, ['rev-parse', '--is-bare-repository'])).toBe('true');
    expect(() => git(fresh, ['fsck', '--strict'])).not.toThrow();
    writeFileSync(join(fresh, 'HEAD'), 'ref: refs/heads/other\n');
    await store.init(fresh, 'trunk');
    expect(gitText(fresh, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/other');
  });

  it('answers not_found for a repository that is not there', async () => {
    await expect(store.readCommit(join(scratch.path, 'none.git'), head)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('commits', () => {
  it('reads what git shows of a commit', async () => {
    const commit = await store.readCommit(dir, head);
    const format = '%H%n%T%n%P%n%an%n%ae%n%at%n%cn%n%ct%n%B';
    const [sha, tree, parents, name, email, time, committer, committed, message] = gitText(dir, [
      ...['show', '-s', `--format=${format}`, head],
    ]).split('\n');
    expect(commit).toMatchObject({ sha, tree, parents: [parents], message: `${message}\n` });
    expect(commit.author).toEqual({ name, email, timestamp: Number(time), timezone: '+0200' });
    expect(commit.committer).toMatchObject({ name: committer, timestamp: Number(committed) });
    expect(name).toBe('Jürgen');
  });

  it('tells an unknown commit from an object of another type', async () => {
    const missing = store.readCommit(dir, '12'.repeat(20));
    await expect(missing).rejects.toMatchObject({ code: 'not_found', message: 'Commit not found' });
    const tree = store.readCommit(dir, gitText(dir, ['rev-parse', 'main^{tree}']));
    await expect(tree).rejects.toMatchObject({ code: 'invalid_input', message: 'Object is not a commit' });
  });

  it('pages through first-parent history exactly like git', async () => {
    const expected = gitText(dir, ['rev-list', '--first-parent', 'main']).split('\n');
    const seen: string[] = [];
    let page = await store.log(dir, head, { limit: 7 });
    for (;;) {
      seen.push(...page.commits.map((commit) => commit.sha));
      if (!page.hasMore) break;
      page = await store.log(dir, seen.at(-1) as string, { limit: 7, skipStart: true });
    }
    expect(seen).toEqual(expected);
    const root = expected.at(-1) as string;
    expect(await store.log(dir, root, { limit: 5, skipStart: true })).toEqual({ commits: [], hasMore: false });
  });

  it('refuses cursors that are unknown or no commits with the texts of the contract', async () => {
    const unknown = store.log(dir, '12'.repeat(20), { limit: 1, skipStart: true });
    await expect(unknown).rejects.toMatchObject({ code: 'invalid_input', message: 'Cursor commit not found' });
    const blob = store.log(dir, blobAt('run.sh'), { limit: 1, skipStart: true });
    await expect(blob).rejects.toMatchObject({ code: 'invalid_input', message: 'Cursor is not a commit' });
  });

  it('peels annotated tags, also a tag of a tag', async () => {
    const tag = gitText(dir, ['rev-parse', 'refs/tags/annotated']);
    git(dir, ['tag', '-a', '-m', 'again', 'twice', 'refs/tags/annotated']);
    const twice = gitText(dir, ['rev-parse', 'refs/tags/twice']);
    expect(await store.peel(dir, tag)).toEqual({ type: 'tag', peeled: head, peeledType: 'commit' });
    expect(await store.peel(dir, twice)).toEqual({ type: 'tag', peeled: head, peeledType: 'commit' });
    expect(await store.peel(dir, head)).toEqual({ type: 'commit', peeled: head, peeledType: 'commit' });
    expect(await store.peel(dir, '12'.repeat(20))).toBeNull();
    expect((await store.listTree(dir, twice, ''))?.treeSha).toBe(gitText(dir, ['rev-parse', 'main^{tree}']));
  });

  it('resolves abbreviations and refuses what is too short to be one', async () => {
    expect(await store.resolvePrefix(dir, head.slice(0, 12))).toBe(head);
    expect(await store.resolvePrefix(dir, head.slice(0, 12).toUpperCase())).toBe(head);
    expect(await store.resolvePrefix(dir, head.slice(0, 3))).toBeNull();
    expect(await store.resolvePrefix(dir, 'main')).toBeNull();
  });
});

describe('directories', () => {
  it('lists a directory like git ls-tree', async () => {
    const listing = await store.listTree(dir, head, 'sort');
    const lines = gitText(dir, ['ls-tree', 'main:sort']).split('\n');
    const shown = listing?.entries.map(({ mode, type, sha, name }) => {
      return `${mode.padStart(6, '0')} ${type === 'folder' ? 'tree' : 'blob'} ${sha}\t${name}`;
    });
    expect(shown).toEqual(lines);
    expect(listing?.treeSha).toBe(gitText(dir, ['rev-parse', 'main:sort']));
  });

  it('lists recursively in walk order with folders, like git ls-tree -r -t', async () => {
    const listing = await store.listTree(dir, head, '', { recursive: true });
    const expected = git(dir, ['ls-tree', '-r', '-t', '-z', '--name-only', 'main']).toString('utf8').split('\0');
    expect(listing?.entries.map((entry) => entry.path)).toEqual(expected.filter((path) => path !== ''));
    expect(listing?.truncated).toBe(false);
    expect(listing?.entries.find((entry) => entry.path === 'module')).toMatchObject({ type: 'file', mode: '160000' });
    expect(listing?.entries.find((entry) => entry.path === 'src')).toMatchObject({ type: 'folder', mode: '40000' });
  });

  it('cuts a listing at its cap and says so', async () => {
    const cut = await store.listTree(dir, head, 'flat', { cap: 100 });
    expect(cut?.entries).toHaveLength(100);
    expect(cut?.truncated).toBe(true);
    const whole = await store.listTree(dir, head, 'flat', { cap: 5000 });
    expect(whole?.truncated).toBe(false);
  });

  it('has no listing for a file or a missing path', async () => {
    expect(await store.listTree(dir, head, 'run.sh')).toBeNull();
    expect(await store.listTree(dir, head, 'nowhere')).toBeNull();
    expect(await store.listTree(dir, head, 'run.sh/below')).toBeNull();
  });

  it('finds files, links, submodules, directories and the root', async () => {
    const oid = blobAt('run.sh');
    expect(await store.findEntry(dir, head, 'run.sh')).toEqual({ mode: 0o100755, oid, type: 'blob', size: 10 });
    expect(await store.findEntry(dir, head, 'link')).toMatchObject({ mode: 0o120000, type: 'blob', size: 12 });
    expect(await store.findEntry(dir, head, 'module')).toMatchObject({ mode: 0o160000, type: 'commit', size: null });
    expect(await store.findEntry(dir, head, 'sort/a1')).toMatchObject({ mode: 0o40000, type: 'tree' });
    expect(await store.findEntry(dir, head, '')).toMatchObject({ mode: 0o40000, type: 'tree' });
    for (const path of ['sort/a', 'sort/a-b', 'sort/a.b', 'sort/a0', 'sort/a1/b', 'flat/file-4999.txt']) {
      expect((await store.findEntry(dir, head, path))?.oid).toBe(blobAt(path));
    }
    expect(await store.findEntry(dir, head, 'sort/a2')).toBeNull();
  });

  it('names the paths that differ between two commits, clashing parents included', async () => {
    const tree = (lines: string): string => {
      git(dir, ['read-tree', '--empty']);
      git(dir, ['update-index', '--add', '--index-info'], lines);
      return gitText(dir, ['write-tree']);
    };
    const [a, b] = [blobAt('run.sh'), blobAt('empty')];
    const before = tree(
      `100644 ${a}\tsame\n100644 ${a}\tmode\n100644 ${a}\tgone\n100644 ${a}\td/x\n100644 ${a}\te/x\n`,
    );
    const after = tree(`100644 ${a}\tsame\n100755 ${a}\tmode\n100644 ${a}\tnew\n100644 ${b}\td\n100644 ${a}\te/x/y\n`);
    const paths = ['same', 'mode', 'gone', 'new', 'd/x', 'd/other', 'd', 'e/x', 'e/x/z', 'e/other', 'nowhere/at/all'];
    const changed = await store.changedPaths(dir, before, after, paths);
    expect(changed).toEqual(['mode', 'gone', 'new', 'd/x', 'd/other', 'd', 'e/x', 'e/x/z']);
    expect(await store.changedPaths(dir, before, before, paths)).toEqual([]);
  });
});

describe('blobs', () => {
  const write = (content: Buffer): string => gitText(dir, ['hash-object', '-w', '--stdin'], content);

  it('reads whole blobs and ranges', async () => {
    const expected = git(dir, ['cat-file', 'blob', 'main:src/long.txt']);
    const oid = blobAt('src/long.txt');
    expect(await store.readBlob(dir, oid)).toEqual(expected);
    expect(await store.readBlob(dir, oid, { start: 10, end: 25 })).toEqual(expected.subarray(10, 25));
    expect(await store.readBlob(dir, oid, { start: 10, end: 1e9 })).toEqual(expected.subarray(10));
    expect(await store.readBlob(dir, blobAt('empty'))).toEqual(Buffer.alloc(0));
    expect(await store.objectInfo(dir, oid)).toEqual({ type: 'blob', size: expected.length });
    await expect(store.readBlob(dir, head)).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(store.readBlob(dir, '12'.repeat(20))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('keeps serving a blob whose bytes were handed over before', async () => {
    const oid = blobAt('large.bin');
    const first = await store.readBlob(dir, oid);
    expect(first).toHaveLength(300_000);
    for (let i = 0; i < 2; i += 1) expect((await store.readBlob(dir, oid)).equals(first)).toBe(true);
  });

  it.each([
    ['text', 'utf-8', Buffer.from('plain\n')],
    ['nothing', 'utf-8', Buffer.alloc(0)],
    ['a byte order mark', 'utf-8', Buffer.from('\ufeffmarked')],
    ['a NUL among the first 8,192 bytes', 'base64', Buffer.concat([Buffer.alloc(8191, 'a'), Buffer.from([0])])],
    ['a NUL after them', 'utf-8', Buffer.concat([Buffer.alloc(8192, 'a'), Buffer.from([0])])],
    ['bytes that are not UTF-8', 'base64', Buffer.from('caf\xe9', 'latin1')],
  ])('shows %s as %s', async (_, encoding, content) => {
    const text = await store.readBlobText(dir, write(content));
    expect(text).toMatchObject({ encoding, size: content.length });
    expect(Buffer.from(text.content, text.encoding === 'utf-8' ? 'utf8' : 'base64')).toEqual(content);
  });

  it('decides the encoding of a range from the whole blob', async () => {
    const oid = write(Buffer.concat([Buffer.from('text'), Buffer.from([0xff])]));
    const text = await store.readBlobText(dir, oid, { start: 0, end: 4 });
    expect(text).toEqual({ encoding: 'base64', content: Buffer.from('text').toString('base64'), size: 5 });
  });

  it('reads a batch in order, with gaps for what is no file and without content above the size limit', async () => {
    const paths = ['run.sh', 'nowhere', 'src', 'module', 'large.bin', 'run.sh'];
    const [run, ...rest] = await store.readBlobs(dir, head, paths, 1000);
    expect(run).toEqual({ path: 'run.sh', sha: blobAt('run.sh'), size: 10, encoding: 'utf-8', content: '#!/bin/sh\n' });
    expect(rest.slice(0, 3)).toEqual([null, null, null]);
    expect(rest[3]).toMatchObject({ path: 'large.bin', size: 300_000, encoding: 'base64', content: null });
    expect(rest[4]).toEqual(run);
    const [forced] = await store.readBlobs(dir, head, ['run.sh'], 1000, 'base64');
    expect(forced?.content).toBe(Buffer.from('#!/bin/sh\n').toString('base64'));
  });

  it.each(['loose', 'packed whole', 'as a delta'])('streams a large blob stored %s', async (form) => {
    const random = new Random();
    const piece = random.bytes(64 * 1024);
    const content = Buffer.concat(Array.from({ length: 200 }, (_, i) => Buffer.concat([piece, Buffer.from([i])])));
    const large = join(scratch.path, `${form}.git`);
    mkdirSync(large);
    git(large, ['init', '-q', '--bare', large]);
    const oid = gitText(large, ['hash-object', '-w', '--stdin'], content);
    const other = gitText(large, ['hash-object', '-w', '--stdin'], Buffer.concat([content, piece]));
    if (form !== 'loose') {
      const names = form === 'as a delta' ? `${other} file\n${oid} file\n` : `${oid} file\n`;
      git(large, ['pack-objects', '-q', '--window=10', join(large, 'objects/pack/pack')], names);
      git(large, ['prune-packed', '-q']);
    }
    const { stored } = await pool.call('locateBlob', large, { oid });
    expect(stored === null).toBe(form === 'as a delta');
    const { size, stream } = await store.openBlobStream(large, oid);
    expect(size).toBe(content.length);
    expect(
      createHash('sha1')
        .update(await drain(stream))
        .digest('hex'),
    ).toBe(createHash('sha1').update(content).digest('hex'));
    for (const [start, end] of [
      [0, 1],
      [70_000, 200_000],
      [content.length - 5, 1e12],
      [5, 5],
    ] as const) {
      const part = await store.openBlobStream(large, oid, { start, end });
      expect(part.size).toBe(content.length);
      expect((await drain(part.stream)).equals(content.subarray(start, end))).toBe(true);
    }
  });

  it('stops a stream that is destroyed early without an error', async () => {
    const { stream } = await store.openBlobStream(dir, blobAt('large.bin'));
    for await (const _ of stream) break;
    expect(stream.destroyed).toBe(true);
  });
});

describe('quarantined objects', () => {
  it('finds refused names in any tree, packed or loose, and only there', async () => {
    const quarantine = join(scratch.path, 'quarantine');
    mkdirSync(join(quarantine, 'pack'), { recursive: true });
    const entry = (name: string): Buffer =>
      Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(blobAt('empty'), 'hex')]);
    const bad = gitText(dir, ['hash-object', '-t', 'tree', '--stdin', '--literally'], entry('.GIT'));
    expect(await store.forbiddenTreeEntries(dir, quarantine)).toEqual([]);
    const holder = join(scratch.path, 'holder.git');
    git(holder, ['init', '-q', '--bare', holder]);
    git(holder, ['hash-object', '-w', '-t', 'tree', '--stdin', '--literally'], entry('.GIT'));
    git(holder, ['hash-object', '-w', '-t', 'tree', '--stdin', '--literally'], entry('fine'));
    expect(await store.forbiddenTreeEntries(dir, join(holder, 'objects'))).toEqual([
      { tree: bad, name: '.GIT', reason: 'forbidden component' },
    ]);
    git(holder, ['pack-objects', '-q', join(holder, 'objects/pack/pack')], `${bad}\n`);
    git(holder, ['prune-packed', '-q']);
    expect(existsSync(join(holder, 'objects', bad.slice(0, 2), bad.slice(2)))).toBe(false);
    expect(await store.forbiddenTreeEntries(dir, join(holder, 'objects'))).toMatchObject([{ tree: bad }]);
  });
});
