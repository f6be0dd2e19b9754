/** Ids of pinned sessions and the tokens of verification links. */
const CREDENTIAL = /(ses|vrf)_[A-Za-z0-9_-]{21,}/g;

/** The token of a share link. */
const SHARE_TOKEN = /(\/share\/)[A-Za-z0-9_-]{64}/g;

/** A path as it may be written into logs and audit rows: without the credentials some addresses hold. */
export function loggedPath(path: string): string {
  return path.replace(CREDENTIAL, '$1_…').replace(SHARE_TOKEN, '$1…');
}
