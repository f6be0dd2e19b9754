import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CommitBench, NOW } from './testing/commit-bench.js';

let bench: CommitBench;

beforeEach(() => (bench = new CommitBench()));
afterEach(() => bench.close());

const body = (path: string, members: object = {}) => ({
  branch: 'main',
  message: 'm',
  changes: [{ path, content: path }],
  ...members,
});
const UNKNOWN = 'f'.repeat(40);

function packs(): string[] {
  return readdirSync(join(bench.dir, 'objects/pack')).filter((name) => name.endsWith('.pack'));
}

describe('the commit object', () => {
  it('is what git itself would write, without a newline of its own', () => {
    const author = { name: 'Zoë', email: 'zoe@example.com' };
    const { sha, treeSha, parent } = bench.commit([{ path: 'a', content: 'b' }], {
      author,
      message: 'Subject\n\nBody',
    });
    const line = `Zoë <zoe@example.com> ${Math.floor(NOW / 1000)} +0000`;
    expect(parent).toBe('');
    expect(bench.git('cat-file', 'commit', sha)).toBe(
      `tree ${treeSha}\nauthor ${line}\ncommitter ${line}\n\nSubject\n\nBody`,
    );
    bench.fsck();
  });

  it('is written even when nothing changes', () => {
    const first = bench.commit([{ path: 'a', content: 'b' }]);
    const second = bench.commit([{ path: 'a', content: 'b' }]);
    expect(second).toMatchObject({ treeSha: first.treeSha, parent: first.sha });
    expect(second.sha).not.toBe(first.sha);
  });
});

describe('the parent', () => {
  it('is the head, and a parent_sha that differs from it is refused with the head', () => {
    const { sha } = bench.commit([{ path: 'a', content: 'b' }]);
    for (const stale of [UNKNOWN, sha.toUpperCase(), 'main']) {
      expect(bench.try([{ path: 'a', content: 'c' }], { parent_sha: stale })).toMatchObject({
        error: {
          code: 'conflict',
          message: 'Branch has moved since parent_sha. Fetch latest HEAD and retry.',
          details: { current_sha: sha },
        },
      });
    }
    expect(bench.commit([{ path: 'a', content: 'c' }], { parent_sha: sha }).parent).toBe(sha);
  });

  it('of a new branch is the commit the request names, or none', () => {
    const { sha, treeSha } = bench.commit([{ path: 'a', content: 'b' }]);
    const blob = bench.git('hash-object', '-w', join(bench.dir, 'HEAD')).trim();
    const onNewBranch = (parent_sha: string) => {
      bench.head = null;
      return bench.try([{ path: 'c', content: 'd' }], { parent_sha });
    };
    const based = onNewBranch(sha);
    expect(based).toMatchObject({ ok: true, parent: sha });
    if (based.ok) expect(bench.files(based.sha)).toEqual(['100644 a=b', '100644 c=d']);
    expect(onNewBranch('')).toMatchObject({ ok: true, parent: '' });
    expect(onNewBranch(UNKNOWN)).toMatchObject({ error: { code: 'not_found', message: 'Parent commit not found' } });
    expect(onNewBranch(treeSha)).toMatchObject({
      error: { code: 'unprocessable', message: 'parent_sha is not a commit' },
    });
    expect(onNewBranch(blob)).toMatchObject({ error: { code: 'unprocessable' } });
    expect(onNewBranch('main')).toMatchObject({
      error: { code: 'unprocessable', message: 'parent_sha is not a commit sha' },
    });
  });
});

describe('a group', () => {
  it('is one pack of one commit on another, without the refused ones', () => {
    const { results, head, packBytes } = bench.group([
      body('a'),
      {
        ...body('secret'),
        changes: [
          { path: 'secret', content: 'trace' },
          { path: 'no', action: 'rename', new_path: 'x' },
        ],
      },
      body('b'),
      body('a/clash'),
      body('c', { parent_sha: UNKNOWN }),
    ]);
    expect(results.map((result) => result.ok)).toEqual([true, false, true, false, false]);
    const [first, , third] = results;
    if (!first?.ok || !third?.ok) throw new Error('refused');
    expect(third.parent).toBe(first.sha);
    expect(head).toEqual({ commit: third.sha });
    expect(bench.files(third.sha)).toEqual(['100644 a=a', '100644 b=b']);
    const [name = '', ...others] = packs();
    expect(others).toEqual([]);
    const sizes = [name, name.replace('.pack', '.idx')].map(
      (file) => statSync(join(bench.dir, 'objects/pack', file)).size,
    );
    expect(packBytes).toBe(sizes[0]! + sizes[1]!);
    const objects = bench.git('verify-pack', '-v', join('objects/pack', name));
    expect(objects.match(/^[0-9a-f]{40} (?:commit|tree|blob)/gm)).toHaveLength(6);
    bench.fsck();
  });

  it('lets exactly one of several requests with the same parent_sha through', () => {
    const { sha } = bench.commit([{ path: 'a', content: 'b' }]);
    const { results } = bench.group([body('x', { parent_sha: sha }), body('y', { parent_sha: sha })]);
    const [won, lost] = results;
    expect(won).toMatchObject({ ok: true, parent: sha });
    expect(lost).toMatchObject({
      ok: false,
      error: { code: 'conflict', details: { current_sha: bench.head?.commit } },
    });
  });

  it('writes nothing when every request is refused', () => {
    const { packBytes, head } = bench.group([body('a', { parent_sha: UNKNOWN })]);
    expect([packBytes, head, packs()]).toEqual([0, null, []]);
  });

  it('names every path once and says how long it took', () => {
    const rename = { path: 'a', action: 'rename', new_path: 'b' };
    const { results, timing } = bench.group([
      { ...body('a'), changes: [{ path: 'a', content: '' }, rename, { path: 'b', action: 'delete' }] },
    ]);
    expect(results[0]).toMatchObject({ ok: true, paths: ['a', 'b'] });
    for (const part of Object.values(timing)) expect(part).toBeLessThanOrEqual(timing.total);
  });

  it('drops contents that a later change of the same request replaced', () => {
    bench.commit([
      { path: 'a', content: 'first' },
      { path: 'a', content: 'last' },
      { path: 'b', content: 'gone' },
      { path: 'b', action: 'delete' },
    ]);
    expect(bench.git('verify-pack', '-v', join('objects/pack', packs()[0] ?? '')).match(/ blob /g)).toHaveLength(1);
  });
});
