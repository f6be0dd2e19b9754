const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$/;

/**
 * First segments of every repo-scoped route of the contract, built or not: a repository inside a namespace may not be
 * called like one of them, or `/v1/repos/{namespace}/{slug}` would read as a route of the repository `{namespace}`.
 */
export const TAIL_WORDS: ReadonlySet<string> = new Set([
  ...['branches', 'commits', 'refs', 'tags', 'tree', 'blob', 'blobs', 'raw', 'diff', 'compare', 'cherry-pick'],
  ...['snapshots', 'fork', 'exec', 'sync', 'watch', 'prefetch', 'lfs', 'wiki', 'archive', 'blame'],
  ...['index', 'graph', 'semantic-search', 'hybrid-search', 'agentic-search'],
  ...['info', 'objects', 'git-upload-pack', 'git-receive-pack', 'git-upload-archive'],
]);

/** First path segments the server itself answers, now or by contract: an account of that name would be unreachable. */
export const RESERVED_ACCOUNT_SLUGS: ReadonlySet<string> = new Set([
  ...['api', 'v1', 'v2', 'v3', 'health', 'healthz', 'livez', 'readyz', 'metrics', 'status', 'version', 'internal'],
  ...['docs', 'redoc', 'swagger', 'openapi', 'openapi.json', 'assets', 'static', 'public', '.well-known'],
  ...['favicon.ico', 'robots.txt', 'sitemap.xml', 'favicon', 'robots', 'sitemap', 'well-known'],
  ...['auth', 'oauth', 'login', 'logout', 'signup', 'callback', 'dashboard', 'app', 'mcp', 'ws'],
  ...['repos', 'session', 'sessions', 'sandbox', 'projects', 'webhooks', 'git', 'lfs', 'info'],
]);

/** Whether `slug` follows the grammar of repositories, namespaces and accounts (contract 1.6): 1–100 characters. */
export function isValidSlug(slug: string): boolean {
  return SLUG.test(slug) && !slug.includes('--');
}

/** Whether a repository may be called `slug`: inside a namespace the tail words are taken. */
export function isValidRepoSlug(slug: string, namespace: string | null): boolean {
  if (!isValidSlug(slug)) return false;
  return namespace === null || (isValidSlug(namespace) && !TAIL_WORDS.has(slug));
}

/** Whether an account may be called `slug`: the grammar, and not a first path segment of the server. */
export function isValidAccountSlug(slug: string): boolean {
  return isValidSlug(slug) && !RESERVED_ACCOUNT_SLUGS.has(slug);
}
