import type { GitOperations as ClientOperations } from '#repos';
import { OPERATIONS } from './operations/all.js';
import type { GitOperations } from './wire.js';

/** `true` only when both are the same type, member for member. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

const SAME: { [N in keyof GitOperations | keyof ClientOperations]: Same<GitOperations[N], ClientOperations[N]> } = {
  'upload-pack': true,
  'check-wants': true,
  'index-pack': true,
  connectivity: true,
  'is-ancestor': true,
  'merge-base': true,
  maintenance: true,
  fsck: true,
  'count-objects': true,
  'fast-import': true,
  'cat-file': true,
};

describe('the wire of the runner', () => {
  it('serves every operation of the agreed table under its own name', () => {
    expect(Object.keys(OPERATIONS).sort()).toEqual(Object.keys(SAME).sort());
    for (const [name, operation] of Object.entries(OPERATIONS)) expect(operation.name).toBe(name);
  });
});
