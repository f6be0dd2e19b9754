import { Preconditions } from './preconditions.js';

const of = (match: string | undefined, noneMatch?: string): Preconditions =>
  Preconditions.of({ 'if-match': match, 'if-none-match': noneMatch });

it.each([
  [undefined, '"a"', true],
  [undefined, null, true],
  ['*', '"a"', true],
  ['*', null, false],
  ['"a"', '"a"', true],
  ['"b" , "a"', '"a"', true],
  [',, "b","a",', '"a"', true],
  ['"b"', '"a"', false],
  ['W/"a"', '"a"', false],
  ['W/"a", "a"', '"a"', true],
  ['"x,y"', '"x,y"', true],
  ['"x,y"', '"y"', false],
  ['""', '""', true],
  ['', '"a"', false],
])('If-Match: %s is true of %s: %s', (header, current, expected) => {
  expect(of(header).isMatched(current)).toBe(expected);
});

it.each([
  [undefined, '"a"', false],
  ['*', '"a"', true],
  ['*', null, false],
  ['"a"', '"a"', true],
  ['"b", W/"a"', '"a"', true],
  ['"b", "c"', '"a"', false],
  ['"a"', null, false],
])('If-None-Match: %s rules %s out: %s', (header, current, expected) => {
  expect(of(undefined, header).isRuledOut(current)).toBe(expected);
});

it.each(['a', '"a', '"a" "b"', 'w/"a"', 'W/ "a"', '*, "a"', '"a b"', '"a";', `${'"a",'.repeat(3_000)}x`])(
  'refuses %.20s, which is no list of tags',
  (header) => {
    expect(() => of(header)).toThrow('If-Match must be ETags with commas, or *');
    expect(() => of(undefined, header)).toThrow('If-None-Match must be');
  },
);

it('asks for both where both are given', () => {
  expect(() => of('"a"', '"b"').assertMet('"a"')).not.toThrow();
  expect(() => of('"a"', '"a"').assertMet('"a"')).toThrow('not what the request presumes');
  expect(() => of('"b"', '"b"').assertMet('"a"')).toThrow('not what the request presumes');
  expect(() => of('"a"', '"a"').assertMatched('"a"')).not.toThrow();
});
