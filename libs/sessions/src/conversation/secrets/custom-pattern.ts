import { DomainError } from '#kernel';
import { isJsonObject } from '../json.js';
import { LinearPattern, PatternTooSlow } from './linear/linear-pattern.js';
import { PatternRefused } from './linear/pattern-syntax.js';
import type { Category, SecretPattern, Severity } from './pattern.js';

/** An organisation's pattern as stored and answered. */
export interface CustomPattern {
  readonly name: string;
  readonly regex: string;
  readonly category: Category;
  readonly severity: Severity;
}

export const MAX_CUSTOM_PATTERNS = 50;
/** It appears in placeholders and answers. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$/;
const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low'];

/** Checks what an administrator sent for `custom_patterns`; every complaint is an `invalid_input` naming its field. */
export function readCustomPatterns(value: unknown): CustomPattern[] {
  if (!Array.isArray(value)) throw refused('custom_patterns', 'must be a list');
  if (value.length > MAX_CUSTOM_PATTERNS)
    throw refused('custom_patterns', `may have at most ${MAX_CUSTOM_PATTERNS} items`);
  const patterns = value.map((item, index) => readCustomPattern(item, `custom_patterns[${index}]`));
  const repeated = patterns.findIndex(({ name }, index) => patterns.findIndex((other) => other.name === name) < index);
  if (repeated >= 0) throw refused(`custom_patterns[${repeated}].name`, 'is used twice');
  return patterns;
}

function readCustomPattern(item: unknown, field: string): CustomPattern {
  if (!isJsonObject(item)) throw refused(field, 'must be an object');
  const { name, regex, category = 'secret', severity = 'medium' } = item;
  if (typeof name !== 'string' || !NAME.test(name))
    throw refused(`${field}.name`, 'must be 1 to 64 letters, digits, spaces, dots, dashes');
  if (typeof regex !== 'string') throw refused(`${field}.regex`, 'must be a text');
  if (category !== 'secret' && category !== 'secrets' && category !== 'phi')
    throw refused(`${field}.category`, 'must be secret or phi');
  const level = SEVERITIES.find((known) => known === severity);
  if (level === undefined) throw refused(`${field}.severity`, `must be one of ${SEVERITIES.join(', ')}`);
  try {
    new LinearPattern(regex);
  } catch (error) {
    if (error instanceof PatternRefused) throw refused(`${field}.regex`, `is refused: ${error.message}`);
    throw error;
  }
  return { name, regex, category: category === 'phi' ? 'phi' : 'secret', severity: level };
}

const refused = (field: string, complaint: string): DomainError =>
  new DomainError('invalid_input', `${field} ${complaint}`, { field });

/**
 * A stored pattern, ready to search. One that exceeds its steps on a text ends the scan with `unprocessable`
 * (`dlp_pattern_too_slow`): the text has not been searched, so it must not pass as clean.
 */
export function compileCustomPattern({ name, regex, category, severity }: CustomPattern): SecretPattern {
  const pattern = new LinearPattern(regex);
  return {
    name,
    category,
    severity,
    unit: 'line',
    mayMatch: () => true,
    *find(line) {
      try {
        yield* pattern.matches(line);
      } catch (error) {
        if (!(error instanceof PatternTooSlow)) throw error;
        throw new DomainError('unprocessable', `The custom pattern '${name}' takes too many steps on this text`, {
          reason: 'dlp_pattern_too_slow',
          details: { pattern: name },
        });
      }
    },
  };
}
