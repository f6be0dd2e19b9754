import { prefixedId } from '#kernel';
import type { OrgRole } from '../organisations/organisation.js';

/** Roles that an invite can give; an owner is made by transfer only. */
export const INVITE_ROLES = ['member', 'admin'] as const satisfies readonly OrgRole[];
export type InviteRole = (typeof INVITE_ROLES)[number];

export const INVITE_DAYS = 7;

/** A place in an organisation, promised to an address. One per organisation and address; a later one replaces it. */
export interface Invite {
  /** `inv_` + 16 hex. Known to the organisation's admins and whoever was mailed it: who names it may answer it. */
  readonly id: string;
  readonly orgId: string;
  /** Trimmed and lowercase. */
  readonly email: string;
  readonly role: InviteRole;
  readonly invitedBy: string;
  /** Of the first invite to this address, also after a renewal. */
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly acceptedAt: Date | null;
  readonly declinedAt: Date | null;
  readonly declineReason: string | null;
  readonly lastEmailedAt: Date | null;
  readonly mailId: string | null;
  /** SHA-256 of a token that only the mail contains: unlike the id it shows that its bearer reads the address's mail. */
  readonly tokenDigest: Buffer | null;
}

export type InviteState = 'pending' | 'accepted' | 'declined' | 'expired';

export function stateOf(invite: Invite, now: Date): InviteState {
  if (invite.acceptedAt) return 'accepted';
  if (invite.declinedAt) return 'declined';
  return invite.expiresAt <= now ? 'expired' : 'pending';
}

/** Why an invite that is not pending cannot be answered or mailed again. */
export const SETTLED_TEXTS: Readonly<Record<Exclude<InviteState, 'pending'>, string>> = {
  accepted: 'Invite has already been accepted',
  declined: 'Invite has been declined',
  expired: 'Invite has expired',
};

export const newInviteId = (): string => prefixedId('inv_');

const INVITE_ID = /^inv_[0-9a-f]{16}$/;

/** False for anything we cannot have issued; such ids never reach the database. */
export function isInviteId(text: string): boolean {
  return INVITE_ID.test(text);
}
