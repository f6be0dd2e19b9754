import fc from 'fast-check';
import { identifiers } from './identifiers.js';
import { readMessage } from './message.js';
import { SearchTextBuilder, type SearchChunk } from './search-text.js';

const ROUNDS = Number(process.env.ROUNDS ?? 300);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

function chunks(lines: readonly unknown[]): SearchChunk[] {
  const builder = new SearchTextBuilder();
  const found = lines.flatMap((line, index) => {
    const read = readMessage(JSON.stringify(line));
    return read.kind === 'message' ? [...builder.feed(read, index)] : [];
  });
  return [...found, ...builder.finish()];
}

const text = (value: string) => ({ role: 'user', content: [{ type: 'text', text: value }] });

describe('the search text of a conversation', () => {
  it('has text, calls and results in order, without thinking', () => {
    const lines = [
      text('Why does a tab break line 7?'),
      {
        content: [
          { type: 'thinking', text: 'secret thoughts' },
          { type: 'tool_use', tool_use_id: 'u1', name: 'Bash', input: { command: 'pytest -q', description: 'Run it' } },
          { type: 'tool_use', id: 'u2', tool_name: 'Read', input: { file_path: 'src/tabs.py', lines: [1, 2] } },
        ],
      },
      {
        role: 'tool',
        content: [{ type: 'tool_result', tool_use_id: 'u1', content: [{ type: 'text', text: '2 passed' }] }],
      },
      { role: 'assistant', content: 'Fixed.' },
    ];
    const expected = 'Why does a tab break line 7?\n[Bash] pytest -q\nRun it\n[Read]\nsrc/tabs.py\n2 passed\nFixed.';
    expect(chunks(lines)).toEqual([{ ordinal: 0, firstMessage: 0, lastMessage: 3, text: expected }]);
  });

  it('reaches the very end of five megabytes, in chunks of at most 8 KB that name their messages', () => {
    const lines = Array.from({ length: 500 }, (_, i) => text(`message${i} ${'lorem ipsum '.repeat(850)} end${i}`));
    const found = chunks(lines);
    expect(found.every((chunk) => chunk.text.length <= 8000)).toBe(true);
    expect(found.map(({ ordinal }) => ordinal)).toEqual(found.map((_, index) => index));
    expect(found.at(-1)).toMatchObject({ firstMessage: 499, lastMessage: 499 });
    expect(found.at(-1)?.text).toContain('end499');
  });

  it('keeps the end of a result of five megabytes', () => {
    const content = `${'x y '.repeat(1_250_000)}needle`;
    expect(chunks([{ content: [{ type: 'tool_result', content }] }]).at(-1)?.text).toContain('needle');
  });

  it('loses no word of up to 200 characters, wherever the cuts fall, and never holds NUL or half a character', () => {
    const word = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', '/', '😀', 'é'), minLength: 1, maxLength: 90 }),
      fc.constantFrom('x'.repeat(9000), '\0', '\ud800', ' \n'),
    );
    const line = fc.array(word, { maxLength: 400 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const found = chunks(lines.map(text));
        const words = new Set(found.flatMap((chunk) => chunk.text.split(/\s+/)));
        const lost = lines
          .flatMap((value) => value.replaceAll('\0', ' ').split(/\s+/))
          .filter((part) => {
            return part !== '' && part.length < 200 && part !== '\ud800' && !words.has(part);
          });
        expect(lost).toEqual([]);
        expect(found.every((chunk) => chunk.text.isWellFormed() && !chunk.text.includes('\0'))).toBe(true);
        expect(found.every((chunk) => chunk.text.length <= 8000)).toBe(true);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});

describe('the identifiers of a text', () => {
  it.each([
    ['call fooBar() now', ['foobar', 'foo', 'bar']],
    ['foo_bar', ['foo_bar', 'foobar', 'foo', 'bar']],
    ['--foo-bar=1', ['foo-bar', 'foobar', 'foo', 'bar']],
    [
      'in src/lib/HTTPServer2.ts:41',
      ['src/lib/httpserver2.ts:41', 'src', 'lib', 'httpserver2.ts', 'httpserver2', 'http', 'server', 'ts', '41'],
    ],
    ['ERR_MODULE_NOT_FOUND', ['err_module_not_found', 'errmodulenotfound', 'err', 'module', 'not', 'found']],
    ['this.rows.mapEach()', ['this.rows.mapeach', 'this.rows', 'thisrows', 'this', 'rows', 'mapeach', 'map', 'each']],
    ['error TS2322.', ['ts2322', 'ts', '2322']],
    ['plain words only, Really!', []],
  ])('of %j are', (value, expected) => expect(identifiers(value)).toEqual(expected));

  it('are bounded in number and length, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (value) => {
        const found = identifiers(value, 50);
        expect(found.length).toBeLessThanOrEqual(50);
        expect(found.every((token) => token.length > 1 && token.length <= 130)).toBe(true);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });

  it.each(['$', 'a.', 'aB', '/', 'a'.repeat(300) + '/'])('are looked for to the end in a megabyte of %j', (part) => {
    expect(identifiers(part.repeat(1_000_000 / part.length)).length).toBeLessThanOrEqual(4000);
  });
});
