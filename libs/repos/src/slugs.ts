import { isSlug } from '#kernel';

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

/** Whether a repository may be called `slug`: inside a namespace the tail words are taken. */
export function isRepoSlug(slug: string, namespace: string | null): boolean {
  return isSlug(slug) && (namespace === null || (isSlug(namespace) && !TAIL_WORDS.has(slug)));
}
