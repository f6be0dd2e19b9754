import { ForkStorm } from './fork-storm.js';

const looksOf = (...refused: number[]): boolean[] => {
  const [first, ...rest] = refused;
  let now = first!;
  const storm = new ForkStorm(() => now);
  return rest.map((count) => {
    now = count;
    return storm.isRaging();
  });
};

describe('a fork bomb', () => {
  it('is what is refused again and again', () => {
    expect(looksOf(7, 5_000, 12_000, 20_000)).toEqual([false, true, true]);
  });

  it.each([
    ['a burst that ends', [0, 5_000, 5_000, 5_100, 5_100]],
    ['bursts with pauses', [0, 900, 900, 1_800, 1_800, 2_700]],
    ['many that wait before they ask again', [0, 190, 380, 570, 760]],
    ['what was refused before', [100_000, 100_000, 100_001]],
  ])('is not %s', (_name, refused) => {
    expect(looksOf(...refused)).not.toContain(true);
  });
});
