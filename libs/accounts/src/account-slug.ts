import { isSlug } from '#kernel';

/** First path segments the server itself answers, now or by contract: an account of that name would be unreachable. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['api', 'v1', 'v2', 'v3', 'health', 'healthz', 'livez', 'readyz', 'metrics', 'status', 'version', 'internal'],
  ...['docs', 'redoc', 'swagger', 'openapi', 'assets', 'static', 'public', 'favicon', 'robots', 'sitemap'],
  ...['well-known', 'auth', 'oauth', 'sso', 'login', 'logout', 'signup', 'callback', 'settings', 'dashboard', 'app'],
  ...['admin', 'account', 'accounts', 'org', 'orgs', 'user', 'users', 'repo', 'repos', 'git', 'lfs', 'info'],
  ...['session', 'sessions', 'sandbox', 'sandboxes', 'projects', 'responses', 'skills', 'share', 's', 'webhooks'],
  ...['mcp', 'ws', 'system', 'root', 'roundhouse', 'null', 'undefined'],
]);

const MAX_FROM_EMAIL = 60;

/** Whether an account may be called `slug`: the grammar of slugs, and no reserved word. */
export function isAccountSlug(slug: string): boolean {
  return isSlug(slug) && !RESERVED.has(slug);
}

/** A slug made of an e-mail's local part; `suffix` tells equal ones apart. */
export function slugFromEmail(email: string, suffix = ''): string {
  const local = (email.split('@')[0] ?? '').toLowerCase();
  const clean = local
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_FROM_EMAIL)
    .replace(/^-+|-+$/g, '');
  const base = isAccountSlug(clean) ? clean : `${clean || 'user'}-account`;
  return suffix === '' ? base : `${base}-${suffix}`;
}
