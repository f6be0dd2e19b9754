/**
 * The key that repositories are known by: lowercase `owner/repo` of an ssh or http(s) address, without host, user and
 * `.git`; other text lowercased as it is (sessionfs-1.md §7.4, sessionfs-2.md §3.1). Unlike the reference it reads
 * `ssh://`, `git://` and trailing slashes too: they name the same repository.
 */
export function normaliseRemote(remote: string): string {
  const text = remote.trim();
  const path = pathOfUrl(text) ?? pathOfScp(text);
  if (path === null) return text.toLowerCase();
  return path
    .replace(/^\/+|\/+$/g, '')
    .replace(/\.git$/i, '')
    .toLowerCase();
}

/** What follows host and port in `scheme://host/path`. */
function pathOfUrl(text: string): string | null {
  const match = /^(?:https?|ssh|git):\/\/[^/]*(.*)$/is.exec(text);
  return match?.[1] ?? null;
}

/** What follows the colon in `user@host:path`. */
function pathOfScp(text: string): string | null {
  const match = /^[\w.-]+@[^:/\s]+:(.*)$/s.exec(text);
  return match?.[1] ?? null;
}
