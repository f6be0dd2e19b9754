import fc from 'fast-check';
import { shellSegments } from './shell-words.js';

const ROUNDS = Number(process.env.ROUNDS ?? 1000);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

describe('a shell line', () => {
  it.each([
    [
      'cd web && npm test',
      [
        ['cd', 'web'],
        ['npm', 'test'],
      ],
    ],
    [
      'FOO=1 sudo timeout 60 npx --yes jest "a b" | tail -5',
      [
        ['jest', 'a b'],
        ['tail', '-5'],
      ],
    ],
    ["git commit -m 'fix; all' # done", [['git', 'commit', '-m', 'fix; all']]],
    ["cat > a.txt <<'EOF'\nrm -rf x\nEOF\nls", [['cat'], ['ls']]],
    ['make 2>&1; echo $?', [['make'], ['echo', '$?']]],
    ['uv run pytest \\\n -q', [['pytest', '-q']]],
    ['', []],
  ])('of %j has these commands', (line, words) => {
    expect(shellSegments(line).map((segment) => segment.words)).toEqual(words);
  });

  it.each([
    ['echo hi >> docs/a.md 2>/dev/null', ['docs/a.md']],
    ['make > build.log 2>&1', ['build.log']],
    ["cat <<EOF > 'my file'\nx\nEOF", ['my file']],
    ['test $x < in.txt', []],
  ])('of %j writes to', (line, files) => {
    expect(shellSegments(line).flatMap((segment) => segment.writesTo)).toEqual(files);
  });

  it('of any text is read to its end', () => {
    const part = fc.oneof(fc.constantFrom(...'\'"\\<>&|;()#\n $`'.split(''), '<<', 'EOF', 'a'), fc.string());
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        expect(Array.isArray(shellSegments(parts.join('')))).toBe(true);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});
