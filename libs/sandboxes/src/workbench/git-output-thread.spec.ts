import { readdirSync } from 'node:fs';
import { toCheckoutDiff } from './checkout-diff.js';
import { readCheckoutDiff, readSuggestedPaths } from './git-output-thread.js';
import { suggestedPaths } from './suggested-paths.js';

const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `folder/file-${index}`);

/** How many threads this process has. */
const threads = (): number => readdirSync('/proc/self/task').length;

describe('what git says of a checkout', () => {
  it.each([
    [2, 0],
    [20_000, 1],
  ])('of %d names is read with %d threads more', async (count, more) => {
    const names = Buffer.from(
      many(count)
        .map((name) => `${name}\0`)
        .join(''),
    );
    const before = threads();
    const paths = readSuggestedPaths(names);
    expect(threads() - before).toBe(more);
    expect(await paths).toEqual(suggestedPaths(names));
  });

  it.each([
    [1, 0, null],
    [1_000, 1, Buffer.from('')],
  ])('of %d changes is compared with %d threads more', async (count, more, localPatch) => {
    const raw = many(count).map((name) => `:100644 100644 ${'1'.repeat(40)} ${'0'.repeat(40)} M\0${name}\0`);
    const patch = many(count).map((name) => `diff --git a/${name} b/${name}\n@@ -1 +1 @@\n+é\n`);
    const [changes, text] = [Buffer.from(raw.join('')), Buffer.from(patch.join(''))];
    const parts = { baseRef: Buffer.from('origin/main'), status: Buffer.alloc(0), changes, patch: text, localPatch };
    const before = threads();
    const diff = readCheckoutDiff(parts);
    expect(threads() - before).toBe(more);
    expect(await diff).toEqual(toCheckoutDiff(parts));
  });
});
