import { afterAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { formatCommit, parseCommit } from './commit.js';
import { readRequired } from './git-object.js';
import { initRepository } from './operations/init-repository.js';
import { PackWriter } from './pack-writer.js';
import { StoreCache } from './store-cache.js';
import { git, gitText, Random, rounds, scratchFolder } from './testing/git.js';
import { MODE_FILE } from './tree.js';
import { TreeEditor } from './tree-editor.js';

const AUTHOR = { name: 'Test', email: 'test@example.com', timestamp: 1_700_000_000, timezone: '+0000' };
const scratch = scratchFolder('store-race');
afterAll(() => scratch.remove());

/** Repacks in a loop, as maintenance would, until told to stop; `stop` gives the number of runs. */
function repackForever(dir: string): { stop(): Promise<number> } {
  const script = `while [ ! -e "${dir}/stop" ]; do git --git-dir "${dir}" repack -dq --geometric=2 || exit 1; echo; done`;
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let runs = 0;
  let complaints = '';
  child.stdout.on('data', (data: Buffer) => (runs += data.length));
  child.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    async stop() {
      writeFileSync(join(dir, 'stop'), '');
      if ((await ended) !== 0) throw new Error(`repack failed: ${complaints}`);
      return runs;
    },
  };
}

describe('a repository under maintenance', () => {
  it('loses nothing and reads everything while packs are rolled up underneath', async () => {
    const dir = join(scratch.path, 'busy.git');
    const writer = new StoreCache();
    const reader = new StoreCache({ stores: 2, files: 2, objectBytes: 1, baseBytes: 1 << 20 });
    initRepository.run({ dir, stores: writer, store: () => writer.open(dir) }, { defaultBranch: 'main' });
    const random = new Random();
    const maintenance = repackForever(dir);
    const blobs = new Map<string, string>();
    let head: string | null = null;
    for (let round = 0; round < rounds(120); round += 1) {
      const store = writer.open(dir);
      const pack = new PackWriter(store.objectsDir, store);
      const tree = head === null ? null : parseCommit(readRequired(store, head, 'commit')).tree;
      const editor = new TreeEditor(pack, tree);
      const content = `content ${round} ${random.below(1e9)}`;
      const blob = pack.add('blob', Buffer.from(content));
      blobs.set(blob, content);
      editor.put(`d${random.below(4)}/f${random.below(30)}`, MODE_FILE, blob);
      const parents: string[] = head === null ? [] : [head];
      const message = `round ${round}`;
      const commit = { tree: editor.write(pack), parents, author: AUTHOR, committer: AUTHOR, message };
      head = pack.add('commit', formatCommit(commit));
      pack.write();
      git(dir, ['update-ref', 'refs/heads/main', head]);
      for (let i = 0; i < 10; i += 1) {
        const [oid, expected] = random.pick([...blobs]);
        expect(reader.open(dir).find(oid)?.data.toString()).toBe(expected);
      }
      await setImmediate();
    }
    expect(await maintenance.stop()).toBeGreaterThan(0);
    expect(readdirSync(join(dir, 'objects/pack')).filter((name) => name.startsWith('tmp_'))).toEqual([]);
    expect(gitText(dir, ['fsck', '--strict', '--full', '--no-dangling'])).toBe('');
    expect(gitText(dir, ['rev-list', '--count', 'main'])).toBe(String(rounds(120)));
    for (const [oid, expected] of blobs) expect(reader.open(dir).find(oid)?.data.toString()).toBe(expected);
    writer.close();
    reader.close();
  });

  it('lists again when a pack it had indexed is gone at its first read', () => {
    const dir = join(scratch.path, 'gone.git');
    const stores = new StoreCache();
    initRepository.run({ dir, stores, store: () => stores.open(dir) }, { defaultBranch: 'main' });
    const oid = gitText(dir, ['hash-object', '-w', '--stdin'], 'moving');
    const first = gitText(dir, ['pack-objects', '-q', join(dir, 'objects/pack/pack')], `${oid}\n`);
    git(dir, ['prune-packed', '-q']);
    const store = stores.open(dir);
    // Opens the index but not yet the pack.
    expect(store.resolvePrefix(oid)).toBe(oid);
    const other = gitText(dir, ['hash-object', '-w', '--stdin'], 'other');
    git(dir, ['pack-objects', '-q', join(dir, 'objects/pack/pack')], `${oid}\n${other}\n`);
    for (const ending of ['idx', 'pack', 'rev'])
      rmSync(join(dir, `objects/pack/pack-${first}.${ending}`), { force: true });
    expect(store.find(oid)?.data.toString()).toBe('moving');
    stores.close();
  });
});
