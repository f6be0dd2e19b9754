import type { Category, SecretPattern } from './pattern.js';
import { PHI_PATTERNS } from './phi-patterns.js';
import { PRIVATE_KEY } from './private-key.js';
import { OWN_KEY, SECRET_PATTERNS } from './secret-patterns.js';

export interface PatternChoice {
  readonly categories: readonly Category[];
  /** An organisation's own patterns; see custom-pattern.ts. */
  readonly custom?: readonly SecretPattern[];
  /** An organisation's literal texts: a match that holds one of them is no finding. */
  readonly allowlist?: readonly string[];
  /** For what strangers see: the client's own `sk_sfs_` keys count as secrets, too. */
  readonly forStrangers?: boolean;
}

/** The patterns to look for and what is harmless among their matches. */
export interface PatternSet {
  readonly patterns: readonly SecretPattern[];
  isAllowed(secret: string, pattern: SecretPattern): boolean;
}

/** Values that stand for a secret to be filled in. */
const STAND_INS = /^(?:\[REDACTED|<|\$\{?\(?[A-Za-z_]|\{\{|%[A-Za-z_]+%)|YOUR[_-][A-Z0-9_-]{0,60}|x{6,}|\*{4,}|\.{4,}/i;
/** Words nobody uses in a real password; a key that holds `EXAMPLE` by chance is still a key. */
const SPOKEN_STAND_INS = /change_?-?me|example|placeholder|dummy|redacted|process\.env|os\.environ|getenv/i;
const SPOKEN = new Set(['generic_password_assignment', 'database_url', 'url_credentials']);

export function patternSet({
  categories,
  custom = [],
  allowlist = [],
  forStrangers = false,
}: PatternChoice): PatternSet {
  const literals = allowlist.filter((text) => text !== '');
  const patterns = [
    ...(categories.includes('secret') ? [...SECRET_PATTERNS, PRIVATE_KEY] : []),
    ...(forStrangers ? [OWN_KEY] : []),
    ...(categories.includes('phi') ? PHI_PATTERNS : []),
    ...custom.filter(({ category }) => categories.includes(category)),
  ];
  return {
    patterns,
    isAllowed: (secret, pattern) =>
      STAND_INS.test(secret) ||
      (SPOKEN.has(pattern.name) && SPOKEN_STAND_INS.test(secret)) ||
      (!forStrangers && secret.includes('sk_sfs_')) ||
      literals.some((literal) => secret.includes(literal)),
  };
}

/** Everything of ours, for pages and texts that leave the account: share links, hand-off summaries, titles. */
export const FOR_STRANGERS = patternSet({ categories: ['secret'], forStrangers: true });
