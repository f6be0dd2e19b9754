import type { Tier } from '../config/app-config.js';

export type PrincipalKind = 'user_key' | 'service_key' | 'repo_token';

/**
 * Who calls. Immutable; resolved once per request by the Authenticator and handed to every service as its first
 * argument. Everything a caller owns hangs on `accountId`, the tenant boundary.
 */
export interface Principal {
  readonly kind: PrincipalKind;
  /** The credential: what rate limits, idempotency records and audit rows name. */
  readonly keyId: string;
  readonly keyName: string | null;
  /** The person who calls; for a service key the one it was issued by. */
  readonly userId: string;
  readonly accountId: string;
  readonly accountSlug: string;
  /** `org_…` when the account is an organisation's. */
  readonly orgId: string | null;
  /** The only projects a service key may touch; null for all of its organisation's. */
  readonly projectIds: readonly string[] | null;
  readonly tier: Tier;
  /** `*` or `resource:action` words; empty grants nothing. */
  readonly scopes: ReadonlySet<string>;
  readonly isAdmin: boolean;
  /** Set when the request was pinned by a `ses_…` id instead of a key. */
  readonly pinnedSessionId: string | null;
}

/** True when the principal may do what `scope` names: it holds `*`, the scope, or its `write` form. */
export function holdsScope(principal: Pick<Principal, 'scopes'>, scope: string): boolean {
  if (principal.scopes.has('*') || principal.scopes.has(scope)) return true;
  return scope.endsWith(':read') && principal.scopes.has(scope.replace(/:read$/, ':write'));
}
