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

/** Names that can never be an account's slug: first path segments of the server, now and later. */
const RESERVED_SLUGS = new Set(
  `api v1 v2 health livez readyz metrics docs redoc openapi assets static public favicon robots admin auth login logout
   signup settings account accounts org orgs user users repo repos git lfs session sessions responses skills share s
   webhooks sso oauth well-known system roundhouse root null undefined`.split(/\s+/),
);

const SLUG = /^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$/;

/** The grammar of slugs (coregit.md §1.6): 1–100 of `[a-z0-9-]`, no edge hyphen, no `--`, no reserved word. */
export function isAccountSlug(slug: string): boolean {
  return SLUG.test(slug) && !slug.includes('--') && !RESERVED_SLUGS.has(slug);
}

/** A slug made of an e-mail's local part; `suffix` tells equal ones apart. */
export function slugFromEmail(email: string, suffix = ''): string {
  const local = (email.split('@')[0] ?? '').toLowerCase();
  const clean = local
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
    .replace(/-+$/, '');
  const base = clean === '' || RESERVED_SLUGS.has(clean) ? `${clean || 'user'}-account` : clean;
  return suffix === '' ? base : `${base}-${suffix}`;
}
