import { DomainError, prefixedId } from '#kernel';

/** A group of members inside one organisation (sessionfs-2.md §12.3). */
export interface Team {
  /** `tm_` + 16 hex. */
  readonly id: string;
  readonly orgId: string;
  readonly name: string;
  readonly slug: string;
  readonly createdBy: string | null;
  readonly createdAt: Date;
  readonly memberCount: number;
}

export interface TeamMember {
  readonly userId: string;
  readonly email: string | null;
  readonly addedBy: string | null;
  readonly addedAt: Date;
}

export const newTeamId = (): string => prefixedId('tm_');

const TEAM_ID = /^tm_[0-9a-f]{16}$/;

/** False for anything we cannot have issued; such ids never reach the database. */
export function isTeamId(text: string): boolean {
  return TEAM_ID.test(text);
}

export function teamNotFound(): DomainError {
  return new DomainError('not_found', 'Team not found');
}

export function teamSlugTaken(slug: string): DomainError {
  return new DomainError('conflict', `A team with slug '${slug}' already exists in this org`, { field: 'slug' });
}
