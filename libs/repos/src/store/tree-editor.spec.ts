import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { DomainError } from '#kernel';
import type { ObjectStore } from './object-store.js';
import { EMPTY_TREE } from './oid.js';
import { initRepository } from './operations/init-repository.js';
import { PackWriter } from './pack-writer.js';
import { StoreCache } from './store-cache.js';
import { git, gitText, Random, rounds, scratchFolder } from './testing/git.js';
import { MODE_FILE, MODE_SUBMODULE, MODE_TREE, serialiseEntry } from './tree.js';
import { TreeEditor } from './tree-editor.js';

const scratch = scratchFolder('tree-editor');
const dir = join(scratch.path, 'trees.git');
const stores = new StoreCache();
let store: ObjectStore;

beforeAll(() => {
  initRepository.run({ dir, stores, store: () => stores.open(dir) }, { defaultBranch: 'main' });
  store = stores.open(dir);
});
afterAll(() => {
  stores.close();
  scratch.remove();
});

function newPack(): PackWriter {
  return new PackWriter(store.objectsDir, store);
}

/** A tree holding `paths`, each file containing its own path. */
function treeWith(pack: PackWriter, paths: readonly string[]): string {
  const editor = new TreeEditor(pack, null);
  for (const path of paths) editor.put(path, MODE_FILE, pack.add('blob', Buffer.from(path)));
  return editor.write(pack);
}

function treeByGit(lines: readonly string[]): string {
  git(dir, ['read-tree', '--empty']);
  git(dir, ['update-index', '-z', '--add', '--index-info'], lines.map((line) => `${line}\0`).join(''));
  return gitText(dir, ['write-tree', '--missing-ok']);
}

