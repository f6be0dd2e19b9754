import { suggestedPaths } from './suggested-paths.js';

const pathsOf = (...names: string[]): string[] =>
  suggestedPaths(Buffer.from(names.map((name) => `${name}\0`).join(''))).map(({ display }) => display);

describe('the paths that are suggested', () => {
  it('are the files and their directories, shallow first, then by name', () => {
    expect(pathsOf('src/b/c.ts', 'z.txt', 'a.txt', 'src/a.ts', 'nested/')).toEqual([
      'a.txt',
      'nested/',
      'src/',
      'z.txt',
      'src/a.ts',
      'src/b/',
      'src/b/c.ts',
    ]);
    expect(suggestedPaths(Buffer.from('d/f\0'))).toEqual([
      { value: 'd', display: 'd/', isDirectory: true },
      { value: 'd/f', display: 'd/f', isDirectory: false },
    ]);
  });

  it('are at most 5,000, the shallowest, however many there are and in whatever order', () => {
    const deep = Array.from({ length: 30_000 }, (_, index) => `d/e/${String(index).padStart(5, '0')}`);
    const paths = pathsOf(...deep.reverse(), 'top');
    expect(paths).toHaveLength(5_000);
    expect(paths.slice(0, 4)).toEqual(['d/', 'top', 'd/e/', 'd/e/00000']);
    expect(paths.at(-1)).toBe('d/e/04996');
  });

  it('leave out a name that was cut off', () => {
    expect(suggestedPaths(Buffer.from('a\0half'))).toHaveLength(1);
  });
});
