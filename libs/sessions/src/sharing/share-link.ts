import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { DomainError, urlSafeId } from '#kernel';

/** A link that shows one session to whoever has it. */
export interface ShareLink {
  readonly id: string;
  readonly sessionUid: string;
  /** Null when it takes no password. */
  readonly passwordHash: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly viewCount: number;
  readonly lastViewedAt: Date | null;
}

const TOKEN_LENGTH = 64;
const TOKEN = /^[A-Za-z0-9_-]{64}$/;
/** How long a browser that gave the password is let in. */
const PASS_MS = 12 * 3_600_000;

export const newShareToken = (): string => urlSafeId(TOKEN_LENGTH);

/** What is stored of a token; null for what cannot be one. 384 random bits need no salt. */
export function tokenDigest(token: string): string | null {
  return TOKEN.test(token) ? createHash('sha256').update(token).digest('hex') : null;
}

export function linkState({ revokedAt, expiresAt }: ShareLink, now: Date): 'active' | 'expired' | 'revoked' {
  if (revokedAt) return 'revoked';
  return expiresAt <= now ? 'expired' : 'active';
}

/** Errors: `gone` (sessionfs-1.md §7.10: revoked before expired). */
export function assertActive(link: ShareLink, now: Date): void {
  const state = linkState(link, now);
  if (state !== 'active') throw new DomainError('gone', `Share link has ${state === 'expired' ? '' : 'been '}${state}`);
}

export const shareLinkNotFound = (): DomainError => new DomainError('not_found', 'Share link not found');

/** What a browser that gave the right password shows instead of it from then on, and until when. */
export interface SharePass {
  readonly value: string;
  readonly until: Date;
}

/** Signed with the password's hash: known to every node, worthless for another link, void with another password. */
export function issuePass(link: ShareLink, now: Date): SharePass | null {
  if (link.passwordHash === null) return null;
  const until = new Date(Math.min(link.expiresAt.getTime(), now.getTime() + PASS_MS));
  return { value: `${until.getTime()}.${signature(link.id, link.passwordHash, until.getTime())}`, until };
}

export function isPassOf(link: ShareLink, pass: string, now: Date): boolean {
  const [, until = '', given = ''] = /^(\d{1,15})\.([\w-]{43})$/.exec(pass) ?? [];
  if (link.passwordHash === null || given === '' || Number(until) <= now.getTime()) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(signature(link.id, link.passwordHash, Number(until))));
}

function signature(linkId: string, key: string, until: number): string {
  return createHmac('sha256', key).update(`share pass ${linkId} ${until}`).digest('base64url');
}
