import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { conflictingRef, isValidBranchName, isValidRefName, refChildPrefix, refParents } from './ref-names.js';

const ROUNDS = Number(process.env.ROUNDS ?? 150);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

function gitAccepts(...args: string[]): boolean {
  const { status } = spawnSync('git', ['check-ref-format', ...args], { stdio: 'ignore', cwd: '/' });
  if (status === null) throw new Error('git check-ref-format did not run');
  return status === 0;
}

describe('branch names', () => {
  it.each(['main', 'feature/login', 'a.b', '@', 'a@b', 'ü', 'x'.repeat(250), 'head', 'a-'])('accepts %s', (name) =>
    expect(isValidBranchName(name)).toBe(true),
  );

  it.each([
    ...[
      '',
      'HEAD',
      '-x',
      'x/',
      '/x',
      'a//b',
      'a.lock/b',
      'b.lock',
      '.a',
      'a/.b',
      'a.',
      'a..b',
      'a@{b',
      'a b',
      'a~',
      'a^',
    ],
    ...['a:b', 'a?', 'a*', 'a[b', 'a\\b', 'a\x7f', 'a\n', 'a\0', 'a\ud800', 'x'.repeat(251), 'ab/'.repeat(85) + 'cd'],
  ])('refuses %j', (name) => expect(isValidBranchName(name)).toBe(false));

  it('agrees with git check-ref-format on random names', () => {
    const piece = fc.constantFrom(
      ...'abH./-@{}~^:?*[]\\ é'.split(''),
      '..',
      '.lock',
      '@{',
      'HEAD',
      'x',
      '\x01',
      '\x7f',
    );
    const name = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
    const valid: boolean[] = [];
    for (const sample of fc.sample(name, { numRuns: ROUNDS, seed: SEED })) {
      const isBranch = isValidBranchName(sample);
      valid.push(isBranch);
      expect({ sample, seed: SEED, ok: isBranch }).toEqual({ sample, seed: SEED, ok: gitAccepts('--branch', sample) });
      expect({ sample, ok: isValidRefName(`refs/tags/${sample}`) }).toEqual({
        sample,
        ok: gitAccepts(`refs/tags/${sample}`) && !sample.startsWith('-'),
      });
    }
    expect(valid).toContain(true);
    expect(valid).toContain(false);
  });
});

describe('full ref names', () => {
  it('stores branches and tags only', () => {
    expect(['refs/heads/a', 'refs/tags/v1', 'refs/tags/HEAD'].map(isValidRefName)).toEqual([true, true, true]);
    expect(['refs/heads/', 'refs/notes/x', 'main', 'refs/heads/HEAD', 'HEAD'].map(isValidRefName)).not.toContain(true);
  });
});

describe('file and directory clashes between refs', () => {
  it('names the parents that may not be refs', () => {
    expect(refParents('refs/heads/a/b/c')).toEqual(['refs/heads/a/b', 'refs/heads/a']);
    expect(refParents('refs/tags/v1')).toEqual([]);
    expect(refParents('a/b')).toEqual(['a']);
    expect(refChildPrefix('refs/heads/a')).toBe('refs/heads/a/');
  });

  it('finds a clash in both directions and nothing else', () => {
    const existing = ['refs/heads/main', 'refs/heads/x/y', 'refs/tags/main/1'];
    expect(conflictingRef(existing, 'refs/heads/main/sub')).toBe('refs/heads/main');
    expect(conflictingRef(existing, 'refs/heads/x')).toBe('refs/heads/x/y');
    expect(conflictingRef(existing, 'refs/heads/main')).toBeNull();
    expect(conflictingRef(existing, 'refs/heads/mainline')).toBeNull();
    expect(conflictingRef(existing, 'refs/heads/x/z')).toBeNull();
  });
});
