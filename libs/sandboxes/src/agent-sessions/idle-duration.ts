import { DomainError } from '#kernel';

const GRAMMAR = /^(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/;
/** A hundred years: what is more is a mistake, not an age. */
const MAX_SECONDS = 100 * 365 * 86_400;

/**
 * Seconds of `older_than`: parts in h, m and s, each once and in this order, e.g. `1h30m` (sandbox-sessions.md §B3.4).
 * Errors: `invalid_input`; nothing is ever read as "no filter".
 */
export function toIdleSeconds(text: string): number {
  const parts = text === '' ? null : GRAMMAR.exec(text);
  const [hours, minutes, seconds] = (parts ?? []).slice(1).map((part: string | undefined) => Number(part ?? 0));
  const total = (hours ?? 0) * 3_600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  if (parts && total <= MAX_SECONDS) return total;
  throw new DomainError('invalid_input', 'older_than must be a duration such as 45s, 90m, 2h or 1h30m', {
    field: 'older_than',
  });
}
