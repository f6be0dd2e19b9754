import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { formatCommit, parseCommit } from './commit.js';
import type { ObjectStore } from './object-store.js';
import { initRepository } from './operations/init-repository.js';
import { PackWriter } from './pack-writer.js';
import { StoreCache } from './store-cache.js';
import { git, gitText, Random, scratchFolder } from './testing/git.js';
import { MODE_FILE } from './tree.js';
import { TreeEditor } from './tree-editor.js';

const AUTHOR = { name: 'Test', email: 'test@example.com', timestamp: 1_700_000_000, timezone: '+0000' };
const scratch = scratchFolder('pack-writer');
const stores = new StoreCache();
let dir: string;
let store: ObjectStore;

beforeAll(() => {
  dir = join(scratch.path, 'packs.git');
  initRepository.run({ dir, stores, store: () => stores.open(dir) }, { defaultBranch: 'main' });
  store = stores.open(dir);
});
afterAll(() => {
  stores.close();
  scratch.remove();
});

function packFiles(): string[] {
  return readdirSync(join(dir, 'objects/pack')).sort();
}

describe('writing a pack', () => {
  it('gives objects the ids git gives them and stores them so that git reads them back', () => {
    const random = new Random();
    const pack = new PackWriter(store.objectsDir, store);
    const sizes = [0, 1, 15, 16, 127, 128, 2047, 2048, 2049, 65_535, 65_536, 70_000, 3_000_000];
    const contents = sizes.map((size) =>
      Buffer.concat([random.bytes(Math.min(size, 3000)), Buffer.alloc(Math.max(0, size - 3000))]),
    );
    const oids = contents.map((content) => pack.add('blob', content));
    const written = pack.write();
    expect(written?.objects).toBe(sizes.length);
    contents.forEach((content, i) => {
      expect(gitText(dir, ['hash-object', '--stdin'], content)).toBe(oids[i]);
      expect(git(dir, ['cat-file', 'blob', oids[i] as string]).equals(content)).toBe(true);
      expect(store.find(oids[i] as string)?.data.equals(content)).toBe(true);
    });
    git(dir, ['verify-pack', join(dir, 'objects/pack', `${written?.name}.idx`)]);
    git(dir, ['index-pack', '--strict', '--verify', join(dir, 'objects/pack', `${written?.name}.pack`)]);
    expect(() => git(dir, ['fsck', '--strict', '--full'])).not.toThrow();
  });

  it('holds an object once, but writes it again when the repository has it already', () => {
    const before = packFiles().length;
    for (let i = 0; i < 2; i += 1) {
      const pack = new PackWriter(store.objectsDir, store);
      expect(pack.add('blob', Buffer.from('twice'))).toBe(pack.add('blob', Buffer.from('twice')));
      expect(pack.write()?.objects).toBe(1);
    }
    // A pack and an index each time: the same content never overwrites the earlier pack.
    expect(packFiles().length).toBe(before + 4);
  });

  it('writes nothing when nothing was added, and leaves no temporary files', () => {
    const before = packFiles();
    expect(new PackWriter(store.objectsDir, store).write()).toBeNull();
    expect(packFiles()).toEqual(before);
    expect(before.every((name) => /^pack-[0-9a-f]{40}\.(pack|idx)$/.test(name))).toBe(true);
  });

  it('lets a second commit build on a first that is not written yet', () => {
    const pack = new PackWriter(store.objectsDir, store);
    const heads: string[] = [];
    for (const path of ['a/one', 'a/two', 'b/three']) {
      const parent = heads.at(-1);
      const data = parent === undefined ? undefined : pack.find(parent)?.data;
      const editor = new TreeEditor(pack, data === undefined ? null : parseCommit(data).tree);
      editor.put(path, MODE_FILE, pack.add('blob', Buffer.from(path)));
      const parents = parent === undefined ? [] : [parent];
      const commit = { tree: editor.write(pack), parents, author: AUTHOR, committer: AUTHOR, message: path };
      heads.push(pack.add('commit', formatCommit(commit)));
    }
    expect(store.find(heads[2] as string)).toBeNull();
    pack.write();
    git(dir, ['update-ref', 'refs/heads/group', heads[2] as string]);
    expect(gitText(dir, ['ls-tree', '-r', '--name-only', 'group'])).toBe('a/one\na/two\nb/three');
    expect(gitText(dir, ['log', '--format=%s', 'group'])).toBe('b/three\na/two\na/one');
  });

  it('removes its temporary files when the pack cannot be published', () => {
    const gone = join(scratch.path, 'gone.git');
    initRepository.run({ dir: gone, stores, store: () => stores.open(gone) }, { defaultBranch: 'main' });
    const pack = new PackWriter(stores.open(gone).objectsDir, stores.open(gone));
    const oid = pack.add('blob', Buffer.from('never'));
    rmSync(gone, { recursive: true });
    expect(() => pack.write()).toThrow('ENOENT');
    expect(() => stores.open(gone).find(oid)).toThrow('Repository not found');
  });
});
