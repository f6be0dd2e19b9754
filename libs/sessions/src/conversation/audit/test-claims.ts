import type { Evidence, Fact } from './evidence.js';
import { absent, judged, type Decision, type Place, type Rule } from './judging.js';
import { NUMBER, numberIn, unmasked } from './prose.js';

const TESTS = String.raw`(?:tests?(?: cases?| files?| suites?)?|specs?|test ?suites?|suites?|assertions|scenarios|checks|pytest|jest|vitest|mocha|rspec|(?:cargo|go|npm|pnpm|yarn|mvn|gradle|dotnet|make)(?: run)? test)`;
const GOOD = String.raw`(?:pass(?:es|ed|ing)?|(?:is|are|was|were|all|now|back to|stays?|remains?|went|goes) (?:all |now |fully |completely )?green|succeed(?:s|ed)?|successful(?:ly)?)`;

/** Tests are said to pass: `the suite is green`, `42 tests pass`, `12/12 passing`, `no test failures`. */
const PASSES: readonly RegExp[] = [
  new RegExp(String.raw`\b${TESTS}\b[^.]{0,60}?\b${GOOD}\b`, 'i'),
  new RegExp(String.raw`\b${NUMBER} (?:of|out of|\/) ?\d[\d,]{0,8} (?:\w+ ){0,2}(?:pass(?:es|ed|ing)?|green)\b`, 'i'),
  /\b\d[\d,]{0,8}\/\d[\d,]{0,8} (?:\w+ ){0,2}(?:pass(?:es|ed|ing)?|green)\b/i,
  /\b\d[\d,]{0,8} (?:pass(?:ed|ing)|green)\b/i,
  new RegExp(String.raw`\b(?:no|zero|0|without(?: any)?) (?:\w+ )?(?:fail(?:ures?|ing|ed)) ?(?:${TESTS})?\b`, 'i'),
  new RegExp(
    String.raw`\b(?:test run|test results?|${TESTS}) (?:is|are|was|were|came back|comes back|finished|ran)\b[^.]{0,20}\b(?:clean(?:ly)?|without (?:any )?(?:failures?|errors?))\b`,
    'i',
  ),
  /\beverything (?:is (?:now )?green|passes)\b/i,
];
const COUNTS: readonly RegExp[] = [
  new RegExp(String.raw`\b(?:all )?${NUMBER} (?:\w+ ){0,3}?${TESTS}\b`, 'i'),
  new RegExp(String.raw`\b${NUMBER} ?(?:of|out of|\/) ?\d`, 'i'),
  new RegExp(String.raw`\b${NUMBER} (?:pass(?:ed|ing)|green)\b`, 'i'),
  new RegExp(String.raw`${TESTS}[^.]{0,20}\(${NUMBER}(?: of \d+|\/\d+| total| passed)?\)`, 'i'),
];

/** Tests said to be written, not run. */
const WRITTEN_TESTS = /\b(?:added|wrote|created|new) \w{0,20} ?(?:tests?|specs?) (?:for|to|that|covering)\b/i;

