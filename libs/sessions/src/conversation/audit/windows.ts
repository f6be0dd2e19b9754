/** A stretch of messages that one call of the judge looks at. Both ends belong to it. */
export interface AuditWindow {
  readonly first: number;
  readonly last: number;
  readonly claims: number;
}

const SMALL = 50;
const LARGE = 100;
const MANY_MESSAGES = 500;
const OVERLAP = 10;
const MOST_WINDOWS = 10;

/**
 * Cuts a conversation into overlapping windows (50 messages, 100 beyond 500 messages, 10 shared) and keeps the ten with
 * most claims, in order; the earlier wins a tie. `claims` has the number of claims of each message.
 */
export function auditWindows(claims: readonly number[]): AuditWindow[] {
  const size = claims.length > MANY_MESSAGES ? LARGE : SMALL;
  const windows: AuditWindow[] = [];
  for (let first = 0; first < claims.length; first += size - OVERLAP) {
    const part = claims.slice(first, first + size);
    windows.push({ first, last: first + part.length - 1, claims: part.reduce((sum, count) => sum + count, 0) });
    if (first + size >= claims.length) break;
  }
  return windows
    .filter((window) => window.claims > 0)
    .sort((a, b) => b.claims - a.claims || a.first - b.first)
    .slice(0, MOST_WINDOWS)
    .sort((a, b) => a.first - b.first);
}
