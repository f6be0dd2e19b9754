import { plainOutput } from './bounded-text.js';
import type { Action } from './tool-actions.js';
import type { ShellSegment } from './shell-words.js';

/** What a run of tests reported. */
export interface TestCounts {
  readonly runner: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Every number of the report's summary lines, suites and files included: what a claim may rightly repeat. */
  readonly numbers: readonly number[];
}

type Reader = (text: string) => Omit<TestCounts, 'runner' | 'numbers'> | undefined;
interface Runner {
  readonly name: string;
  readonly read: Reader;
}

const count = (text: string | undefined): number => Number((text ?? '0').replaceAll(',', '')) || 0;

/** The numbers before a word, added up, in a summary such as `2 failed | 41 passed (43)`. */
const before = (line: string, word: string): number => {
  const pattern = new RegExp(String.raw`(\d[\d,]{0,11}) +(?:${word})\b`, 'gi');
  return [...line.matchAll(pattern)].reduce((total, [, number]) => total + count(number), 0);
};

/** The number after a word in a summary such as `Failures: 1` or `failures=1`. */
const after = (line: string, word: string): number =>
  count(new RegExp(String.raw`\b(?:${word})["']?[:=] *["']?(\d[\d,]{0,11})`, 'i').exec(line)?.[1]);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** A reader of summary lines `… 2 failed … 41 passed …`, added up over the packages of a workspace. */
const worded =
  (pattern: RegExp, words: { passed: string; failed: string; skipped: string }): Reader =>
  (text) => {
    const lines = [...text.matchAll(pattern)].map(([line]) => line);
    if (lines.length === 0) return undefined;
    const total = (word: string): number => sum(lines.map((line) => before(line, word)));
    return { passed: total(words.passed), failed: total(words.failed), skipped: total(words.skipped) };
  };

const unittest: Reader = (text) => {
  const ran = /^Ran (\d{1,9}) tests? in /m.exec(text);
  if (ran === null) return undefined;
  const verdict = /^(?:OK|FAILED)(?: \(([^)\n]{0,200})\))?$/m.exec(text)?.[1] ?? '';
  const failed = after(verdict, 'failures') + after(verdict, 'errors');
  const skipped = after(verdict, 'skipped');
  return { passed: Math.max(0, count(ran[1]) - failed - skipped), failed, skipped };
};

/** With `-v` go names every test, without it only those that failed; else a line per package is all there is. */
const go: Reader = (text) => {
  const occurrences = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const okPackages = occurrences(/^ok +\t?\S+\s+(?:[\d.]+m?s|\(cached\))/gm);
  const failedPackages = occurrences(/^FAIL\s+\S+\s+(?:[\d.]+m?s|\[[a-z ]+\])/gm);
  const passedTests = occurrences(/^--- PASS: /gm);
  const failedTests = occurrences(/^--- FAIL: /gm);
  if (okPackages + failedPackages + passedTests + failedTests === 0) return undefined;
  return {
    passed: passedTests > 0 ? passedTests : okPackages,
    failed: failedTests > 0 ? failedTests : failedPackages,
    skipped: occurrences(/^--- SKIP: /gm),
  };
};

/** Surefire prints a line per class and one for all: the last line without `Time elapsed` is the sum. */
const maven: Reader = (text) => {
  const lines = [...text.matchAll(/Tests run: {0,3}\d{1,9}, Failures: {0,3}\d{1,9}[^\n]{0,200}/g)].map(
    ([line]) => line,
  );
  const total = lines.findLast((line) => !line.includes('Time elapsed')) ?? lines.at(-1);
  if (total === undefined) return undefined;
  const failed = after(total, 'Failures') + after(total, 'Errors');
  const skipped = after(total, 'Skipped');
  return { passed: Math.max(0, after(total, 'Tests run') - failed - skipped), failed, skipped };
};

