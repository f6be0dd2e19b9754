import type { Tier } from '#platform';

/** Owner of things: a person's own account or an organisation. */
export interface Account {
  readonly id: string;
  readonly kind: 'personal' | 'organisation';
  readonly slug: string;
  readonly tier: Tier;
}

export interface User {
  readonly id: string;
  readonly accountId: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly displayName: string | null;
  readonly isAdmin: boolean;
  readonly isActive: boolean;
  readonly createdAt: Date;
}
