const SESSION_ID = /ses_[A-Za-z0-9_-]{21}/g;

/** A path as it may be written into logs and audit rows: the id of a pinned session is a credential. */
export function loggedPath(path: string): string {
  return path.replace(SESSION_ID, 'ses_…');
}
