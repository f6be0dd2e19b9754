import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { DomainError } from '#kernel';
import { CommitBench } from './testing/commit-bench.js';
import { applyToModel, fastImportCommit, type ModelChange, type ModelTree } from './testing/commit-model.js';

const ROUNDS = Number(process.env.ROUNDS ?? 600);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
/** Requests before a fresh repository: nobody repacks this one. */
const PER_REPOSITORY = 400;

const path = fc.constantFrom(
  'a',
  'a/b',
  'a/b/c',
  'a-b',
  'a0',
  'd/x',
  'd/y',
  'd',
  'B',
  'é/ü',
  '.gitignore',
  'a.txt',
  'd.x',
);
const text = fc.constantFrom('', 'x', 'one\ntwo\n', 'é\r\n', 'xx', 'two');
const mode = fc.constantFrom(undefined, undefined, '100644', '100755');
const change: fc.Arbitrary<ModelChange> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ action: fc.constant('create' as const), path, content: text, mode }) },
  fc.record({
    action: fc.constant('create' as const),
    path,
    content: fc.constantFrom('gA==', 'AP9vbmU'),
    encoding: fc.constant('base64'),
  }),
  fc.record({
    action: fc.constant('create' as const),
    path: path.filter((name) => name !== '.gitignore'),
    content: fc.constant('target'),
    mode: fc.constant('120000'),
  }),
  { weight: 2, arbitrary: fc.record({ action: fc.constant('delete' as const), path }) },
  {
    weight: 2,
    arbitrary: fc.record({
      action: fc.constant('rename' as const),
      path,
      new_path: path.filter((name) => name !== '.gitignore'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      action: fc.constant('edit' as const),
      path,
      mode,
      edits: fc.array(
        fc.record({
          old_string: fc.constantFrom('one', 'x', 'two', 'r', ''),
          new_string: fc.constantFrom('', 'two', 'q\nq'),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    }),
  },
);
const request = fc.record({
  branch: fc.constant('main'),
  message: fc.constant('m'),
  changes: fc.array(change, { minLength: 1, maxLength: 4 }),
  stale: fc.constantFrom(false, false, false, true),
});

describe('random commit requests', () => {
  it('are refused or become the trees that git makes of the same files', () => {
    const groups = fc.sample(fc.array(request, { minLength: 1, maxLength: 4 }), {
      numRuns: Math.ceil(ROUNDS / 2.5),
      seed: SEED,
    });
    const outcomes = { accepted: 0, refused: 0 };
    let bench = new CommitBench();
    let tree: ModelTree = new Map();
    let expected: { sha: string; tree: ModelTree }[] = [];

    for (const group of groups) {
      const bodies = group.map(({ stale, ...body }) => (stale ? { ...body, parent_sha: 'f'.repeat(40) } : body));
      const { results } = bench.group(bodies);
      for (const [index, result] of results.entries()) {
        const { stale = true, changes = [] } = group[index] ?? {};
        const next = stale ? null : applyToModel(tree, changes);
        expect({ SEED, changes, ok: result.ok }).toEqual({ SEED, changes, ok: next !== null });
        outcomes[result.ok ? 'accepted' : 'refused'] += 1;
        if (!result.ok || next === null) continue;
        tree = next;
        expected.push({ sha: result.sha, tree: next });
      }
      if (expected.length < PER_REPOSITORY) continue;
      compareWithGit(bench, expected);
      bench.close();
      [bench, tree, expected] = [new CommitBench(), new Map(), []];
    }
    compareWithGit(bench, expected);
    bench.close();
    process.stdout.write(`commit requests: seed ${SEED}, ${JSON.stringify(outcomes)}\n`);
    expect(outcomes.accepted).toBeGreaterThan(ROUNDS / 10);
    expect(outcomes.refused).toBeGreaterThan(ROUNDS / 10);
  });

  it('of any JSON at all end in a domain error or a commit', () => {
    const bench = new CommitBench();
    const wild = fc.record(
      {
        path: fc.oneof(path, fc.jsonValue()),
        action: fc.oneof(fc.constantFrom('edit', 'rename', 'delete'), fc.jsonValue()),
        content: fc.jsonValue(),
        new_path: fc.jsonValue(),
        edits: fc.array(fc.jsonValue()),
      },
      { requiredKeys: ['path'] },
    );
    const body = fc.record({
      branch: fc.constant('b'),
      message: fc.string({ minLength: 1 }),
      changes: fc.array(wild, { minLength: 1, maxLength: 3 }),
    });
    let commits = 0;
    fc.assert(
      fc.property(body, (sample) => {
        try {
          const [result] = bench.group([sample]).results;
          if (result?.ok) commits += 1;
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
        }
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
    expect(commits).toBeGreaterThan(0);
    bench.fsck();
    bench.close();
  });
});

function compareWithGit(bench: CommitBench, expected: readonly { sha: string; tree: ModelTree }[]): void {
  const input = Buffer.concat(expected.map(({ tree }, index) => fastImportCommit(`refs/model/${index}`, tree)));
  execFileSync('git', ['fast-import', '--quiet', '--force'], { cwd: bench.dir, input });
  const theirs = new Map(
    bench
      .git('for-each-ref', '--format=%(refname) %(tree)', 'refs/model')
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const head = expected.at(-1)?.sha ?? '';
  const ours = bench.git('log', '--format=%T', '--reverse', head).trim().split('\n');
  expect(ours).toEqual(expected.map((_, index) => theirs.get(`refs/model/${index}`)));
  bench.fsck();
}
