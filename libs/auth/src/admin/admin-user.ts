import { type Tier, TIERS } from '#platform';

/** `admin` is a role of the platform, shown and set where the tier is (sessionfs-2.md §2.1). */
export type ShownTier = Tier | 'admin';

export const SHOWN_TIERS = [...TIERS, 'admin'] as const;

export function isShownTier(text: string): text is ShownTier {
  return (SHOWN_TIERS as readonly string[]).includes(text);
}

export type UserStatus = 'active' | 'inactive' | 'all';

/** A user as platform administrators see it. */
export interface AdminUser {
  readonly id: string;
  readonly email: string;
  readonly displayName: string | null;
  readonly emailVerified: boolean;
  readonly isAdmin: boolean;
  readonly isActive: boolean;
  readonly createdAt: Date;
  readonly accountId: string;
  readonly accountSlug: string;
  readonly tier: Tier;
}

export interface AdminUserDetail extends AdminUser {
  readonly storageUsedBytes: number;
  readonly apiKeyCount: number;
  readonly orgs: readonly { id: string; name: string; role: string }[];
}

/** A user as it is locked by whoever changes it. */
export interface LockedUser {
  readonly id: string;
  readonly accountId: string;
  readonly email: string;
  readonly isAdmin: boolean;
  readonly isActive: boolean;
  readonly emailVerified: boolean;
}

export function shownTier({ isAdmin, tier }: Pick<AdminUser, 'isAdmin' | 'tier'>): ShownTier {
  return isAdmin ? 'admin' : tier;
}
