import { isSlug } from './slug.js';

describe('slugs', () => {
  it.each(['a', '0', 'my-repo', 'a1-b2-c3', 'x'.repeat(100)])('accepts %s', (slug) => expect(isSlug(slug)).toBe(true));

  it.each(['', '-a', 'a-', 'a--b', 'A', 'a_b', 'a.b', 'a/b', 'a\n', 'ü', 'x'.repeat(101)])('refuses %j', (slug) =>
    expect(isSlug(slug)).toBe(false),
  );
});
