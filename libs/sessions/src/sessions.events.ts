/** Events of captured sessions; the subject is the session's uid, the payload names its id. */
export const SESSION_PUSHED = 'session.pushed';
export const SESSION_CHANGED = 'session.changed';
export const SESSION_TRASHED = 'session.trashed';
export const SESSION_RESTORED = 'session.restored';
/** A model has told what happened in it. */
export const SESSION_NARRATED = 'session.narrated';
/** The subject is the person. */
export const SETTINGS_CHANGED = 'session_settings.changed';
export const SESSION_AUDIT_REQUESTED = 'session.audit_requested';
export const SESSION_AUDITED = 'session.audited';
export const SESSION_AUDIT_FAILED = 'session.audit_failed';
/** A finding of the newest report was dismissed, or no longer is. */
export const SESSION_AUDIT_CHANGED = 'session.audit_changed';
/** Its subject is the organisation. */
export const DLP_POLICY_CHANGED = 'dlp.policy_changed';
export const SESSION_SHARED = 'session.shared';
export const SESSION_UNSHARED = 'session.unshared';
/** A pull request is about its repository and branch. */
export const SESSION_IN_PULL_REQUEST = 'session.in_pull_request';
/** Gone for good, with everything that hung on it. */
export const SESSION_PURGED = 'session.purged';
/** Old versions went; the session is as it was. */
export const SESSION_PRUNED = 'session.pruned';
