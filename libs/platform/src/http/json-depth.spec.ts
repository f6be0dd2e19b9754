import { tooDeepAt } from './json-depth.js';

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

describe('the depth of JSON', () => {
  it.each([
    nested(100),
    `[${`${nested(99)},`.repeat(50)}1]`,
    JSON.stringify({ a: '['.repeat(500) }),
    '["\\"[[", "\\\\"]',
  ])('of ordinary text is taken (%#)', (text) => {
    expect(tooDeepAt(Buffer.from(text))).toBeNull();
  });

  it.each([nested(101), '{"a":'.repeat(101), `["\\\\",${'['.repeat(101)}`])(
    'beyond a hundred levels is found (%#)',
    (text) => {
      expect(tooDeepAt(Buffer.from(text))).toBeGreaterThanOrEqual(100);
    },
  );
});
