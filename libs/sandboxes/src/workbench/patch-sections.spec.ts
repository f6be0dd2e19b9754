import { patchSections } from './patch-sections.js';

const sections = (patch: string, isCut = false): [string, string][] =>
  [...patchSections(Buffer.from(patch), isCut)].map(([path, section]) => [path, section.toString()]);

const CHANGED =
  'diff --git a/src/a b.ts b/src/a b.ts\nindex 1..2 100644\n--- a/src/a b.ts\n+++ b/src/a b.ts\n@@ -1 +1 @@\n-x\n+y\n';

describe('the sections of a patch', () => {
  it('are told apart by their headers only, whatever the files hold', () => {
    const tricky = `${CHANGED.slice(0, -1)}\n diff --git a/fake b/fake\n+diff --git a/fake b/fake\n`;
    expect(sections(`${tricky}${CHANGED.replaceAll('a b.ts', 'c')}`)).toEqual([
      ['src/a b.ts', tricky],
      ['src/c', CHANGED.replaceAll('a b.ts', 'c')],
    ]);
  });

  it.each<[string, string]>([
    ['diff --git a/x b/y b/x b/y\nnew mode 100755\n', 'x b/y'],
    ['diff --git a/old b/new name\nsimilarity index 90%\nrename from old\nrename to new name\n', 'new name'],
    ['diff --git a/a b/b b/a\nsimilarity index 90%\nrename from a b/b\nrename to a\n', 'a'],
    ['diff --git "a/t\\tq\\"b\\\\s\\303\\244" "b/t\\tq\\"b\\\\s\\303\\244"\nnew mode 100755\n', 't\tq"b\\sä'],
    ['diff --git a/ä b/ä\nnew mode 100755\n', 'ä'],
  ])('know their path: %j', (patch, path) => expect(sections(patch)).toEqual([[path, patch]]));

  it('are one where a file became a link', () => {
    const gone = 'diff --git a/l b/l\ndeleted file mode 100644\n';
    const come = 'diff --git a/l b/l\nnew file mode 120000\n';
    expect(sections(gone + come)).toEqual([['l', gone + come]]);
  });

  it('lack the last one when the output was cut off', () => {
    expect(sections(CHANGED + CHANGED.replaceAll('a b.ts', 'c').slice(0, -3), true)).toEqual([['src/a b.ts', CHANGED]]);
    expect(sections('', true)).toEqual([]);
    expect(sections('garbage')).toEqual([]);
  });
});
