import { isValidAccountSlug, isValidRepoSlug, isValidSlug } from './slugs.js';

describe('slugs', () => {
  it.each(['a', '0', 'my-repo', 'a1-b2-c3', 'x'.repeat(100)])('accepts %s', (slug) =>
    expect(isValidSlug(slug)).toBe(true),
  );

  it.each(['', '-a', 'a-', 'a--b', 'A', 'a_b', 'a.b', 'a/b', 'a\n', 'ü', 'x'.repeat(101)])('refuses %j', (slug) =>
    expect(isValidSlug(slug)).toBe(false),
  );

  it('keeps route words free inside a namespace only', () => {
    expect(isValidRepoSlug('commits', null)).toBe(true);
    expect(isValidRepoSlug('commits', 'team')).toBe(false);
    expect(isValidRepoSlug('cherry-pick', 'team')).toBe(false);
    expect(isValidRepoSlug('app', 'team')).toBe(true);
    expect(isValidRepoSlug('app', 'Team')).toBe(false);
  });

  it('keeps first path segments of the server from becoming accounts', () => {
    expect(['api', 'v1', 'health', 'livez', 'readyz', 'metrics', 'docs'].map(isValidAccountSlug)).not.toContain(true);
    expect(isValidAccountSlug('acme')).toBe(true);
  });
});
