import fc from 'fast-check';
import { conflictingRef } from './ref-names.js';
import { planRefUpdates } from './ref-plan.js';
import type { RefUpdate } from './ref.js';
import { property } from './smart-http/testing/wire-checks.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);

const to = (name: string, expected: RefUpdate['expected'], sha: string | null): RefUpdate => ({
  name: `refs/heads/${name}`,
  expected,
  target: sha === null ? null : { sha, peeled: null },
});

/** The outcomes by short name when the repository has `refs`. */
function outcomes(refs: Record<string, string>, ...updates: RefUpdate[]): Record<string, string> {
  const current = new Map(Object.entries(refs).map(([name, sha]) => [`refs/heads/${name}`, sha]));
  const plan = planRefUpdates(updates, current, current.keys());
  return Object.fromEntries([...plan.outcomes].map(([name, outcome]) => [name.slice('refs/heads/'.length), outcome]));
}

describe('planning ref updates', () => {
  it('applies what stands where it is expected and leaves out the rest', () => {
    const updates = [to('x', A, B), to('y', B, A), to('z', null, A), to('gone', A, null), to('new', A, B)];
    expect(outcomes({ x: A, y: A, z: A }, ...updates)).toEqual({
      x: 'done',
      y: 'moved',
      z: 'moved',
      gone: 'moved',
      new: 'moved',
    });
  });

  it('does not look where anything will do, yet deletes only what is there', () => {
    expect(outcomes({ x: A }, to('x', 'any', B), to('y', 'any', B), to('z', 'any', null))).toEqual({
      x: 'done',
      y: 'done',
      z: 'moved',
    });
  });

  it('finds clashes with existing names and between new ones', () => {
    expect(outcomes({ 'a/b': A }, to('a', null, A), to('a/b/c', null, A), to('a/c', null, A))).toEqual({
      a: 'clash',
      'a/b/c': 'clash',
      'a/c': 'done',
    });
    expect(outcomes({}, to('n', null, A), to('n/m', null, A))).toEqual({ n: 'done', 'n/m': 'clash' });
  });

  it('lets a deletion make room, whatever the order', () => {
    expect(outcomes({ 'a/b': A }, to('a', null, A), to('a/b', A, null))).toEqual({ a: 'done', 'a/b': 'done' });
    expect(outcomes({ 'a/b': A, 'a/c': A }, to('a', null, A), to('a/b', A, null))).toEqual({
      a: 'clash',
      'a/b': 'done',
    });
  });

  it('agrees with the plain search for clashes on random names', async () => {
    const name = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join('/'));
    await property(fc.tuple(fc.uniqueArray(name), fc.uniqueArray(name)), ([existing, wanted]) => {
      const refs = new Set<string>();
      for (const item of existing)
        if (conflictingRef(refs, `refs/heads/${item}`) === null) refs.add(`refs/heads/${item}`);
      const current = new Map([...refs].map((ref) => [ref, A]));
      const plan = planRefUpdates(
        wanted.map((item) => to(item, 'any', B)),
        current,
        refs,
      );
      for (const item of wanted) {
        const full = `refs/heads/${item}`;
        const clash = !refs.has(full) && conflictingRef(refs, full) !== null;
        expect([item, plan.outcomes.get(full)]).toEqual([item, clash ? 'clash' : 'done']);
        if (!clash) refs.add(full);
      }
    });
  });
});
