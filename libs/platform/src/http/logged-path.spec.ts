import { loggedPath } from './logged-path.js';

describe('a logged path', () => {
  it('does not show the id of a pinned session', () => {
    expect(loggedPath('/v1/session/ses_THJ9Dht__5cfs_HKFAnZt/status')).toBe('/v1/session/ses_…/status');
    expect(loggedPath('/v1/repos/ses_short')).toBe('/v1/repos/ses_short');
  });
});
