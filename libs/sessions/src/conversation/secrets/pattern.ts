import type { Range } from './linear/linear-pattern.js';

export type Category = 'secret' | 'phi';
export type Severity = 'critical' | 'high' | 'medium' | 'low';

/** Something to look for, by name. */
export interface SecretPattern {
  readonly name: string;
  readonly category: Category;
  readonly severity: Severity;
  /** Whether it is looked for line by line or in the text as a whole. */
  readonly unit: 'line' | 'text';
  /** False when a text, given in lower case, cannot hold a match; asked before its lines are searched. */
  mayMatch(lowerCase: string): boolean;
  /** The secret itself in each match, without the label that gives it away. */
  find(text: string): Iterable<Range>;
}

/** A match: where, and of what. The text itself is never reported. */
export interface Finding {
  readonly patternName: string;
  readonly category: Category;
  readonly severity: Severity;
  /** From 1. */
  readonly line: number;
}

/** A pattern of our own, as data. */
export interface BuiltIn {
  readonly name: string;
  readonly severity: Severity;
  /** One of these, lower case, is in every text that matches. */
  readonly hints: readonly string[];
  /** Global; group 1 is the secret, else the whole match is. Written so that it cannot backtrack far. */
  readonly regex: RegExp;
  readonly accepts?: (secret: string) => boolean;
}

/** A pattern of our own: hand-written for the language's engine, with one unbounded repetition per place at most. */
export function builtIn(
  category: Category,
  { name, severity, hints, regex, accepts = () => true }: BuiltIn,
): SecretPattern {
  return {
    name,
    category,
    severity,
    unit: 'line',
    mayMatch: (text) => hints.some((hint) => text.includes(hint)),
    *find(line) {
      for (const match of line.matchAll(regex)) {
        const secret = match[1] ?? match[0];
        const start = match.index + match[0].lastIndexOf(secret);
        if (accepts(secret)) yield { start, end: start + secret.length };
      }
    },
  };
}
