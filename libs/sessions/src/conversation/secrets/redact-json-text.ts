import { parseJson } from '../json.js';
import type { Finding } from './pattern.js';
import type { PatternSet } from './pattern-set.js';
import { redactText, redactValue, type RedactedText } from './redact.js';

/**
 * Redacts a JSON document or one line of JSONL as text: every string literal that holds a secret is written anew, and
 * every other byte stays, so numbers beyond 2^53 and the writer's white space survive. Text that is no JSON is redacted
 * as plain text. Without findings the very text comes back. Lines count from `firstLine`.
 */
export function redactJsonText(text: string, set: PatternSet, firstLine = 1): RedactedText {
  if (parseJson(text) === undefined) {
    const { text: redacted, findings } = redactText(text, set);
    return {
      text: redacted,
      findings: findings.map((finding) => ({ ...finding, line: finding.line + firstLine - 1 })),
    };
  }
  return redactLiterals(text, set, firstLine);
}

/** The same of text that is known to be JSON. */
export function redactLiterals(text: string, set: PatternSet, firstLine = 1): RedactedText {
  const findings: Finding[] = [];
  const parts: string[] = [];
  let done = 0;
  for (const literal of literalsOf(text, firstLine)) {
    const result = redactValue(literal.name, literal.value, set);
    if (result.findings.length === 0) continue;
    for (const finding of result.findings) findings.push({ ...finding, line: literal.line });
    parts.push(text.slice(done, literal.start), JSON.stringify(result.text));
    done = literal.end;
  }
  return { text: parts.length === 0 ? text : parts.join('') + text.slice(done), findings };
}

interface Literal {
  readonly start: number;
  readonly end: number;
  readonly line: number;
  /** What the text says between its quotes, escapes resolved. */
  readonly value: string;
  /** The member it is the value of; empty in lists and for names themselves. */
  readonly name: string;
}

/** The string literals of valid JSON, in order. Outside of them quotes do not occur. */
function* literalsOf(text: string, firstLine: number): Generator<Literal> {
  let line = firstLine;
  let name = '';
  let previous = 0;
  for (let start = text.indexOf('"'); start >= 0; start = text.indexOf('"', previous)) {
    const between = text.slice(previous, start);
    line += between.split('\n').length - 1;
    if (!/^\s*:\s*$/.test(between)) name = '';
    const end = endOfLiteral(text, start);
    const value = parseJson(text.slice(start, end));
    const isName = /^\s*:/.test(text.slice(end, end + 100));
    if (typeof value === 'string') yield { start, end, line, value, name: isName ? '' : name };
    name = isName && typeof value === 'string' ? value : '';
    previous = end;
  }
}

/** The place after the closing quote: the first quote that an even number of backslashes precedes. */
function endOfLiteral(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}
