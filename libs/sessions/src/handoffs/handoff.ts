import { base62, DomainError } from '#kernel';

/** As stored. What is shown may differ: `shownStatus`. */
export type HandoffStatus = 'pending' | 'claimed' | 'revoked' | 'declined' | 'expired';
export const HANDOFF_STATUSES: readonly HandoffStatus[] = ['pending', 'claimed', 'revoked', 'declined', 'expired'];

/** A session offered to another person or to a team (sessionfs-1.md §9). */
export interface Handoff {
  readonly id: string;
  /** The account whose session it is. */
  readonly accountId: string;
  readonly senderId: string;
  readonly senderEmail: string;
  /** Null once the session was purged. */
  readonly sessionUid: string | null;
  readonly sessionId: string;
  readonly kind: 'individual' | 'team';
  /** Lowercase. One of these three is set; a deleted team leaves none. */
  readonly recipientEmail: string | null;
  readonly recipientUserId: string | null;
  readonly recipientTeamId: string | null;
  readonly message: string | null;
  /** The session as it was when it was handed off; secrets are taken out of the title. */
  readonly sessionTitle: string | null;
  readonly sessionTool: string;
  readonly sessionModelId: string | null;
  readonly sessionMessageCount: number;
  readonly sessionTotalTokens: number;
  readonly senderTier: string;
  readonly status: HandoffStatus;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly viewedAt: Date | null;
  readonly claimedAt: Date | null;
  readonly claimedBy: string | null;
  readonly claimerEmail: string | null;
  /** The claimer's copy. */
  readonly recipientSessionId: string | null;
  readonly revokedAt: Date | null;
  readonly revokedBy: string | null;
  readonly revokeReason: string | null;
}

export interface HandoffComment {
  readonly id: string;
  readonly handoffId: string;
  readonly authorId: string;
  readonly content: string;
  readonly createdAt: Date;
}

export interface HandoffEvent {
  readonly id: string;
  readonly handoffId: string;
  readonly type: string;
  /** Null when time did it. */
  readonly actorUserId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

export const DEFAULT_EXPIRY_HOURS = 168;
export const MAX_EXPIRY_HOURS = 2_160;
/** For senders below enterprise; longer wishes are cut to it. */
export const MAX_EXPIRY_HOURS_BELOW_ENTERPRISE = 720;

const ID = /^hnd_[0-9A-Za-z]{22}$/;

/** 131 random bits: naming it opens the public summary. */
export const newHandoffId = (): string => `hnd_${base62(22)}`;

export function isHandoffId(text: string): boolean {
  return ID.test(text);
}

/** Time wins over everything but a claim (sessionfs-1.md §9.2), also when nothing has stored its victory yet. */
export function shownStatus({ status, expiresAt }: Pick<Handoff, 'status' | 'expiresAt'>, now: number): HandoffStatus {
  return status === 'claimed' || expiresAt.getTime() > now ? status : 'expired';
}

export type HandoffAction = 'claim' | 'revoke' | 'decline';

const CLAIMED: Readonly<Record<HandoffAction, string>> = {
  claim: 'Handoff already claimed',
  revoke: 'Cannot revoke a claimed handoff',
  decline: 'Cannot decline a claimed handoff',
};
const PARTICIPLES: Readonly<Record<HandoffAction, string>> = {
  claim: 'claimed',
  revoke: 'revoked',
  decline: 'declined',
};

/** The state machine of sessionfs-1.md §9.4. Errors: `conflict`, `gone` for an expired one. */
export function assertPending(handoff: Handoff, action: HandoffAction, now: number): void {
  const status = shownStatus(handoff, now);
  switch (status) {
    case 'pending':
      return;
    case 'expired':
      throw handoffExpired();
    case 'claimed':
      throw new DomainError('conflict', CLAIMED[action]);
    case 'revoked':
    case 'declined':
      throw new DomainError('conflict', `Handoff is ${status} and cannot be ${PARTICIPLES[action]}`);
  }
}

export function handoffNotFound(): DomainError {
  return new DomainError('not_found', 'Handoff not found');
}

export function handoffExpired(): DomainError {
  return new DomainError('gone', 'Handoff has expired');
}

export function sourceGone(): DomainError {
  return new DomainError('not_found', 'Source session no longer exists');
}
