import { isRepoSlug } from './slugs.js';

describe('repository slugs', () => {
  it('keeps route words free inside a namespace only', () => {
    expect(isRepoSlug('commits', null)).toBe(true);
    expect(isRepoSlug('commits', 'team')).toBe(false);
    expect(isRepoSlug('cherry-pick', 'team')).toBe(false);
    expect(isRepoSlug('app', 'team')).toBe(true);
    expect(isRepoSlug('app', 'Team')).toBe(false);
  });
});
