import { ANY_BUT_NEWLINE, CharSet, CLASSES } from './char-set.js';

/** A pattern as a tree. Nothing in it needs backtracking. */
export type Node =
  | { readonly kind: 'chars'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'choice'; readonly options: readonly Node[] }
  | {
      readonly kind: 'repeat';
      readonly item: Node;
      readonly min: number;
      readonly max: number;
      readonly lazy: boolean;
    };

export type Assertion = 'start' | 'end' | 'word_boundary' | 'not_word_boundary';

/** Why a pattern is refused, in words for whoever wrote it. */
export class PatternRefused extends Error {
  constructor(
    message: string,
    readonly position: number,
  ) {
    super(`${message} at position ${position}`);
    this.name = 'PatternRefused';
  }
}

export const MAX_PATTERN_LENGTH = 500;
export const MAX_REPEAT = 1000;
const MAX_NESTING = 20;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', '0': '\0' };
const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  b: 'word_boundary',
  B: 'not_word_boundary',
  A: 'start',
  Z: 'end',
  z: 'end',
};

/**
 * Parses the subset of regular expressions that a linear matcher runs: literals, classes, groups, choices, repetitions
 * (also lazy and counted), `^ $ \b \B \A \Z`, and `(?i)` in front. Look-around, back-references, atomic groups,
 * possessive repetitions and Unicode properties are refused by name.
 */
export function parsePattern(source: string): Node {
  if (source.length > MAX_PATTERN_LENGTH)
    throw new PatternRefused(`Longer than ${MAX_PATTERN_LENGTH} characters`, MAX_PATTERN_LENGTH);
  const ignoresCase = source.startsWith('(?i)');
  const parser = new Parser(source, ignoresCase ? 4 : 0, ignoresCase);
  return parser.parse();
}

class Parser {
  private depth = 0;

  constructor(
    private readonly source: string,
    private position: number,
    private readonly ignoresCase: boolean,
  ) {}

  parse(): Node {
    const node = this.choice();
    if (this.position < this.source.length) this.refuse('Unmatched )');
    return node;
  }

  private refuse(message: string): never {
    throw new PatternRefused(message, this.position);
  }

  private peek(): string {
    return this.source[this.position] ?? '';
  }

  private take(expected: string): boolean {
    if (!this.source.startsWith(expected, this.position)) return false;
    this.position += expected.length;
    return true;
  }

