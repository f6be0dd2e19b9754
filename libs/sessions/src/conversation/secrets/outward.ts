import { compileCustomPattern, type CustomPattern } from './custom-pattern.js';
import type { Category } from './pattern.js';
import { FOR_STRANGERS, patternSet, type PatternSet } from './pattern-set.js';

/** What an organisation has looked for beyond our own patterns. Plain data: it crosses into workers. */
export interface OutwardRules {
  readonly categories: readonly Category[];
  readonly customPatterns: readonly CustomPattern[];
}

/**
 * For texts that leave the account: what strangers must not see anyway, and what its organisation looks for. What that
 * allows is allowed inside only.
 */
export function outwardSet(rules: OutwardRules | null): PatternSet {
  if (rules === null) return FOR_STRANGERS;
  const categories = new Set<Category>(['secret', ...rules.categories]);
  return patternSet({
    categories: [...categories],
    custom: rules.customPatterns.map(compileCustomPattern),
    forStrangers: true,
  });
}
