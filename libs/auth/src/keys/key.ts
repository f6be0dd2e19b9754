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
  /** Lies ahead while a key that was replaced is still accepted. */
  readonly revokedAt: Date | null;
  readonly revokeReason: string | null;
  readonly lastUsedAt: Date | null;
  readonly lastUsedIp: string | null;
  /** The key that took its place; null again once it was revoked for its own sake. */
  readonly replacedBy: string | null;
  /** Who made a service key; null for keys people make for themselves. */
  readonly createdBy: string | null;
  /** Whom a provider vouched for when a single sign-on made the key, or the one it descends from; null for all others. */
  readonly ssoIdentityId: string | null;
}

/** How long a replaced key is accepted, in seconds. */
export const DEFAULT_GRACE_SECONDS = 3_600;
export const MAX_GRACE_SECONDS = 604_800;

/** Whether the key is revoked, or was replaced and its grace is over. Expiry is another matter. */
export function isRevoked({ revokedAt }: Pick<Key, 'revokedAt'>, now: number): boolean {
  return revokedAt !== null && revokedAt.getTime() <= now;
}

/** Until when a replaced key is still accepted; null for all others, and once that time is over. */
export function graceEndOf(key: Pick<Key, 'revokedAt'>, now: number): Date | null {
  return isRevoked(key, now) ? null : key.revokedAt;
}

/** A key joined with what decides whether and as whom it may act. */
export interface KeyWithOwner extends Pick<
  Key,
  | 'id'
  | 'kind'
  | 'name'
  | 'prefix'
  | 'userId'
  | 'accountId'
  | 'scopes'
  | 'projectIds'
  | 'expiresAt'
  | 'revokedAt'
  | 'replacedBy'
> {
  /** When a use of the replaced key was last reported. */
  readonly lateUseAt: Date | null;
  readonly accountSlug: string;
  readonly orgId: string | null;
  readonly tier: Tier;
  readonly isAdmin: boolean;
  readonly isActive: boolean;
  /** Whether its user belongs to the organisation it acts for; true for personal accounts. */
  readonly isMember: boolean;
  /** Whether its user may act for that organisation only with a key from its single sign-on, which this is not. */
  readonly needsSso: boolean;
}

/** What decides as whom a key acts. */
type KeyIdentity = Omit<
  KeyWithOwner,
  'prefix' | 'expiresAt' | 'revokedAt' | 'replacedBy' | 'lateUseAt' | 'isActive' | 'isMember' | 'needsSso'
>;

/** An account a person may act for. */
export interface ActedFor {
  readonly accountId: string;
  readonly accountSlug: string;
  readonly orgId: string;
  readonly tier: Tier;
  /** Whether only a key from the organisation's single sign-on may. */
  readonly needsSso: boolean;
}

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

/** What a key reaches: the account it was made for, and until when. */
export interface KeyReach {
  readonly accountId: string;
  readonly ssoIdentityId: string | null;
  /** False for a key bound to an organisation. */
  readonly isPersonal: boolean;
  /** Null: never ends. */
  readonly expiresAt: Date | null;
}

/**
 * Whether a key with that reach may know of its user's other key, and end it. One that is bound to an organisation knows
 * those for the same organisation; one from its single sign-on, which the organisation's provider can have made without
 * the person, only those of the same identity.
 */
export function knows(reach: KeyReach, other: Pick<Key, 'accountId' | 'ssoIdentityId'>): boolean {
  if (reach.isPersonal) return true;
  if (other.accountId !== reach.accountId) return false;
  return reach.ssoIdentityId === null || other.ssoIdentityId === reach.ssoIdentityId;
}
