import type { Range } from './linear/linear-pattern.js';
import type { Finding, SecretPattern } from './pattern.js';
import type { PatternSet } from './pattern-set.js';

/** A finding with its place, which only redaction needs. */
export interface Match extends Range {
  readonly pattern: SecretPattern;
  readonly line: number;
}

const SHORTEST = 7;

/** Every match of every pattern, overlapping ones included, ordered by place. */
export function matchesIn(text: string, set: PatternSet): Match[] {
  if (text.length < SHORTEST) return [];
  const lowerCase = text.toLowerCase();
  const candidates = set.patterns.filter((pattern) => pattern.mayMatch(lowerCase));
  if (candidates.length === 0) return [];
  const lines = candidates.some(({ unit }) => unit === 'line') ? linesOf(text, lowerCase) : [];
  const found = candidates.flatMap((pattern) => [...find(pattern, text, lines)]);
  return found
    .filter(({ start, end, pattern }) => !set.isAllowed(text.slice(start, end), pattern))
    .sort((a, b) => a.start - b.start || b.end - a.end);
}

function* find(pattern: SecretPattern, text: string, lines: readonly Line[]): Generator<Match> {
  if (pattern.unit === 'text') {
    for (const { start, end } of pattern.find(text)) yield { start, end, pattern, line: lineAt(text, start) };
    return;
  }
  for (const { offset, line, content, lowerCase } of lines) {
    // Few lines hold what a pattern needs, and to look for that is many times faster than to try the pattern.
    if (!pattern.mayMatch(lowerCase)) continue;
    for (const { start, end } of pattern.find(content))
      yield { start: offset + start, end: offset + end, pattern, line };
  }
}

interface Line {
  readonly offset: number;
  readonly line: number;
  readonly content: string;
  readonly lowerCase: string;
}

function linesOf(text: string, lowerCase: string): Line[] {
  // Lower case may be longer, but has the same line ends.
  const lowered = lowerCase.split('\n');
  let offset = 0;
  return text.split('\n').map((content, index) => {
    const line = { offset, line: index + 1, content, lowerCase: lowered[index] ?? '' };
    offset += content.length + 1;
    return line;
  });
}

function lineAt(text: string, place: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < place; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

export const findingOf = ({ pattern, line }: Match): Finding => ({
  patternName: pattern.name,
  category: pattern.category,
  severity: pattern.severity,
  line,
});

/** The findings of a text, line by line; never the matched text. */
export function scanText(text: string, set: PatternSet): Finding[] {
  return matchesIn(text, set).map(findingOf);
}
