/** Events of repositories. Subject: the repo; payloads hold ids and shas, never content. */
export const REPO_CREATED = 'repo.created';
export const REPO_UPDATED = 'repo.updated';
export const REPO_DELETED = 'repo.deleted';
/** Payload: ref, sha, parent, paths (count). One per commit made through the API. */
export const COMMIT_CREATED = 'commit.created';
/** Payload: name, old_sha, new_sha; null for created and deleted. */
export const REF_CHANGED = 'ref.changed';
/** Payload: refs (ref, old, new; the first 50), ref_count, pack_bytes. One per accepted push, besides its ref.changed. */
export const REPO_PUSHED = 'repo.pushed';
