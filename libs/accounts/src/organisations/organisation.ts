/** Roles of an organisation, weakest first. Each may do what the ones before it may. */
export const ORG_ROLES = ['member', 'admin', 'owner'] as const;
export type OrgRole = (typeof ORG_ROLES)[number];

export interface Organisation {
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

export interface Membership {
  readonly orgId: string;
  readonly userId: string;
  readonly role: OrgRole;
  readonly joinedAt: Date;
}

/** Whether `role` may do what `needed` may: owner ≥ admin ≥ member. */
export function isAtLeast(role: OrgRole, needed: OrgRole): boolean {
  return ORG_ROLES.indexOf(role) >= ORG_ROLES.indexOf(needed);
}
