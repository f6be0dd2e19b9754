import { generateKey, isWellFormedKey } from './key-format.js';

describe('key format', () => {
  it('accepts every key it generates, of every kind', () => {
    for (const kind of ['user_key', 'service_key', 'repo_token'] as const) {
      for (let round = 0; round < 100; round += 1) expect(isWellFormedKey(generateKey(kind))).toBe(true);
    }
  });

  it('names the kind in the prefix', () => {
    expect(generateKey('user_key')).toMatch(/^rhu_[0-9A-Za-z]{38}$/);
    expect(generateKey('service_key')).toMatch(/^rhs_/);
    expect(generateKey('repo_token')).toMatch(/^rht_/);
  });

  it('refuses a key with any one character changed', () => {
    const key = generateKey('user_key');
    for (let position = 4; position < key.length; position += 1) {
      const other = key[position] === 'a' ? 'b' : 'a';
      expect(isWellFormedKey(key.slice(0, position) + other + key.slice(position + 1))).toBe(false);
    }
  });

  it.each(['', 'rhu_', 'sk_sfs_0123456789abcdef0123456789abcdef', 'rhu_' + 'a'.repeat(38), 'x'.repeat(10_000)])(
    'refuses %p',
    (text) => expect(isWellFormedKey(text)).toBe(false),
  );
});
