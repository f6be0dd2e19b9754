import { type CheckoutDiff, MAX_PATCH_BYTES, toCheckoutDiff } from './checkout-diff.js';

const raw = (status: string, ...paths: string[]): string =>
  `:100644 100644 ${'1'.repeat(40)} ${'0'.repeat(40)} ${status}\0${paths.join('\0')}\0`;
const section = (path: string, text: string): string => `diff --git a/${path} b/${path}\n@@ -1 +1 @@\n${text}\n`;

function diffOf(parts: { changes: string; patch?: string; status?: string; localPatch?: string | null }): CheckoutDiff {
  const { changes, patch = '', status = '', localPatch = null } = parts;
  return toCheckoutDiff({
    baseRef: Buffer.from('origin/main'),
    status: Buffer.from(status),
    changes: Buffer.from(changes),
    patch: Buffer.from(patch),
    localPatch: localPatch === null ? null : Buffer.from(localPatch),
  });
}

describe('a diff of a checkout', () => {
  it('counts lines and names renames, binaries and what is committed', () => {
    const { files, summary, baseRef } = diffOf({
      changes: `${raw('M', 'a')}${raw('R090', 'old', 'new')}${raw('A', 'bin')}2\t1\ta\x000\t3\t\0old\0new\0-\t-\tbin\0`,
      patch: section('a', '+1'),
      status: `1 MM N... 100644 100644 100644 1 2 a\0? bin\0`,
      localPatch: section('a', '+2'),
    });
    expect(baseRef).toBe('origin/main');
    expect(summary).toEqual({ totalFiles: 3, totalAdditions: 2, totalDeletions: 4 });
    expect(files).toEqual([
      {
        path: 'a',
        status: 'modified',
        stagingStatus: 'partial',
        additions: 2,
        deletions: 1,
        diff: section('a', '+1'),
        localDiff: section('a', '+2'),
      },
      expect.objectContaining({ path: 'new', oldPath: 'old', status: 'renamed', stagingStatus: 'staged' }),
      expect.objectContaining({ path: 'bin', status: 'added', stagingStatus: 'unstaged', binary: true }),
    ]);
  });

  it('leaves out the text of generated files, of long ones and of what has no room', () => {
    const long = section('long', '+'.repeat(140_000));
    const many = Array.from({ length: 12 }, (_, index) => section(`f${index}`, '+'.repeat(100_000)));
    const { files } = diffOf({
      changes: raw('M', 'web/yarn.lock') + raw('M', 'long') + many.map((_, index) => raw('M', `f${index}`)).join(''),
      patch: section('web/yarn.lock', '+1') + long + many.join(''),
    });
    expect(files[0]).toMatchObject({ generated: true, diff: '' });
    expect(files[0]).not.toHaveProperty('truncated');
    expect(files[1]).toMatchObject({ truncated: true, diff: '' });
    expect(files.slice(2).filter(({ truncated }) => truncated)).toHaveLength(2);
  });

  it('says so of files whose text lies behind the end of a long output', () => {
    const filler = section('a', `+${'x'.repeat(MAX_PATCH_BYTES)}`).slice(0, MAX_PATCH_BYTES);
    expect(diffOf({ changes: raw('M', 'a') + raw('M', 'b'), patch: filler }).files).toMatchObject([
      { path: 'a', truncated: true },
      { path: 'b', truncated: true },
    ]);
  });

  it('lists 2,000 files and counts all, and stores what a database takes', () => {
    const changes = Array.from({ length: 2_100 }, (_, index) => raw('A', `f${index}`)).join('');
    const { files, summary } = diffOf({ changes, patch: section('f0', '+a\0b') });
    expect([files.length, summary.totalFiles]).toEqual([2_000, 2_100]);
    expect(files[0]?.diff).toContain('+a\ufffdb');
  });
});
