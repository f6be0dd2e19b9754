import { prefixedId } from '#kernel';
import type { Tier } from '#platform';

/** Roles of an organisation, weakest first. Each may do what the ones before it may. */
export const ORG_ROLES = ['member', 'admin', 'owner'] as const;
export type OrgRole = (typeof ORG_ROLES)[number];

/** How an organisation's shared knowledge is kept; null leaves a value to the server (sessionfs-2.md §14.3). */
export interface OrgSettings {
  readonly kbRetentionDays: number | null;
  readonly kbMaxContextWords: number | null;
  readonly kbSectionPageLimit: number | null;
}

export interface Organisation extends OrgSettings {
  /** `org_` + 16 hex. */
  readonly id: string;
  /** The account that owns what the organisation owns. */
  readonly accountId: string;
  readonly name: string;
  readonly seatsLimit: number;
  /** 0 means unlimited. */
  readonly storageLimitBytes: number;
  readonly createdAt: Date;
}

/** An organisation with what hangs on its account and its members. */
export interface OrgProfile {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
  readonly slug: string;
  readonly tier: Tier;
  readonly seatsLimit: number;
  readonly seatsUsed: number;
  readonly storageLimitBytes: number;
  readonly storageUsedBytes: number;
}

export interface Membership {
  readonly orgId: string;
  readonly userId: string;
  readonly role: OrgRole;
  readonly joinedAt: Date;
}

/** A member as the others see it. */
export interface Member {
  readonly userId: string;
  readonly email: string;
  readonly displayName: string | null;
  readonly role: OrgRole;
  readonly joinedAt: Date;
}

/** Whether `role` may do what `needed` may: owner ≥ admin ≥ member. */
export function isAtLeast(role: OrgRole, needed: OrgRole): boolean {
  return ORG_ROLES.indexOf(role) >= ORG_ROLES.indexOf(needed);
}

export const newOrgId = (): string => prefixedId('org_');

export const ORG_ID_SHAPE = /^org_[0-9a-f]{16}$/;

/** False for anything we cannot have issued; such ids never reach the database. */
export function isOrgId(text: string): boolean {
  return ORG_ID_SHAPE.test(text);
}
