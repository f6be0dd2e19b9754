/** Events of captured sessions; the subject is the session's uid, the payload names its id. */
export const SESSION_PUSHED = 'session.pushed';
export const SESSION_CHANGED = 'session.changed';
export const SESSION_TRASHED = 'session.trashed';
export const SESSION_RESTORED = 'session.restored';
/** The subject is the person. */
export const SETTINGS_CHANGED = 'session_settings.changed';
