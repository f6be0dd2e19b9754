import { diskFull, isDiskFull } from './disk-full.js';

const failed = (code: string): Error => Object.assign(new Error(code), { code });

describe('a full disk', () => {
  it.each(['ENOSPC', 'EDQUOT', 'EROFS'])('is %s', (code) => expect(isDiskFull(failed(code))).toBe(true));

  it.each([failed('EACCES'), failed('EIO'), new Error('ENOSPC'), 'ENOSPC', undefined])('is not %p', (error) =>
    expect(isDiskFull(error)).toBe(false),
  );

  it('is 503 with its reason', () => {
    expect(diskFull()).toMatchObject({ status: 503, code: 'unavailable', reason: 'disk_full' });
  });
});
