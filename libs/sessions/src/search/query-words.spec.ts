import { queryParts } from './query-words.js';

const parts = (query: string): string[] => queryParts(query).map(({ kind, text }) => `${kind} ${text}`);

describe('the parts of a query', () => {
  it.each<[string, string[]]>([
    ['fix the parser', ['word fix', 'word the', 'word parser']],
    ['"exit code" parser', ['phrase exit code', 'word parser']],
    ['"parser"', ['word parser']],
    ['kuber* fooB*', ['prefix kuber', 'prefix fooB']],
    ['call foo.bar(), then src/a.ts:7', ['word call', 'word foo.bar', 'word then', 'word src/a.ts:7']],
    ['-word +more OR "unclosed', ['word word', 'word more', 'word OR', 'word unclosed']],
    ['Same same SAME', ['word SAME']],
    ['*', []],
    ['"" () => !', []],
    ['', []],
  ])('of %j', (query, expected) => expect(parts(query)).toEqual(expected));

  it('are few, however long the query', () => {
    expect(queryParts(Array.from({ length: 250 }, (_, index) => `w${index}`).join(' '))).toHaveLength(32);
  });
});
