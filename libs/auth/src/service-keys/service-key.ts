import { expandScopes, SCOPES, WILDCARD } from '#platform';

export interface NewServiceKey {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  /** The only projects it may touch; null for all of its organisation's. */
  readonly projectIds: readonly string[] | null;
}

const PROJECT_ID = /^proj_[0-9a-f]{16}$/;

/** What is wrong with the scopes a service key asks for; null when nothing is (sessionfs-1.md §4.2). */
export function problemWithScopes(scopes: readonly string[]): string | null {
  if (scopes.includes(WILDCARD)) return `A service key lists its scopes; ${WILDCARD} is for people`;
  const unknown = scopes.filter((scope) => !Object.hasOwn(SCOPES, scope));
  if (unknown.length === 0) return null;
  return `Unknown scopes: ${unknown.join(', ')}. Valid scopes: ${Object.keys(SCOPES).join(', ')}`;
}

/** What is wrong with a list of projects beside those scopes; null when nothing is. */
export function problemWithProjects(projectIds: readonly string[] | null, scopes: readonly string[]): string | null {
  if (projectIds === null) return null;
  const malformed = projectIds.find((id) => !PROJECT_ID.test(id));
  if (malformed !== undefined) return `Not a project id: ${malformed.slice(0, 60)}`;
  // Until repositories belong to projects the list could not hold such a key back.
  const unbound = scopes.find((scope) => scope.startsWith('repos:'));
  return unbound === undefined ? null : `${unbound} cannot be limited to projects: repositories belong to none`;
}

/** `write` with its `read`, without duplicates, in the order given. */
export const storedScopes = (scopes: readonly string[]): string[] => expandScopes(scopes);

/** Trimmed, without blanks and duplicates; null when nothing is left. */
export function storedProjects(projectIds: readonly string[] | null | undefined): string[] | null {
  const ids = [...new Set((projectIds ?? []).map((id) => id.trim()).filter((id) => id !== ''))];
  return ids.length === 0 ? null : ids;
}
