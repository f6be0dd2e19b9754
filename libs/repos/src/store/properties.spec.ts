import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { formatCommit } from './commit.js';
import { initRepository } from './operations/init-repository.js';
import { PackWriter } from './pack-writer.js';
import { StoreCache } from './store-cache.js';
import { git, gitText, Random, rounds, scratchFolder } from './testing/git.js';
import { MODE_EXECUTABLE, MODE_FILE, MODE_SUBMODULE, MODE_SYMLINK } from './tree.js';
import { TreeEditor } from './tree-editor.js';
import { DomainError } from '#kernel';

const NAMES = ['a', 'a-b', 'a.b', 'a0', 'b', 'ä', 'dir', 'dir.x', 'dir-y', 'z'];
const MODES = [MODE_FILE, MODE_FILE, MODE_EXECUTABLE, MODE_SYMLINK];
const AUTHOR = { name: 'Test', email: 'test@example.com', timestamp: 1_700_000_000, timezone: '+0000' };

interface File {
  readonly mode: number;
  readonly oid: string;
}

const scratch = scratchFolder('store-properties');
afterAll(() => scratch.remove());

function createRepository(name: string, stores: StoreCache): string {
  const dir = join(scratch.path, name);
  initRepository.run({ dir, stores, store: () => stores.open(dir) }, { defaultBranch: 'main' });
  return dir;
}

function randomPath(random: Random): string {
  return Array.from({ length: 1 + random.below(3) }, () => random.pick(NAMES)).join('/');
}

/** Whether `path` may be put beside what is there: no parent is a file and the path is no directory. */
function fits(files: ReadonlyMap<string, File>, path: string): boolean {
  for (const other of files.keys()) {
    if (other.startsWith(`${path}/`) || path.startsWith(`${other}/`)) return false;
  }
  return true;
}

/** The tree git itself writes for these files. */
function treeByGit(dir: string, files: ReadonlyMap<string, File>): string {
  const lines = [...files].map(([path, { mode, oid }]) => `${mode.toString(8)} ${oid}\t${path}\0`);
  git(dir, ['read-tree', '--empty']);
  git(dir, ['update-index', '-z', '--add', '--index-info'], lines.join(''));
  return gitText(dir, ['write-tree', '--missing-ok']);
}

describe('the store against git', () => {
  const stores = new StoreCache();
  let random: Random;
  beforeAll(() => {
    random = new Random();
  });
  afterAll(() => stores.close());

  it('gives random edits the same tree ids as git and leaves a clean repository', () => {
    const dir = createRepository('edits.git', stores);
    const files = new Map<string, File>();
    let head: string | null = null;
    let tree: string | null = null;
    for (let round = 0; round < rounds(25); round += 1) {
      const store = stores.open(dir);
      const pack: PackWriter = new PackWriter(store.objectsDir, store);
      const editor: TreeEditor = new TreeEditor(pack, tree);
      for (let edit = 0; edit < 1 + random.below(12); edit += 1) {
        const path = randomPath(random);
        if (random.below(3) === 0) {
          expect(editor.remove(path)).toBe(files.delete(path));
          continue;
        }
        const submodule = random.below(12) === 0;
        const mode = submodule ? MODE_SUBMODULE : random.pick(MODES);
        const oid = submodule ? random.bytes(20).toString('hex') : pack.add('blob', random.bytes(random.below(3000)));
        if (fits(files, path)) {
          editor.put(path, mode, oid);
          files.set(path, { mode, oid });
        } else {
          expect(() => editor.put(path, mode, oid)).toThrow(DomainError);
        }
      }
      for (const [path, file] of files) expect(editor.find(path)).toEqual(file);
      const written = editor.write(pack);
      tree = written;
      const parents: string[] = head === null ? [] : [head];
      head = pack.add(
        'commit',
        formatCommit({ tree: written, parents, author: AUTHOR, committer: AUTHOR, message: `${round}` }),
      );
      pack.write();
      git(dir, ['update-ref', 'refs/heads/main', head]);
      expect(written).toBe(treeByGit(dir, files));
      // Submodule commits live elsewhere, which fsck knows; anything it says is a defect.
      expect(gitText(dir, ['fsck', '--strict', '--full', '--no-dangling'])).toBe('');
      if (round % 10 === 9) git(dir, ['repack', '-d', '-q', '--geometric=2']);
      expect(stores.open(dir).find(head)?.type).toBe('commit');
    }
  });
});
