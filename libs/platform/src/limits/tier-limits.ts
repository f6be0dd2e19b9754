import type { Tier } from '../config/app-config.js';
import type { Dialect } from '../http/dialects/dialect.js';

/** Requests per window; null is unlimited. */
export interface Rate {
  readonly perMinute: number;
  readonly perHour: number;
}

interface DialectRates {
  readonly key: Rate | null;
  readonly account: Rate | null;
}

const GIT: DialectRates = {
  key: { perMinute: 600, perHour: 15_000 },
  account: { perMinute: 2_000, perHour: 50_000 },
};
const CAPTURED: DialectRates = { key: { perMinute: 120, perHour: 7_200 }, account: null };
const AGENT: DialectRates = { key: { perMinute: 600, perHour: 15_000 }, account: null };
const UNLIMITED: DialectRates = { key: null, account: null };

const BY_DIALECT: Readonly<Record<Dialect['name'], DialectRates>> = {
  git: GIT,
  plain: GIT,
  captured: CAPTURED,
  sandbox: AGENT,
  agent: AGENT,
};

/** Request rates per tier and dialect (coregit.md §25, sessionfs-1.md §5). */
export function ratesFor(tier: Tier, dialect: Dialect['name']): DialectRates {
  return tier === 'enterprise' ? UNLIMITED : BY_DIALECT[dialect];
}

/** Anonymous callers, per client address (coregit.md §25). */
export const ANONYMOUS_RATE: Rate = { perMinute: 1_000, perHour: 25_000 };
