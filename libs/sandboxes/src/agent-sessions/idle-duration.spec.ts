import { toIdleSeconds } from './idle-duration.js';

it.each([
  ['45s', 45],
  ['90m', 5_400],
  ['2h', 7_200],
  ['1h30m', 5_400],
  ['1h0m5s', 3_605],
  ['1h5s', 3_605],
  ['0s', 0],
  ['876000h', 3_153_600_000],
])('%s is %d seconds', (text, seconds) => {
  expect(toIdleSeconds(text)).toBe(seconds);
});

it.each([
  '',
  ' ',
  'abc',
  '2',
  '2d',
  '1.5h',
  '-1h',
  '+1h',
  '1h 30m',
  ' 1h',
  '1h\n',
  '1H30M',
  '30m1h',
  '1h1h',
  'h',
  '1hm',
  '876001h',
  '99999999999h',
  '١h',
])('%j is no duration', (text) => {
  expect(() => toIdleSeconds(text)).toThrow(expect.objectContaining({ code: 'invalid_input', field: 'older_than' }));
});