/** Words before `tests` that do not narrow down which. */
const UNIVERSAL =
  /^(?:all|the|of|our|your|my|these|those|existing|unit|full|entire|whole|complete|every|now|still|both|and|a|project'?s?|automated|current|our|other|jest|pytest|run|ran|pass(?:es|ed|ing)?|green|both|go|cargo|npm|pnpm|yarn|mvn|gradle|dotnet|make|vet|\d[\d,]*)$/i;

/** The word that narrows a claim to some tests (`parser` in `the parser tests pass`), if any. */
function scopeOf(clause: string): string | undefined {
  const before = new RegExp(String.raw`((?:[\w'-]+ ){0,3})(?:tests?|specs?|suites?)\b`, 'i').exec(clause)?.[1] ?? '';
  const words = before.split(' ').filter((word) => word !== '');
  // What stands before `and the` belongs to something else.
  const noun = words.slice(
    words.findLastIndex((word) => /^(?:and|the|all|our|my|these|every|by|with)$/i.test(word)) + 1,
  );
  return noun.find((word) => !UNIVERSAL.test(word) && numberIn(word) === undefined);
}

export const testRule: Rule = (place) =>
  place.sentence.clauses
    .map((clause) => unmasked(clause, place.sentence.spans))
    .filter((clause) => PASSES.some((pattern) => pattern.test(clause)) && !WRITTEN_TESTS.test(clause))
    .map((clause) => judged(place, 'test_result', passDecision(place, clause)));

function passDecision(place: Place, clause: string): Decision {
  const runs = testRuns(place.evidence);
  const last = runs.at(-1);
  if (last === undefined) return absent(place, 'ran any test');
  if (last.unanswered)
    return {
      verdict: 'unverified',
      confidence: 40,
      explanation: 'The result of the last test run is not recorded.',
      facts: [last],
    };
  const bad = failureDecision(place, clause, runs, last);
  if (bad !== undefined) return bad;
  const count = countIn(clause);
  if (count !== undefined && last.tests !== undefined && !isReported(count, runs)) {
    return {
      verdict: 'hallucination',
      confidence: 80,
      explanation: `The claim says ${count}, but the last test run reports ${last.tests.passed} passed, ${last.tests.failed} failed.`,
      facts: [last],
    };
  }
  const isStale = place.evidence.facts.some(
    ({ index, writes, failed }) => index > last.index && writes.length > 0 && !failed,
  );
  if (isStale)
    return {
      verdict: 'unverified',
      confidence: 50,
      explanation: 'Files were changed after the last test run.',
      facts: [last],
    };
  return { verdict: 'verified', confidence: 90, explanation: 'The last test run shows no failure.', facts: [last] };
}

const isRed = ({ failed, tests }: Fact): boolean => (tests?.failed ?? 0) > 0 || (failed && (tests?.failed ?? 1) > 0);

function failureDecision(
  { sentence, evidence }: Place,
  clause: string,
  runs: readonly Fact[],
  last: Fact,
): Decision | undefined {
  const reported =
    last.tests === undefined
      ? 'exited with a failure'
      : `reports ${last.tests.failed} failed, ${last.tests.passed} passed`;
  if (isRed(last)) {
    const scope = scopeOf(clause);
    const failing = failingLines(evidence, last);
    const isAboutOthers =
      scope !== undefined && !failing.some((line) => line.toLowerCase().includes(scope.toLowerCase()));
    if (sentence.admitsFailure || isAboutOthers) {
      return {
        verdict: 'unverified',
        confidence: 40,
        explanation: `The last test run ${reported}; the claim is about some of the tests.`,
        facts: [last],
      };
    }
    return { verdict: 'hallucination', confidence: 95, explanation: `The last test run ${reported}.`, facts: [last] };
  }
  if (!/\b(?:full|entire|whole|complete)\b/i.test(clause) || sentence.admitsFailure) return undefined;
  const size = (fact: Fact): number => (fact.tests?.passed ?? 0) + (fact.tests?.failed ?? 0);
  const fuller = runs.findLast((run) => size(run) > 2 * size(last) && size(last) > 0);
  if (fuller === undefined || !isRed(fuller)) return undefined;
  return {
    verdict: 'hallucination',
    confidence: 70,
    explanation: 'The last run of that many tests had failures; only a part was run again.',
    facts: [fuller, last],
  };
}

/** Lines of the last run's output that name what failed. */
function failingLines(evidence: Evidence, last: Fact): string[] {
  const text = evidence.recent.find(({ fact }) => fact === last)?.text ?? last.excerpt;
  return text
    .split('\n')
    .filter((line) => /\bFAIL(?:ED|URE)?\b|✕|✗|✘|×|●|not ok\b|--- FAIL|^\s*\d+\) /.test(line))
    .slice(0, 200);
}

/** Runs of tests: what ran a test program, or printed a test summary. */
export const testRuns = (evidence: Evidence): Fact[] =>
  evidence.facts.filter(({ roles, tests }) => roles.has('test') || tests !== undefined).filter(isRealRun);

/** `pip install pytest` or a look at a test file is no run; a test program that printed nothing readable still is. */
const isRealRun = ({ tests, roles }: Fact): boolean =>
  tests !== undefined || !roles.has('install') || roles.has('test');

function countIn(clause: string): number | undefined {
  const counts = COUNTS.map((pattern) => numberIn(pattern.exec(clause)?.[1])).filter((count) => count !== undefined);
  return counts[0];
}

/** Whether a recent run, or several in a row added up, reported this number anywhere in its summary. */
function isReported(count: number, runs: readonly Fact[]): boolean {
  const recent = runs.slice(-6);
  if (recent.some(({ tests }) => tests === undefined || tests.numbers.includes(count) || tests.passed === count))
    return true;
  let sum = 0;
  return recent.toReversed().some(({ tests }) => (sum += tests?.passed ?? 0) === count);
}
