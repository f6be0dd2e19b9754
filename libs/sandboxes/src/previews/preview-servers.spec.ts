import { gistOf } from './preview-servers.js';

describe('what is told of a server that has ended', () => {
  it('is what it says, without where in its code it was', () => {
    const printed =
      "> dev\n> vite\n\nnode:internal/loader:1\n  throw err;\n  ^\n\n\u001b[31mError: Cannot find module\u001b[39m 'x'\n" +
      '    at one (a.js:1:1)\n    at two (b.js:2:2) {\n  code: 1\n}\n\nNode.js v24\n';
    expect(gistOf(printed)).toBe(
      "> dev / > vite / node:internal/loader:1 / throw err; / Error: Cannot find module 'x' / code: 1 / Node.js v24",
    );
  });

  it('is its end, bounded, on one line', () => {
    expect(gistOf(Array.from({ length: 20 }, (_, n) => `line ${n}\r\n`).join(''))).toMatch(
      /^line 12 \/ .* \/ line 19$/,
    );
    expect(gistOf('x'.repeat(5_000))).toHaveLength(800);
    expect(gistOf('')).toBe('');
  });
});
