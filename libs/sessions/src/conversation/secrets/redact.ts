import type { Finding, SecretPattern } from './pattern.js';
import type { PatternSet } from './pattern-set.js';
import { findingOf, matchesIn, type Match } from './scan.js';

export interface RedactedText {
  readonly text: string;
  readonly findings: readonly Finding[];
}

export interface RedactedJson {
  readonly value: unknown;
  readonly findings: readonly Finding[];
}

/** What stands where a secret stood. */
export const placeholder = (patternName: string): string => `[REDACTED:${patternName}]`;

const RANK = { critical: 0, high: 1, medium: 2, low: 3 } as const;

/** Replaces each secret, and only the secret, by its placeholder; what overlaps is replaced as one. */
export function redactText(text: string, set: PatternSet): RedactedText {
  const matches = matchesIn(text, set);
  return { text: replaceMatches(text, matches), findings: matches.map(findingOf) };
}

/** The text with a placeholder for each match; what overlaps is replaced as one. */
export function replaceMatches(text: string, matches: readonly Match[]): string {
  const parts: string[] = [];
  let done = 0;
  for (const { start, end, pattern } of merged(matches)) {
    parts.push(text.slice(done, start), placeholder(pattern.name));
    done = end;
  }
  return parts.length === 0 ? text : parts.join('') + text.slice(done);
}

function merged(matches: readonly Match[]): { start: number; end: number; pattern: SecretPattern }[] {
  const spans: { start: number; end: number; pattern: SecretPattern }[] = [];
  for (const { start, end, pattern } of matches) {
    const last = spans.at(-1);
    if (last === undefined || start >= last.end) spans.push({ start, end, pattern });
    else {
      last.end = Math.max(last.end, end);
      if (RANK[pattern.severity] < RANK[last.pattern.severity]) last.pattern = pattern;
    }
  }
  return spans;
}

interface Pending {
  readonly source: object;
  readonly target: unknown[] | Record<string, unknown>;
}

/**
 * Redacts inside the strings of a JSON value, names of members included, so the result is valid JSON of the same
 * shape. A member is read with its name, because `"password": "hunter2…"` is a secret by its name. `line` is the line
 * the findings are reported on. Never recursive: depth costs no stack.
 */
export function redactJson(value: unknown, set: PatternSet, line = 1): RedactedJson {
  const findings: Finding[] = [];
  const noted = (result: RedactedText): string => {
    for (const finding of result.findings) findings.push({ ...finding, line });
    return result.text;
  };
  const redacted = (text: string): string => noted(redactText(text, set));
  const waiting: Pending[] = [];
  const copy = (item: unknown): unknown => {
    if (typeof item === 'string') return redacted(item);
    if (typeof item !== 'object' || item === null) return item;
    const target = Array.isArray(item) ? [] : {};
    waiting.push({ source: item, target });
    return target;
  };
  const result = copy(value);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { source, target } = next;
    if (Array.isArray(target)) for (const item of Object.values(source)) target.push(copy(item));
    else {
      for (const [name, item] of Object.entries(source)) {
        const copied = typeof item === 'string' ? noted(redactValue(name, item, set)) : copy(item);
        define(target, redacted(name), copied);
      }
    }
  }
  return { value: result, findings };
}

/** Names that may give their value away. */
const TELLING =
  /pass|pwd|secret|token|key|auth|cred|type|ssn|social|mrn|record|dob|birth|npi|dea|licen|plan|member|policy|subscriber|insurance|beneficiary|patient|phone|tel|mobile|fax|vin|vehicle|device|implant|pacemaker|finger|retina|iris|voice|biometric|mail|age/i;
/** A named secret stands at the beginning of its value; what comes later is found without the name. */
const NAMED_PART = 2000;

/** Redacts the text a member called `name` has, searching the text and, where the name may tell, `name="text"`. */
export function redactValue(name: string, text: string, set: PatternSet): RedactedText {
  const matches = matchesIn(text, set);
  if (TELLING.test(name)) {
    const offset = name.length + 2;
    const isNew = (match: Match): boolean =>
      !matches.some(({ pattern, start }) => pattern === match.pattern && start === match.start);
    const named = matchesIn(`${name}="${text.slice(0, NAMED_PART)}"`, set)
      .filter(({ start, end }) => start >= offset && end > offset)
      .map((match) => ({ ...match, start: match.start - offset, end: Math.min(match.end - offset, text.length) }));
    matches.push(...named.filter((match) => match.end > match.start && isNew(match)));
    matches.sort((a, b) => a.start - b.start || b.end - a.end);
  }
  return { text: replaceMatches(text, matches), findings: matches.map(findingOf) };
}

/** Sets a member whatever it is called (`__proto__` too); two names redacted alike stay two members. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  let free = name;
  for (let count = 2; Object.hasOwn(target, free); count += 1) free = `${name}~${count}`;
  Object.defineProperty(target, free, { value, enumerable: true, configurable: true, writable: true });
}
