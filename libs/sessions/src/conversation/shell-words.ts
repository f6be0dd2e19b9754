import { head } from './bounded-text.js';

/** Longer scripts are read to here: what follows is data far more often than commands. */
const MAX_COMMAND = 20_000;
const MAX_SEGMENTS = 200;

/** One simple command of a shell line: its words, unquoted, and the files its output was redirected to. */
export interface ShellSegment {
  readonly words: readonly string[];
  readonly writesTo: readonly string[];
}

/** What wraps another command without changing what it does. */
const WRAPPERS = new Set([
  'sudo',
  'time',
  'nohup',
  'exec',
  'command',
  'env',
  'nice',
  'stdbuf',
  'builtin',
  'then',
  'do',
]);
const RUNNERS = new Set(['npx', 'bunx', 'pnpx', 'uvx']);
const RUN_SUBCOMMANDS = new Set(['uv run', 'poetry run', 'pipenv run', 'pnpm exec', 'yarn exec', 'bundle exec']);

interface Token {
  readonly kind: 'word' | 'operator' | 'redirect';
  readonly text: string;
}

/** Splits a shell line into its simple commands; quotes, comments and here-documents are honoured, expansion is not. */
export function shellSegments(command: string): ShellSegment[] {
  const segments: ShellSegment[] = [];
  let words: string[] = [];
  let writesTo: string[] = [];
  let redirecting = false;
  const close = (): void => {
    if ((words.length > 0 || writesTo.length > 0) && segments.length < MAX_SEGMENTS) segments.push({ words, writesTo });
    words = [];
    writesTo = [];
    redirecting = false;
  };
  for (const token of tokens(head(command, MAX_COMMAND))) {
    if (token.kind === 'operator') close();
    else if (token.kind === 'redirect') redirecting = token.text.includes('>');
    else if (redirecting) {
      if (!/^(\d|-|&|\/dev\/)/.test(token.text)) writesTo.push(token.text);
      redirecting = false;
    } else words.push(token.text);
  }
  close();
  return segments.map(({ words: all, writesTo: files }) => ({ words: unwrapped(all), writesTo: files }));
}

/** The words without assignments, `sudo`, `timeout 60`, `npx` and their like. */
function unwrapped(words: readonly string[]): readonly string[] {
  let rest = words;
  for (;;) {
    const [first = '', second = ''] = rest;
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(first) || WRAPPERS.has(first)) rest = rest.slice(1);
    else if (first === 'timeout' || first === 'gtimeout') rest = rest.slice(1 + optionsBefore(rest) + 1);
    else if (RUNNERS.has(first)) rest = rest.slice(1 + optionsBefore(rest));
    else if (RUN_SUBCOMMANDS.has(`${first} ${second}`)) rest = rest.slice(2);
    else return rest;
  }
}

function optionsBefore(words: readonly string[]): number {
  let count = 0;
  while (words[count + 1]?.startsWith('-') === true) count += 1;
  return count;
}

const OPERATOR = /&&|\|\||\|&|;;?|&|\||\n|[()]/y;
const REDIRECT = /(?:\d|&)?(?:>>|>\||>&|<<<|<<-?|>|<)/y;
const BLANK = /(?:[^\S\n]|\\\n)+/y;

function at(pattern: RegExp, text: string, index: number): string | undefined {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0];
}

function* tokens(text: string): Generator<Token> {
  let index = 0;
  const hereDocuments: string[] = [];
  let expectsMarker = false;
  while (index < text.length) {
    const blank = at(BLANK, text, index);
    if (blank !== undefined) index += blank.length;
    if (text[index] === '#') index = lineEnd(text, index);
    const redirect = at(REDIRECT, text, index);
    const operator = redirect === undefined ? at(OPERATOR, text, index) : undefined;
    if (redirect !== undefined) {
      index += redirect.length;
      expectsMarker = /<<-?$/.test(redirect);
      if (!expectsMarker) yield { kind: 'redirect', text: redirect };
    } else if (operator !== undefined) {
      index += operator.length;
      if (operator === '\n')
        for (const marker of hereDocuments.splice(0)) index = afterHereDocument(text, index, marker);
      yield { kind: 'operator', text: operator };
    } else if (index < text.length) {
      const word = readWord(text, index);
      index = word.end;
      if (expectsMarker) hereDocuments.push(word.text);
      else yield { kind: 'word', text: word.text };
      expectsMarker = false;
    }
  }
}

const lineEnd = (text: string, index: number): number => {
  const end = text.indexOf('\n', index);
  return end < 0 ? text.length : end;
};

function afterHereDocument(text: string, start: number, marker: string): number {
  let index = start;
  while (index < text.length) {
    const end = lineEnd(text, index);
    if (text.slice(index, end).trim() === marker) return end;
    index = end + 1;
  }
  return text.length;
}

function readWord(text: string, start: number): { text: string; end: number } {
  let word = '';
  let index = start;
  while (index < text.length) {
    const char = text[index] ?? '';
    if (/[\s;&|()<>]/.test(char)) break;
    if (char === "'" || char === '"') {
      const quoted = readQuoted(text, index);
      word += quoted.text;
      index = quoted.end;
    } else if (char === '\\') {
      word += text[index + 1] ?? '';
      index += 2;
    } else {
      word += char;
      index += 1;
    }
  }
  // A character no rule above takes must still be passed, or the scan would stand still.
  return index === start
    ? { text: text[start] ?? '', end: start + 1 }
    : { text: word, end: Math.min(index, text.length) };
}

function readQuoted(text: string, start: number): { text: string; end: number } {
  const quote = text[start] ?? '';
  let word = '';
  let index = start + 1;
  while (index < text.length && text[index] !== quote) {
    if (quote === '"' && text[index] === '\\') index += 1;
    word += text[index] ?? '';
    index += 1;
  }
  return { text: word, end: index + 1 };
}
