import { decodeKeyset, encodeKeyset, INSTANT_SHAPE } from './keyset.js';

const SHAPES = [INSTANT_SHAPE, /^[a-z]+$/];

describe('a cursor', () => {
  it('gives back the columns it was made of', () => {
    expect(decodeKeyset(encodeKeyset(['2026-02-28T23:59:59.999Z', 'id']), SHAPES)).toEqual([
      '2026-02-28T23:59:59.999Z',
      'id',
    ]);
  });

  it.each([
    '2026-02-30T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '9999-99-99T99:99:99.999Z',
    '2026-01-01T24:00:00.000Z',
    '2026-01-01T00:00:00Z',
    '2026-01-01',
    '0001-01-01T00:00:00.000Z',
    '+010000-01-01T00:00:00.000Z',
    'now',
    '',
  ])('with the moment %s is refused: the database would fail at it', (moment) => {
    expect(() => decodeKeyset(encodeKeyset([moment, 'id']), SHAPES)).toThrow('Invalid cursor');
  });
});
