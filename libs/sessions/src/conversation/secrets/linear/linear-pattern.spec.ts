import fc from 'fast-check';
import { LinearPattern, PatternTooSlow } from './linear-pattern.js';
import { PatternRefused } from './pattern-syntax.js';

const ROUNDS = Number(process.env.ROUNDS ?? 2000);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

const found = (source: string, text: string): string[] =>
  [...new LinearPattern(source).matches(text)].map(({ start, end }) => text.slice(start, end));

describe('a pattern in linear time', () => {
  it.each([
    ['ACME-\\d{4,6}', 'ACME-1234 ACME-12 ACME-1234567', ['ACME-1234', 'ACME-123456']],
    ['(?i)acme[_-]key', 'AcMe_KEY acme-key', ['AcMe_KEY', 'acme-key']],
    ['"(.*?)"', 'a "b" "c"', ['"b"', '"c"']],
    ['"(.*)"', 'a "b" "c"', ['"b" "c"']],
    ['\\bcat\\b|dog', 'cat concat dogs', ['cat', 'dog']],
    ['^x|y$', 'xyxy', ['x', 'y']],
    ['[^\\W\\d]+', 'ab1_c', ['ab', '_c']],
    ['(?P<id>a|ab)(?:c|bcd)', 'abcd', ['abcd']],
    ['[]a]+[.]\\x41\\u0042', ']a.AB', [']a.AB']],
    ['ü😀?', 'ü😀', ['ü😀']],
  ])('%s finds in %j', (source, text, expected) => expect(found(source, text)).toEqual(expected));

  it.each([
    ['(', /Missing \)/],
    [')', /Unmatched/],
    ['[a', /Missing \]/],
    ['a**', /Repetition of a repetition/],
    ['*a', /Nothing to repeat/],
    ['a{5,2}', /out of order/],
    ['a{1,5000}', /above 1000/],
    ['(a)\\1', /Back-references/],
    ['(?=a)b', /Look-around/],
    ['(?<!a)b', /Look-around/],
    ['(?>a)b', /kind of group/],
    ['a++', /Possessive/],
    ['\\p{L}', /escape/],
    ['a*', /empty text/],
    ['^', /empty text/],
    ['', /empty text/],
    ['a\\', /backslash/],
    ['[b-a]', /range/],
    ['((a{100}){100}){100}', /Too large/],
    ['('.repeat(30) + 'a' + ')'.repeat(30), /nested/],
    ['a'.repeat(501), /Longer/],
  ])('%s is refused', (source, message) => {
    expect(() => new LinearPattern(source)).toThrow(PatternRefused);
    expect(() => new LinearPattern(source)).toThrow(message);
  });

  it.each([
    ['(a+)+$', 'a'.repeat(50_000) + '!'],
    ['(a|a)*b', 'a'.repeat(50_000)],
    ['(a|aa)+$', 'a'.repeat(50_000) + '!'],
    ['(.*)*x', 'y'.repeat(50_000)],
    ['.*.*.*.*=', 'z'.repeat(50_000)],
    ['(x+x+)+y', 'x'.repeat(50_000)],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(50_000)],
    ['\\s*\\s*\\s*;', ' '.repeat(50_000)],
  ])('%s, which hangs a backtracking engine, ends', (source, text) => expect(found(source, text)).toEqual([]));

  it('gives up by steps, not silently, where even linear is too much', () => {
    expect(() => found('(a?){300}b', 'a'.repeat(100_000))).toThrow(PatternTooSlow);
  });

  it("finds what the language's own engine finds", () => {
    const atom = fc.constantFrom('a', 'b', 'ab', '.', '[ab]', '[^a]', '\\w', '\\b', '\\d', '(?:a|b)', '(a|ab)', 'c');
    const repeat = fc.constantFrom('', '', '', '+', '{2}', '{1,2}', '+?', '??');
    const piece = fc.tuple(atom, repeat).map(([item, times]) => (item === '\\b' ? item : item + times));
    const source = fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
    const either = fc.array(source, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|'));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '\n'), maxLength: 12 });
    fc.assert(
      fc.property(either, text, (pattern, input) => {
        const own = new RegExp(pattern, 'g');
        if (own.test('')) return;
        const matches = [...input.matchAll(new RegExp(pattern, 'g'))].map(([match]) => match);
        fc.pre(!matches.includes('') && isAccepted(pattern));
        expect(found(pattern, input)).toEqual(matches);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });

  it('is made or refused for any source, and nothing else happens', () => {
    const source = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.string({ unit: fc.constantFrom(...'()[]{}|*+?\\^$.,-01ab<=:!P'), maxLength: 20 }),
    );
    fc.assert(
      fc.property(source, (pattern) => {
        if (isAccepted(pattern)) expect(Array.isArray(found(pattern, 'aaa 111 bbb'))).toBe(true);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});

function isAccepted(source: string): boolean {
  try {
    return new LinearPattern(source).source === source;
  } catch (error) {
    if (error instanceof PatternRefused) return false;
    throw error;
  }
}
