import { numbersOf, Processors } from './processors.js';

describe('the processors of a sandbox', () => {
  const four = (): Processors => new Processors([0, 1, 4, 5]);

  it('are as many as its share comes to, in turn, and stay the same until it is stopped', () => {
    const processors = four();
    expect(processors.become('a', 1)).toEqual(['taskset', '-c', '0']);
    expect(processors.become('b', 1.5)).toEqual(['taskset', '-c', '1,4']);
    expect(processors.become('c', 2)).toEqual(['taskset', '-c', '5,0']);
    expect(processors.become('a', 1)).toEqual(['taskset', '-c', '0']);
    processors.forget('a');
    expect(processors.become('a', 0.05)).toEqual(['taskset', '-c', '1']);
    expect(processors.become('a', 3)).toEqual(['taskset', '-c', '4,5,0']);
  });

  it('are all there are for who may use as many or more', () => {
    expect(four().become('a', 4)).toEqual([]);
    expect(four().become('a', 1000)).toEqual([]);
    expect(new Processors([]).become('a', 1)).toEqual([]);
  });

  it.each([
    ['0', [0]],
    ['0-3', [0, 1, 2, 3]],
    ['0-1,4,6-7', [0, 1, 4, 6, 7]],
  ])('are read from %s', (list, numbers) => {
    expect(numbersOf(list)).toEqual(numbers);
  });
});
