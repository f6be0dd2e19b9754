import { isAccountSlug, slugFromEmail } from './account-slug.js';

describe('account slugs', () => {
  it('keeps first path segments of the server from becoming accounts', () => {
    expect(['api', 'v1', 'health', 'livez', 'readyz', 'metrics', 'docs'].filter(isAccountSlug)).toEqual([]);
    expect(isAccountSlug('acme')).toBe(true);
  });

  it.each([
    ['ada.lovelace@example.com', 'ada-lovelace'],
    ['Ada+Tag_1@example.com', 'ada-tag-1'],
    ['--x--@example.com', 'x'],
    ['admin@example.com', 'admin-account'],
    ['+++@example.com', 'user-account'],
    ['ü@example.com', 'user-account'],
    ['', 'user-account'],
  ])('makes %j the account %j', (email, slug) => expect(slugFromEmail(email)).toBe(slug));

  it('makes valid slugs of any address, with and without a suffix', () => {
    for (const local of ['a'.repeat(200), `${'a'.repeat(59)}-b`, '-'.repeat(70), '0', 'v1', 'a..b', '日本']) {
      expect(isAccountSlug(slugFromEmail(`${local}@example.com`))).toBe(true);
      expect(isAccountSlug(slugFromEmail(`${local}@example.com`, 'x7k2m9q4'))).toBe(true);
    }
  });
});
