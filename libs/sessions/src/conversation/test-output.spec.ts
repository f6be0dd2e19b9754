import { readTestOutput } from './test-output.js';

const esc = String.fromCharCode(27);

const OUTPUTS: readonly (readonly [runner: string, passed: number, failed: number, skipped: number, output: string])[] =
  [
    [
      'jest',
      41,
      1,
      2,
      'Test Suites: 1 failed, 4 passed, 5 total\nTests:       1 failed, 2 skipped, 41 passed, 44 total',
    ],
    ['jest', 7, 0, 0, 'Tests:       3 passed, 3 total\n\nTests:       4 passed, 4 total\nTime: 1 s'],
    [
      'vitest',
      41,
      2,
      0,
      ` Test Files  1 failed | 4 passed (5)\n${esc}[2m      Tests ${esc}[22m 2 failed | 41 passed (43)`,
    ],
    ['pytest', 41, 5, 1, '=== 2 failed, 41 passed, 1 skipped, 3 errors in 0.12s ==='],
    ['pytest', 3, 0, 0, 'tests/test_a.py ...\n3 passed in 0.02s'],
    ['unittest', 9, 3, 0, 'Ran 12 tests in 0.003s\n\nFAILED (failures=1, errors=2)'],
    ['unittest', 12, 0, 0, 'Ran 12 tests in 0.003s\n\nOK'],
    ['go', 2, 1, 0, 'ok  \tacme/a\t0.012s\nok  \tacme/b\t(cached)\n--- FAIL: TestX (0.00s)\nFAIL\nFAIL\tacme/c\t0.02s'],
    [
      'go',
      2,
      0,
      1,
      '--- PASS: TestA (0.00s)\n--- PASS: TestB (0.00s)\n--- SKIP: TestC (0.00s)\nPASS\nok  \tacme/a\t0.01s',
    ],
    [
      'cargo',
      12,
      1,
      1,
      'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\ntest result: FAILED. 10 passed; 1 failed; 0 ignored',
    ],
    [
      'maven',
      10,
      2,
      0,
      '[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s - in A\n[ERROR] Tests run: 12, Failures: 1, Errors: 1, Skipped: 0',
    ],
    [
      'junit',
      9,
      2,
      1,
      '<testsuites><testsuite name="a" tests="12" failures="1" errors="1" skipped="1" time="1"></testsuite></testsuites>',
    ],
    ['node', 11, 1, 0, 'TAP version 13\nok 1 - a\n# tests 12\n# pass 11\n# fail 1\n# skipped 0'],
    ['tap', 1, 1, 1, 'TAP version 13\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no net\n1..3'],
    ['mocha', 41, 2, 0, '  41 passing (2s)\n  2 failing\n'],
    ['rspec', 11, 1, 0, '12 examples, 1 failure'],
    ['gradle', 11, 1, 0, '12 tests completed, 1 failed'],
    ['phpunit', 12, 0, 0, 'OK (12 tests, 30 assertions)'],
    ['dotnet', 12, 1, 0, 'Failed!  - Failed:     1, Passed:    12, Skipped:     0, Total:    13'],
    ['xctest', 11, 1, 0, 'Executed 12 tests, with 1 failure (0 unexpected) in 0.1 seconds'],
    ['bun', 12, 1, 0, ' 12 pass\n 1 fail\n 30 expect() calls'],
    ['deno', 12, 1, 0, 'FAILED | 12 passed | 1 failed (3s)'],
    ['playwright', 12, 1, 0, '  1 failed\n    a.spec.ts:3:1\n  12 passed (3.2s)'],
    ['counts', 2, 1, 0, '2 passed, 1 failed'],
  ];

describe('the output of test runs', () => {
  it.each(OUTPUTS)('is read for %s: %d passed, %d failed, %d skipped', (runner, passed, failed, skipped, output) => {
    expect(readTestOutput(output)).toMatchObject({ runner, passed, failed, skipped });
  });

  it.each(['', 'ok', 'All done', 'added 3 packages in 2s', '3 files changed, 4 insertions(+)', 'Tests: none'])(
    'is not seen in %j',
    (output) => expect(readTestOutput(output)).toBeUndefined(),
  );

  it.each(['=', ' ', '1 ', 'a', 'Tests: 1 ', '<testsuite ', 'Tests run: 1, Failures: 1 ', '1 passed, '])(
    'is looked for to the end in a long line of %j',
    (part) => {
      const read = readTestOutput(part.repeat(64_000 / part.length));
      expect(read === undefined || read.passed >= 0).toBe(true);
    },
  );
});
