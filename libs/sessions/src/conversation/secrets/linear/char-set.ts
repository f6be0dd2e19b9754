const ASCII = 128;

/** A set of UTF-16 units: a table for ASCII, ranges for the rest. */
export class CharSet {
  private readonly ascii = new Uint8Array(ASCII);

  constructor(readonly ranges: readonly (readonly [first: number, last: number])[]) {
    for (const [first, last] of ranges) this.ascii.fill(1, Math.min(first, ASCII), Math.min(last + 1, ASCII));
  }

  has(unit: number): boolean {
    if (unit < ASCII) return this.ascii[unit] === 1;
    return this.ranges.some(([first, last]) => unit >= first && unit <= last);
  }

  negated(): CharSet {
    const sorted = this.ranges.toSorted(([a], [b]) => a - b);
    const gaps: [number, number][] = [];
    let next = 0;
    for (const [first, last] of sorted) {
      if (first > next) gaps.push([next, first - 1]);
      next = Math.max(next, last + 1);
    }
    if (next <= 0xffff) gaps.push([next, 0xffff]);
    return new CharSet(gaps);
  }

  union(other: CharSet): CharSet {
    return new CharSet([...this.ranges, ...other.ranges]);
  }

  /** With the other case of every ASCII letter in it. */
  ignoringCase(): CharSet {
    const flipped = this.ranges.flatMap(([first, last]) => [
      ...shifted(first, last, 'A', 'Z', 32),
      ...shifted(first, last, 'a', 'z', -32),
    ]);
    return new CharSet([...this.ranges, ...flipped]);
  }

  static of(...ranges: readonly (readonly [string, string])[]): CharSet {
    return new CharSet(ranges.map(([first, last]) => [first.charCodeAt(0), last.charCodeAt(0)]));
  }
}

function shifted(first: number, last: number, from: string, to: string, by: number): [number, number][] {
  const low = Math.max(first, from.charCodeAt(0));
  const high = Math.min(last, to.charCodeAt(0));
  return low > high ? [] : [[low + by, high + by]];
}

const DIGIT = CharSet.of(['0', '9']);
const WORD = CharSet.of(['a', 'z'], ['A', 'Z'], ['0', '9'], ['_', '_']);
const SPACE = CharSet.of(['\t', '\r'], [' ', ' '], ['\u00a0', '\u00a0'], ['\u2000', '\u200a'], ['\u3000', '\u3000']);

/** `\d`, `\w`, `\s` and their opposites. */
export const CLASSES: Readonly<Record<string, CharSet>> = {
  d: DIGIT,
  D: DIGIT.negated(),
  w: WORD,
  W: WORD.negated(),
  s: SPACE,
  S: SPACE.negated(),
};

export const ANY_BUT_NEWLINE = CharSet.of(['\n', '\n']).negated();
export const isWordUnit = (unit: number): boolean => WORD.has(unit);
