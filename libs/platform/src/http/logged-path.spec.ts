import { loggedPath } from './logged-path.js';

describe('a logged path', () => {
  it('does not show the id of a pinned session', () => {
    expect(loggedPath('/v1/session/ses_THJ9Dht__5cfs_HKFAnZt/status')).toBe('/v1/session/ses_…/status');
    expect(loggedPath('/v1/repos/ses_short')).toBe('/v1/repos/ses_short');
  });

  it('does not show the token of a share link', () => {
    expect(loggedPath(`/api/v1/sessions/share/${'a-_Z'.repeat(16)}`)).toBe('/api/v1/sessions/share/…');
    expect(loggedPath('/api/v1/sessions/ses_12345678/share')).toBe('/api/v1/sessions/ses_12345678/share');
  });
});
