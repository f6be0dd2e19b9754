import { seal, sealingKey, unseal } from './sealed-body.js';

describe('sealed answers', () => {
  const plain = Buffer.from('{"raw_key":"rhu_secret"}');

  it('open with the same credential and idempotency key only', () => {
    const sealed = seal(plain, sealingKey('rhu_one', 'retry-1'));
    expect(unseal(sealed, sealingKey('rhu_one', 'retry-1'))).toEqual(plain);
    expect(unseal(sealed, sealingKey('rhu_two', 'retry-1'))).toBeNull();
    expect(unseal(sealed, sealingKey('rhu_one', 'retry-2'))).toBeNull();
  });

  it('never look alike and never show their text', () => {
    const key = sealingKey('rhu_one', 'retry-1');
    expect(seal(plain, key)).not.toEqual(seal(plain, key));
    expect(seal(plain, key).includes('rhu_secret')).toBe(false);
  });

  it('refuse any changed byte', () => {
    const key = sealingKey('rhu_one', 'retry-1');
    const sealed = seal(plain, key);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(unseal(changed, key)).toBeNull();
    }
  });
});
