import type { Principal, PrincipalKind, Tier } from '#platform';

/** A key as its owner may see it; the raw value exists only in the answer that created it. */
export interface Key {
  readonly id: string;
  readonly kind: PrincipalKind;
  readonly userId: string;
  readonly accountId: string;
  readonly name: string | null;
  readonly prefix: string;
  readonly scopes: string[];
  /** The only projects a service key may touch; null for all of its organisation's. */
  readonly projectIds: string[] | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** A key joined with what decides whether and as whom it may act. */
export interface KeyWithOwner extends Pick<
  Key,
  'id' | 'kind' | 'name' | 'userId' | 'accountId' | 'scopes' | 'projectIds' | 'expiresAt' | 'revokedAt'
> {
  readonly accountSlug: string;
  readonly orgId: string | null;
  readonly tier: Tier;
  readonly isAdmin: boolean;
  readonly isActive: boolean;
  /** Whether its user belongs to the organisation it acts for; true for personal accounts. */
  readonly isMember: boolean;
}

/** What decides as whom a key acts. */
type KeyIdentity = Omit<KeyWithOwner, 'expiresAt' | 'revokedAt' | 'isActive' | 'isMember'>;

/** An account a person may act for. */
export interface ActedFor {
  readonly accountId: string;
  readonly accountSlug: string;
  readonly orgId: string;
  readonly tier: Tier;
}

/** The revoke reason of a key that another one replaced: it opens nothing any more, but its pinned sessions go on. */
export const ROTATED = 'rotated';

export function principalOfKey(key: KeyIdentity, pinnedSessionId: string | null = null): Principal {
  return Object.freeze({
    kind: key.kind,
    keyId: key.id,
    keyName: key.name,
    userId: key.userId,
    accountId: key.accountId,
    accountSlug: key.accountSlug,
    orgId: key.orgId,
    projectIds: key.projectIds,
    tier: key.tier,
    scopes: new Set(key.scopes),
    isAdmin: key.isAdmin,
    pinnedSessionId,
  });
}

export interface MintedKey {
  readonly key: Key;
  /** The only time the raw value exists outside its owner's hands. */
  readonly raw: string;
}