const junitXml: Reader = (text) => {
  const roots = [...text.matchAll(/<testsuites\b[^>]{0,2000}\btests="\d[^>]{0,2000}>/g)].map(([tag]) => tag);
  const suites = [...text.matchAll(/<testsuite\b[^>]{0,2000}\btests="\d[^>]{0,2000}>/g)].map(([tag]) => tag);
  const tags = roots.length > 0 ? roots : suites;
  if (tags.length === 0) return undefined;
  const total = (word: string): number => sum(tags.map((tag) => after(tag, word)));
  const failed = total('failures') + total('errors');
  return { passed: Math.max(0, total('tests') - failed - total('skipped')), failed, skipped: total('skipped') };
};

/** Runners that print `word number`: node's own (TAP and spec), dotnet, phpunit. */
const nodeTest: Reader = (text) => {
  const number = (word: string): number =>
    count(new RegExp(String.raw`^(?:#|ℹ) ${word} (\d{1,9})$`, 'm').exec(text)?.[1]);
  if (!/^(?:#|ℹ) pass \d{1,9}$/m.test(text)) return undefined;
  return { passed: number('pass'), failed: number('fail'), skipped: number('skipped') + number('todo') };
};

const dotnet: Reader = (text) => {
  const lines = [...text.matchAll(/Failed: +\d{1,9}, Passed: +\d{1,9}[^\n]{0,100}/g)].map(([line]) => line);
  if (lines.length === 0) return undefined;
  const total = (word: string): number => sum(lines.map((line) => after(line, word)));
  return { passed: total('Passed'), failed: total('Failed'), skipped: total('Skipped') };
};

const phpunit: Reader = (text) => {
  const ok = /^OK \((\d{1,9}) tests?, \d/m.exec(text);
  if (ok !== null) return { passed: count(ok[1]), failed: 0, skipped: 0 };
  const line = /^Tests: \d{1,9}, Assertions: \d{1,9}[^\n]{0,200}/m.exec(text)?.[0];
  if (line === undefined) return undefined;
  const failed = after(line, 'Failures') + after(line, 'Errors');
  return {
    passed: Math.max(0, after(line, 'Tests') - failed - after(line, 'Skipped')),
    failed,
    skipped: after(line, 'Skipped'),
  };
};

const examples: Reader = (text) => {
  const line = /^\d{1,9} examples?, \d{1,9} failures?[^\n]{0,100}/m.exec(text)?.[0];
  if (line === undefined) return undefined;
  const failed = before(line, 'failures?');
  const skipped = before(line, 'pending');
  return { passed: Math.max(0, before(line, 'examples?') - failed - skipped), failed, skipped };
};

const gradle: Reader = (text) => {
  const line = /^\d{1,9} tests? completed(?:, \d[^\n]{0,100})?/m.exec(text)?.[0];
  if (line === undefined) return undefined;
  const failed = before(line, 'failed');
  const skipped = before(line, 'skipped');
  return { passed: Math.max(0, before(line, 'tests? completed') - failed - skipped), failed, skipped };
};

const xctest: Reader = (text) => {
  const line = text.match(/Executed \d{1,9} tests?, with \d{1,9} failures?/g)?.at(-1);
  if (line === undefined) return undefined;
  const failed = before(line, 'failures?');
  return { passed: Math.max(0, before(line, 'tests?,? *') - failed), failed, skipped: 0 };
};

const tap: Reader = (text) => {
  if (!/^(?:TAP version \d+|1\.\.\d+)/m.test(text)) return undefined;
  const lines = [...text.matchAll(/^(not )?ok\b(?: \d+)?([^\n]{0,300})/gm)];
  if (lines.length === 0) return undefined;
  const excused = (line: RegExpMatchArray): boolean => /# *(?:skip|todo)/i.test(line[2] ?? '');
  const failed = lines.filter((line) => line[1] !== undefined && !excused(line)).length;
  const skipped = lines.filter(excused).length;
  return { passed: lines.length - failed - skipped, failed, skipped };
};

const PASSED = { passed: 'passed', failed: 'failed', skipped: 'skipped|todo|pending|ignored|filtered out' };

/** Most specific first: the first that recognises a summary is believed. */
const RUNNERS: readonly Runner[] = [
  { name: 'jest', read: worded(/^Tests: +(?:\d[^\n]{0,150}), (?:\d{1,9}) total/gm, PASSED) },
  { name: 'vitest', read: worded(/^ {0,12}Tests {1,4}\d[^\n]{0,150}\(\d{1,9}\)/gm, PASSED) },
  { name: 'cargo', read: worded(/^test result: [^\n]{0,200}/gm, { ...PASSED, skipped: 'ignored' }) },
  { name: 'deno', read: worded(/^(?:ok|FAILED) \| \d{1,9} passed[^\n]{0,150}/gm, PASSED) },
  {
    name: 'pytest',
    read: worded(/^(?:=+ )?(?:\d{1,9} [a-z]+,? ?){1,8} in [\d.]+ ?s[^\n]{0,60}|^=+ (?:\d{1,9} [a-z]+,? ?){1,8}=+$/gm, {
      passed: 'passed|xpassed',
      failed: 'failed|errors?',
      skipped: 'skipped|xfailed|deselected',
    }),
  },
  { name: 'unittest', read: unittest },
  { name: 'node', read: nodeTest },
  { name: 'maven', read: maven },
  { name: 'junit', read: junitXml },
  { name: 'dotnet', read: dotnet },
  { name: 'phpunit', read: phpunit },
  { name: 'rspec', read: examples },
  { name: 'gradle', read: gradle },
  { name: 'xctest', read: xctest },
  {
    name: 'mocha',
    read: worded(/^ {0,8}\d{1,9} (?:passing|failing|pending)\b[^\n]{0,40}/gm, {
      passed: 'passing',
      failed: 'failing',
      skipped: 'pending',
    }),
  },
  {
    name: 'bun',
    read: worded(/^ {0,4}\d{1,9} (?:pass|fail|skip)$/gm, { passed: 'pass', failed: 'fail', skipped: 'skip' }),
  },
  {
    name: 'playwright',
    read: worded(/^ {1,6}\d{1,9} (?:passed|failed|flaky|skipped)(?: \([^)\n]{1,20}\))?$/gm, PASSED),
  },
  { name: 'go', read: go },
  { name: 'tap', read: tap },
  // Bare counts on a line of their own: `2 passed, 1 failed`.
  {
    name: 'counts',
    read: worded(/^(?:\d{1,9} (?:passed|failed|skipped|errors?)(?:, )?){1,4}$/gm, {
      ...PASSED,
      failed: 'failed|errors?',
    }),
  },
];

const SUMMARY_LINE =
  /^.{0,60}\b(?:tests?|suites?|passed|failed|passing|failing|examples?|total|pass|fail|ok|result)\b.{0,300}$/gim;

/** The counts in the output of a test run, or undefined when no summary is recognised. */
export function readTestOutput(output: string): TestCounts | undefined {
  const text = plainOutput(output);
  for (const { name, read } of RUNNERS) {
    const counts = read(text);
    if (counts !== undefined) return { runner: name, ...counts, numbers: summaryNumbers(text) };
  }
  return undefined;
}

function summaryNumbers(text: string): number[] {
  const lines = text.match(SUMMARY_LINE) ?? [];
  const numbers = lines.slice(-40).flatMap((line) => line.match(/\d[\d,]{0,11}(?:\.\d+)?/g) ?? []);
  return [...new Set(numbers.map((number) => Number(number.replaceAll(',', ''))))].slice(0, 200);
}

const VIEWERS = new Set(
  'cat less more head tail grep rg egrep ag sed awk git ls find echo wc sort uniq cut jq bat printf cd diff'.split(' '),
);
const LOG = /\.(log|txt|out|xml|tap)$|^\/tmp\//;

const programOf = ({ words }: ShellSegment): string => (words[0] ?? '').split('/').at(-1) ?? '';

/**
 * Whether a command can have run tests: one that only looks at files prints their content, which may well quote some
 * test's summary. A look at a log file is how runs in the background are read, so that counts.
 */
export function canReportTests(action: Action): boolean {
  if (action.kind === 'other') return /test/i.test(action.tool);
  if (action.kind !== 'command') return false;
  return action.segments.some(
    (segment) =>
      !VIEWERS.has(programOf(segment)) ||
      (programOf(segment) !== 'git' && segment.words.some((word) => LOG.test(word))),
  );
}
