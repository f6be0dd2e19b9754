import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sweepLeftovers } from './leftovers.js';

const HOUR_MS = 3_600_000;
const LOCKS = [
  'objects/pack/multi-pack-index.lock',
  'objects/info/commit-graph.lock',
  'objects/info/commit-graphs/commit-graph-chain.lock',
];
const UNFINISHED = ['objects/pack/tmp_pack_aB3dE9', 'objects/pack/tmp_idx_aB3dE9', 'objects/pack/.tmp-77-pack-1f.pack'];
const REFS = ['packed-refs.812.4.new', 'HEAD.812.5.new'];
const KEPT = ['packed-refs', 'HEAD', 'objects/pack/pack-1f.pack', 'objects/pack/pack-1f.keep', 'config.lock'];

describe('what killed processes leave in a repository', () => {
  let repo: string;

  beforeEach(() => {
    repo = mkdtempSync(join(tmpdir(), 'leftovers-'));
    execFileSync('git', ['init', '-q', '--bare', repo]);
  });

  afterEach(() => rmSync(repo, { recursive: true }));

  const put = (name: string): void => {
    mkdirSync(dirname(join(repo, name)), { recursive: true });
    writeFileSync(join(repo, name), '');
  };
  const there = (names: readonly string[]): string[] => names.filter((name) => existsSync(join(repo, name)));

  it('stays while it may belong to a living process, then goes, and nothing else goes', async () => {
    for (const name of [...LOCKS, ...UNFINISHED, ...REFS, ...KEPT]) put(name);

    expect(await sweepLeftovers(repo, Date.now() + HOUR_MS)).toBe(0);
    expect(await sweepLeftovers(repo, Date.now() + 3 * HOUR_MS)).toBe(LOCKS.length + REFS.length);
    expect(there([...LOCKS, ...REFS])).toEqual([]);
    expect(there(UNFINISHED)).toEqual(UNFINISHED);
    expect(await sweepLeftovers(repo, Date.now() + 25 * HOUR_MS)).toBe(UNFINISHED.length);
    expect(there(KEPT)).toEqual(KEPT);
  });

  it('would stop git from repacking', async () => {
    const git = (...args: string[]): void => void execFileSync('git', ['-C', repo, ...args], { stdio: 'pipe' });
    const tree = execFileSync('git', ['-C', repo, 'mktree'], { input: '', encoding: 'utf8' }).trim();
    git('update-ref', 'refs/heads/main', commitOf(repo, tree));
    const repack = (): void => git('repack', '-d', '-q', '--geometric=2', '--write-midx');

    put('objects/pack/multi-pack-index.lock');
    expect(repack).toThrow();
    await sweepLeftovers(repo, Date.now() + 3 * HOUR_MS);
    expect(repack).not.toThrow();
  });
});

function commitOf(repo: string, tree: string): string {
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.com'];
  return execFileSync('git', ['-C', repo, ...identity, 'commit-tree', '-m', 'x', tree], { encoding: 'utf8' }).trim();
}