describe('editing trees', () => {
  it('writes the empty tree of a repository that begins without a file', () => {
    const pack = newPack();
    expect(new TreeEditor(pack, null).write(pack)).toBe(EMPTY_TREE);
    pack.write();
    expect(gitText(dir, ['cat-file', '--batch-check', '--batch-all-objects'])).toContain(`${EMPTY_TREE} tree 0`);
  });

  it('gives back the tree it was given when nothing changes', () => {
    const pack = newPack();
    const tree = treeWith(pack, ['a', 'b/c']);
    const editor = new TreeEditor(pack, tree);
    expect(editor.find('b/c')).not.toBeNull();
    expect(editor.remove('b')).toBe(false);
    expect(editor.remove('missing/file')).toBe(false);
    expect(editor.write(pack)).toBe(tree);
    expect(new TreeEditor(pack, null).write(pack)).toBe(EMPTY_TREE);
  });

  it('arrives at the same tree whatever the way', () => {
    const pack = newPack();
    const wanted = treeWith(pack, ['a/b', 'a.b', 'a-b', 'a0']);
    const editor = new TreeEditor(pack, treeWith(pack, ['a', 'a0', 'x/y/z', 'a.b/c']));
    for (const gone of ['a', 'x/y/z', 'a.b/c']) expect(editor.remove(gone)).toBe(true);
    for (const path of ['a.b', 'a-b', 'a/b']) editor.put(path, MODE_FILE, pack.add('blob', Buffer.from(path)));
    expect(editor.write(pack)).toBe(wanted);
  });

  it('prunes directories left empty up to the root', () => {
    const pack = newPack();
    const editor = new TreeEditor(pack, treeWith(pack, ['x/y/z/file', 'x/other']));
    expect(editor.remove('x/y/z/file')).toBe(true);
    expect(editor.find('x/y')).toBeNull();
    expect(editor.find('x/other')).not.toBeNull();
    expect(editor.remove('x/other')).toBe(true);
    expect(editor.write(pack)).toBe(EMPTY_TREE);
  });

  it('fills a directory again that it had pruned', () => {
    const pack = newPack();
    const editor = new TreeEditor(pack, treeWith(pack, ['x/old']));
    editor.remove('x/old');
    editor.put('x/new', MODE_FILE, pack.add('blob', Buffer.from('x/new')));
    expect(editor.find('x/old')).toBeNull();
    expect(editor.write(pack)).toBe(treeWith(pack, ['x/new']));
  });

  it.each([
    ['a file where a parent directory belongs', 'file/below'],
    ['a file far above', 'file/far/below'],
    ['a submodule as a parent', 'module/below'],
    ['a directory at the path itself', 'folder'],
    ['a directory created by this editor', 'fresh'],
  ])('refuses %s and changes nothing', (_, path) => {
    const pack = newPack();
    const editor = new TreeEditor(pack, treeWith(pack, ['file', 'folder/inside']));
    const oid = pack.add('blob', Buffer.from('x'));
    editor.put('module', MODE_SUBMODULE, '12'.repeat(20));
    editor.put('fresh/file', MODE_FILE, oid);
    const before = editor.write(pack);
    expect(() => editor.put(path, MODE_FILE, oid)).toThrow(
      new DomainError('unprocessable', `Path conflicts with an existing file or directory: ${path}`),
    );
    expect(editor.write(pack)).toBe(before);
  });

  it('finds directories, with no id once they changed', () => {
    const pack = newPack();
    const tree = treeWith(pack, ['d/file', 'e/file']);
    const editor = new TreeEditor(pack, tree);
    expect(editor.find('')).toEqual({ mode: MODE_TREE, oid: tree });
    expect(editor.find('d')).toEqual({ mode: MODE_TREE, oid: pack.tree(tree).oid(0) });
    editor.put('d/more', MODE_FILE, pack.add('blob', Buffer.from('d/more')));
    expect(editor.find('d')).toEqual({ mode: MODE_TREE, oid: '' });
    expect(editor.find('e')?.oid).not.toBe('');
    expect(editor.find('d/file/deeper')).toBeNull();
  });

  it('writes only the directories that changed', () => {
    const first = newPack();
    const tree = treeWith(first, ['d/1/file', 'd/2/file', 'e/3/file', 'f']);
    const pack = new PackWriter(store.objectsDir, first);
    const editor = new TreeEditor(first, tree);
    editor.put('d/1/file', MODE_FILE, '12'.repeat(20));
    editor.write(pack);
    // d/1, d and the root.
    expect(pack.objects).toBe(3);
  });

  it('edits a flat directory of thousands like git', () => {
    const random = new Random();
    const pack = newPack();
    const blob = pack.add('blob', Buffer.from('x'));
    const files = new Set(Array.from({ length: 5000 }, (_, i) => `flat/file-${i}`));
    let editor = new TreeEditor(pack, null);
    for (const path of files) editor.put(path, MODE_FILE, blob);
    let tree = editor.write(pack);
    for (let round = 0; round < rounds(5); round += 1) {
      editor = new TreeEditor(pack, tree);
      for (let i = 0; i < 1200; i += 1) {
        const path = `flat/file-${random.below(6000)}`;
        if (random.below(2) === 0) expect(editor.remove(path)).toBe(files.delete(path));
        else editor.put(path, MODE_FILE, (files.add(path), blob));
      }
      tree = editor.write(pack);
      expect(tree).toBe(treeByGit([...files].map((path) => `100644 ${blob}\t${path}`)));
    }
  });

  it('keeps names that are not UTF-8 and sorts a tree again that was stored in the wrong order', () => {
    const pack = newPack();
    const oid = pack.add('blob', Buffer.from('x'));
    const stored = ['z', 'caf\xe9', 'a'].map((name) => serialiseEntry({ mode: MODE_FILE, name, oid }));
    const editor = new TreeEditor(pack, pack.add('tree', Buffer.concat(stored)));
    expect(editor.find('a')).toEqual({ mode: MODE_FILE, oid });
    editor.put('b', MODE_FILE, oid);
    expect(editor.remove('z')).toBe(true);
    const sorted = ['a', 'b', 'caf\xe9'].map((name) => serialiseEntry({ mode: MODE_FILE, name, oid }));
    expect(editor.write(pack)).toBe(pack.add('tree', Buffer.concat(sorted)));
  });
});
