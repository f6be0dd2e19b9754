import fc from 'fast-check';
import { DomainError } from '#kernel';
import type { Edit } from './commit-request.js';
import { applyEdits } from './surgical-edit.js';

const ROUNDS = Number(process.env.ROUNDS ?? 1000);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

function replace(old: string, replacement: string): Edit {
  return { kind: 'string', oldBytes: Buffer.from(old), newBytes: Buffer.from(replacement), context: old.slice(0, 80) };
}

function lines(start: number, end: number, content = ''): Edit {
  return { kind: 'range', start, end, content: Buffer.from(content) };
}

function applied(text: string, ...edits: Edit[]): string {
  return applyEdits(Buffer.from(text), edits).toString();
}

function refusal(text: string, ...edits: Edit[]): { message: string; context: unknown } {
  try {
    applied(text, ...edits);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error.code).toBe('unprocessable');
    return { message: error.message, context: error.details.context };
  }
  throw new Error('the edit was applied');
}

const NOT_FOUND = 'String not found in file. Ensure old_string is unique and exact.';
const AMBIGUOUS = 'old_string matches multiple locations. Provide more context to make it unique.';

describe('string edits', () => {
  it('run in order, each against the result of the one before', () => {
    expect(applied('a b', replace('a', 'c'), replace('c b', 'done'))).toBe('done');
    expect(applied('one two three', replace(' two', ''))).toBe('one three');
  });

  it('refuse text that is absent, naming what was searched', () => {
    expect(refusal('a', replace('b'.repeat(100), ''))).toEqual({ message: NOT_FOUND, context: 'b'.repeat(80) });
  });

  it('refuse text that occurs twice, overlaps itself or is empty', () => {
    expect(refusal('x y x', replace('x', ''))).toEqual({ message: AMBIGUOUS, context: 'x' });
    expect(refusal('aaa', replace('aa', ''))).toEqual({ message: AMBIGUOUS, context: 'aa' });
    expect(refusal('abc', replace('', 'x'))).toEqual({ message: AMBIGUOUS, context: '' });
    expect(refusal('', replace('', 'x'))).toEqual({ message: AMBIGUOUS, context: '' });
  });

  it('take the replacement literally', () => expect(applied('a', replace('a', "$& $1 $'"))).toBe("$& $1 $'"));

  it('leave every other byte alone: BOM, CRLF, invalid UTF-8', () => {
    const before = Buffer.from('\ufeffa\r\nb\r\n').subarray(0);
    const binary = Buffer.concat([before, Buffer.from([0xff, 0, 0xc3])]);
    const after = Buffer.concat([Buffer.from('\ufeffa\r\nBB\r\n'), Buffer.from([0xff, 0, 0xc3])]);
    expect(applyEdits(binary, [replace('b', 'BB')])).toEqual(after);
    expect(applyEdits(binary, [lines(2, 2, 'BB\r')])).toEqual(after);
  });
});

describe('range edits', () => {
  it('replace, delete and append whole lines', () => {
    expect(applied('1\n2\n3\n4\n', lines(2, 3, 'x'))).toBe('1\nx\n4\n');
    expect(applied('1\n2\n3\n', lines(2, 2))).toBe('1\n3\n');
    expect(applied('1\n2', lines(3, 3, '3'))).toBe('1\n2\n3');
    expect(applied('1\n2\n', lines(3, 3, '3\n'))).toBe('1\n2\n3\n');
    expect(applied('', lines(1, 1, 'x'))).toBe('x');
    expect(applied('1\n2\n', lines(1, 3))).toBe('');
  });

  it('clamp the end and drop the last newline with the last line', () => {
    expect(applied('1\n2\n3\n', lines(2, 99, 'x'))).toBe('1\nx');
  });

  it('number lines by the text before any of them, after string edits', () => {
    expect(applied('1\n2\n3', lines(1, 1, 'a\nb\nc'), lines(3, 3, 'z'))).toBe('a\nb\nc\n2\nz');
    expect(applied('1\n2', lines(3, 3, 'end'), replace('1', '1\n1.5'))).toBe('1\n1.5\nend');
  });

  it('refuse ranges outside the file, saying how long it is', () => {
    const outside = (start: number, end: number) => refusal('1\n2\n3\n4\n', lines(start, end));
    const message = (start: number, end: number) => `Invalid range [${start}, ${end}]. File has 5 lines.`;
    for (const [start, end] of [
      [0, 1],
      [3, 2],
      [7, 7],
      [-1, 2],
    ] as const) {
      expect(outside(start, end)).toEqual({ message: message(start, end), context: '' });
    }
  });

  it('refuse overlapping ranges, also when they only meet after clamping', () => {
    const message = 'Range [2, 4] overlaps another range that ends at line 2.';
    expect(refusal('1\n2\n3\n4', lines(2, 4), lines(1, 2))).toEqual({ message, context: '' });
    expect(refusal('1', lines(2, 2, 'a'), lines(2, 9, 'b')).message).toContain('overlaps');
    expect(applied('1\n2', lines(2, 99, 'x'), lines(3, 3, 'y'))).toBe('1\nx\ny');
  });
});

describe('against the contract written down naively', () => {
  /** Rules 2 to 6 of contract 4.3 on text. */
  function naive(text: string, edits: readonly Edit[]): string | null {
    let current = text;
    for (const edit of edits) {
      if (edit.kind !== 'string') continue;
      const places = [...current].filter((_, at) => current.startsWith(edit.oldBytes.toString(), at));
      if (edit.oldBytes.length === 0 || places.length !== 1) return null;
      current = current.replace(edit.oldBytes.toString(), () => edit.newBytes.toString());
    }
    const ranges = edits.filter((edit) => edit.kind === 'range').sort((one, other) => other.start - one.start);
    const split = current.split('\n');
    const count = split.length;
    let above = Infinity;
    for (const { start, end, content } of ranges) {
      if (start < 1 || end < start || start > count + 1) return null;
      const last = Math.max(start, Math.min(end, count));
      if (last >= above) return null;
      above = start;
      split.splice(start - 1, last - start + 1, ...(content.length === 0 ? [] : content.toString().split('\n')));
    }
    return split.join('\n');
  }

  it('gives the same text or refuses the same edits', () => {
    const text = fc.array(fc.constantFrom('a', 'b', '\n', '\r\n'), { maxLength: 12 }).map((parts) => parts.join(''));
    const edit = fc.oneof(
      fc.tuple(text, text).map(([old, replacement]) => replace(old.slice(0, 3), replacement)),
      fc
        .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 4 }), text)
        .map(([start, more, content]) => lines(start, start + more, content)),
    );
    const outcomes = { applied: 0, refused: 0 };
    fc.assert(
      fc.property(text, fc.array(edit, { minLength: 1, maxLength: 3 }), (before, edits) => {
        const expected = naive(before, edits);
        if (expected === null) refusal(before, ...edits);
        else expect(applied(before, ...edits)).toBe(expected);
        outcomes[expected === null ? 'refused' : 'applied'] += 1;
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
    expect(outcomes.applied).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});
