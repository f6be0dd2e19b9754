import fc from 'fast-check';
import { excerpt, marked } from './highlights.js';

const needles = (words: readonly string[], literals: readonly string[] = []) => ({ words: new Set(words), literals });

describe('an excerpt', () => {
  it('shows words and literals in any case, merged where they overlap', () => {
    const found = excerpt('Call fooBar in src/fooBar.ts; FOOBAR', needles(['foobar'], ['src/foobar.ts', 'foobar']));
    expect(marked(found!)).toBe('Call <mark>fooBar</mark> in <mark>src/fooBar.ts</mark>; <mark>FOOBAR</mark>');
  });

  it('shows an identifier of which a part was looked for', () => {
    expect(marked(excerpt('see read_line now', needles(['line']))!)).toBe('see <mark>read_line</mark> now');
  });

  it('escapes what is markup in the text', () => {
    expect(marked(excerpt(`<img src=x onerror="a('b')"> & tab`, needles(['tab', 'img']))!)).toBe(
      '&lt;<mark>img</mark> src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt; &amp; <mark>tab</mark>',
    );
  });

  it('is cut around the place where most different words stand', () => {
    const text = `alpha ${'filler '.repeat(100)}alpha beta gamma ${'filler '.repeat(100)}beta`;
    const found = excerpt(text, needles(['alpha', 'beta', 'gamma']))!;
    expect(marked(found)).toContain('<mark>alpha</mark> <mark>beta</mark> <mark>gamma</mark>');
    expect(found.text.length).toBeLessThanOrEqual(240);
    expect(found.text).toMatch(/^filler/);
  });

  it('is nothing when nothing matches', () => expect(excerpt('plain', needles(['other']))).toBeNull());

  it('holds for any text: highlights are in order, inside of it, and whole characters', () => {
    const literal = fc.string({ unit: 'binary', minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 600 }),
        fc.array(literal, { maxLength: 4 }),
        (text, literals) => {
          const found = excerpt(
            text.toWellFormed(),
            needles(
              ['a', 'b'],
              literals.map((some) => some.toWellFormed()),
            ),
          );
          if (!found) return;
          let at = 0;
          for (const { start, end } of found.highlights) {
            expect(start).toBeGreaterThanOrEqual(at);
            expect(end).toBeGreaterThan(start);
            at = end;
          }
          expect(at).toBeLessThanOrEqual(found.text.length);
          expect(marked(found).replaceAll(/<\/?mark>/g, '')).not.toMatch(/[<>"']/);
          expect(found.text.isWellFormed()).toBe(true);
        },
      ),
    );
  });
});
