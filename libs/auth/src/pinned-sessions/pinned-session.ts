import { urlSafeId } from '#kernel';
import type { Principal } from '#platform';

/** Why a session is no longer accepted; stays on its tombstone. */
export type EndReason =
  | 'closed'
  | 'expired'
  | 'key_revoked'
  | 'key_expired'
  | 'user_deactivated'
  | 'membership_lost'
  | 'sso_required'
  | 'tier_downgrade';

/** An identity pinned for a while (seed 000). Times in milliseconds since the Unix epoch. */
export interface PinnedSession {
  /** Internal id; what clients hold (`ses_…`) is a credential and is never stored. */
  readonly id: string;
  /** Key, account, scopes and tier as they were at the opening. */
  readonly principal: Principal;
  /** Of the key that opened it. */
  readonly keyDigest: Buffer;
  /** The key whose end ends the session: the opening one, or what replaced it by rotation. */
  readonly currentKeyId: string;
  readonly keyExpiresAt: number | null;
  readonly ttlMs: number;
  readonly idleExtend: boolean;
  readonly createdAt: number;
  /** Moves with every use; `savedAt` is how far the database knows it. */
  lastActivityAt: number;
  savedAt: number;
  readonly endReason: EndReason | null;
}

const PREFIX = 'ses_';
const SHAPE = /^ses_[A-Za-z0-9_-]{21}$/;
const DEFAULT_TTL_SECONDS = 1800;

export const newSessionId = (): string => PREFIX + urlSafeId(21);

/** False for what the contract answers 400. */
export const hasSessionPrefix = (id: string): boolean => id.startsWith(PREFIX);

/** False for anything we cannot have issued; such ids never reach the database. */
export const isSessionId = (id: string): boolean => SHAPE.test(id);

/** coregit.md §3.1: whole seconds, at least one, at most the tier's cap; 1800 for anything but a positive number. */
export function appliedTtlSeconds(requested: unknown, capSeconds: number): number {
  const wanted =
    typeof requested === 'number' && requested > 0 ? Math.max(1, Math.floor(requested)) : DEFAULT_TTL_SECONDS;
  return Math.min(wanted, capSeconds);
}

/** The last moment at which the session is accepted. */
export function expiryOf(session: PinnedSession): number {
  return (session.idleExtend ? session.lastActivityAt : session.createdAt) + session.ttlMs;
}

export function isUsable(session: PinnedSession, now: number): boolean {
  const keyIsLive = session.keyExpiresAt === null || session.keyExpiresAt > now;
  return session.endReason === null && keyIsLive && now <= expiryOf(session);
}

/** How long a slid expiry may wait before it is written (DESIGN §4). */
export function writeBehindMs(ttlMs: number): number {
  return Math.min(30_000, ttlMs / 10);
}

/**
 * Whether a caller that presents another key than the opening one acts through the session: only a key of the same
 * user and account that may do all the session may. So a session never widens a key (coregit.md §28, S4), and a newer
 * key of the same power goes on with the old one's session.
 */
export function covers(presented: Principal, session: Principal): boolean {
  const isSameOwner = presented.accountId === session.accountId && presented.userId === session.userId;
  const isSameKind = presented.kind === session.kind || presented.kind === 'user_key';
  const holdsAll = [...session.scopes].every((scope) => presented.scopes.has('*') || presented.scopes.has(scope));
  return isSameOwner && isSameKind && holdsAll;
}
