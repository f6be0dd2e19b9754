import { DomainError } from '#kernel';
import { expandScopes, isScope, WILDCARD } from '#platform';

/** Known scopes, `write` with its `read`, without duplicates. Errors: `invalid_input`. */
export function checkScopes(scopes: readonly string[]): string[] {
  const unknown = scopes.find((scope) => scope !== WILDCARD && !isScope(scope));
  if (unknown !== undefined) {
    throw new DomainError('invalid_input', `Unknown scope: ${unknown.slice(0, 60)}`, { field: 'scopes' });
  }
  return expandScopes(scopes);
}

/** Errors: `invalid_input` for an end that has passed; `forbidden` for one after that of the key that makes the key. */
export function checkExpiry(expiresAt: Date | null, limit: Date | null, now: number): void {
  // Some forms of ISO 8601 that pass for a date are none to JavaScript.
  if (expiresAt && !(expiresAt.getTime() > now)) {
    throw new DomainError('invalid_input', 'expires_at must be in the future', { field: 'expires_at' });
  }
  if (limit === null || (expiresAt !== null && expiresAt <= limit)) return;
  throw new DomainError('forbidden', `This key cannot make one that outlives it (${limit.toISOString()})`, {
    reason: 'key_would_outlive',
    field: 'expires_at',
  });
}