  private choice(): Node {
    this.depth += 1;
    if (this.depth > MAX_NESTING) this.refuse(`Groups nested deeper than ${MAX_NESTING}`);
    const options = [this.sequence()];
    while (this.take('|')) options.push(this.sequence());
    this.depth -= 1;
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'choice', options };
  }

  private sequence(): Node {
    const items: Node[] = [];
    while (this.position < this.source.length && this.peek() !== '|' && this.peek() !== ')') {
      items.push(this.repeated(this.atom()));
    }
    return { kind: 'sequence', items };
  }

  private repeated(item: Node): Node {
    const bounds = this.bounds();
    if (bounds === undefined) return item;
    if (item.kind === 'assert') this.refuse('Nothing to repeat');
    if (this.peek() === '+') this.refuse('Possessive repetition is not supported');
    const lazy = this.take('?');
    if (this.bounds() !== undefined) this.refuse('Repetition of a repetition');
    return { kind: 'repeat', item, ...bounds, lazy };
  }

  private bounds(): { min: number; max: number } | undefined {
    if (this.take('*')) return { min: 0, max: Infinity };
    if (this.take('+')) return { min: 1, max: Infinity };
    if (this.take('?')) return { min: 0, max: 1 };
    const counted = /^\{(\d{1,6})(,?)(\d{0,6})\}/.exec(this.source.slice(this.position, this.position + 20));
    if (counted === null) return undefined;
    const [text, least = '', comma, most = ''] = counted;
    const min = Number(least);
    const max = comma === '' ? min : most === '' ? Infinity : Number(most);
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) this.refuse(`Repetition above ${MAX_REPEAT}`);
    if (max < min) this.refuse('Repetition bounds out of order');
    this.position += text.length;
    return { min, max };
  }

  private atom(): Node {
    const char = this.peek();
    this.position += 1;
    switch (char) {
      case '(':
        return this.group();
      case '[':
        return { kind: 'chars', set: this.classSet() };
      case '.':
        return { kind: 'chars', set: ANY_BUT_NEWLINE };
      case '^':
        return { kind: 'assert', what: 'start' };
      case '$':
        return { kind: 'assert', what: 'end' };
      case '\\':
        return this.escape();
      case '*':
      case '+':
      case '?':
        return this.refuse('Nothing to repeat');
      default:
        return this.literal(char);
    }
  }

  private group(): Node {
    if (this.take('?')) this.groupOption();
    const node = this.choice();
    if (!this.take(')')) this.refuse('Missing )');
    return node;
  }

  private groupOption(): void {
    const name = /^P?<[A-Za-z_]\w{0,63}>/.exec(this.source.slice(this.position, this.position + 70))?.[0];
    if (name !== undefined) this.position += name.length;
    else if (/^<?[=!]/.test(this.source.slice(this.position, this.position + 2)))
      this.refuse('Look-around is not supported');
    else if (!this.take(':')) this.refuse('This kind of group is not supported');
  }

  private escape(): Node {
    const char = this.peek();
    const assertion = ASSERTIONS[char];
    if (assertion !== undefined) {
      this.position += 1;
      return { kind: 'assert', what: assertion };
    }
    if (/[1-9k]/.test(char)) this.refuse('Back-references are not supported');
    const set = CLASSES[char];
    if (set === undefined) return this.literal(this.escapedChar());
    this.position += 1;
    return { kind: 'chars', set };
  }

  /** The character an escape stands for; the position is after the backslash. */
  private escapedChar(): string {
    const hex = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(this.source.slice(this.position, this.position + 5));
    if (hex !== null) {
      this.position += hex[0].length;
      return String.fromCharCode(parseInt(hex[1] ?? hex[2] ?? '', 16));
    }
    const char = this.peek();
    if (char === '') this.refuse('Nothing after the last backslash');
    this.position += 1;
    if (ESCAPES[char] !== undefined) return ESCAPES[char];
    if (/[A-Za-z0-9]/.test(char)) this.refuse(`The escape \\${char} is not supported`);
    return char;
  }

  private literal(char: string): Node {
    return { kind: 'chars', set: this.cased(CharSet.of([char, char])) };
  }

  private cased(set: CharSet): CharSet {
    return this.ignoresCase ? set.ignoringCase() : set;
  }

  private classSet(): CharSet {
    const isNegated = this.take('^');
    let set = new CharSet([]);
    let isFirst = true;
    while (isFirst || this.peek() !== ']') {
      if (this.position >= this.source.length) this.refuse('Missing ]');
      set = set.union(this.classItem());
      isFirst = false;
    }
    this.position += 1;
    return isNegated ? this.cased(set).negated() : this.cased(set);
  }

  private classItem(): CharSet {
    const first = this.classChar();
    if (typeof first !== 'string') return first;
    const isRange = this.peek() === '-' && ![']', ''].includes(this.source[this.position + 1] ?? '');
    if (!isRange) return CharSet.of([first, first]);
    this.position += 1;
    const last = this.classChar();
    if (typeof last !== 'string' || last < first) this.refuse('Bad range in a class');
    return CharSet.of([first, last]);
  }

  private classChar(): string | CharSet {
    const char = this.peek();
    this.position += 1;
    if (/[\ud800-\udfff]/.test(char)) this.refuse('Characters beyond U+FFFF are not supported in a class');
    if (char !== '\\') return char;
    const set = CLASSES[this.peek()];
    if (set === undefined)
      return this.peek() === 'b' ? this.refuse('The escape \\b is not supported') : this.escapedChar();
    this.position += 1;
    return set;
  }
}
