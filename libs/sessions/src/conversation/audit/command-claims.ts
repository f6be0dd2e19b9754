import type { Fact } from './evidence.js';
import { absent, judged, lastHaving, outcomeDecision, type Decision, type Place, type Rule } from './judging.js';
import { unmasked } from './prose.js';
import type { Role } from './programs.js';
import { testRuns } from './test-claims.js';

/** What an agent may say it ran without naming the command. */
const SUBJECTS: readonly { readonly role: Role; readonly name: string; readonly words: RegExp }[] = [
  { role: 'test', name: 'the tests', words: /\b(?:tests?|test suite|suite|specs?|regression)\b/i },
  {
    role: 'typecheck',
    name: 'the type checker',
    words: /\b(?:type-?check(?:er|ing|s)?|type checks?|tsc|mypy|pyright|types? errors?)\b/i,
  },
  {
    role: 'lint',
    name: 'the linter',
    words: /\b(?:lint(?:er|ing|s)?|eslint|ruff|clippy|flake8|rubocop|golangci-lint|pylint)\b/i,
  },
  { role: 'build', name: 'the build', words: /\b(?:builds?|compil(?:es|ed|ation)|bundle)\b/i },
  { role: 'migration', name: 'the migration', words: /\bmigrations?\b/i },
  { role: 'benchmark', name: 'the benchmark', words: /\b(?:benchmarks?|load tests?)\b/i },
  { role: 'format', name: 'the formatter', words: /\b(?:formatter|prettier|gofmt|rustfmt)\b/i },
  { role: 'deploy', name: 'the deployment', words: /\b(?:deploy(?:ed|ment)?)\b/i },
];

const RAN =
  /\b(?:(?:'ve|have|has)(?: also| now| just)? run|ran|executed|re-?ran|applied|invoked|kicked off|after running|by running|via running)\b/i;
const WENT_WELL =
  /\b(?:pass(?:es|ed|ing)?|succeed(?:s|ed)?|success(?:ful|fully)?|clean(?:ly)?|green|compiles|works|worked|fine|(?:no|zero|0) (?:\w+ ){0,2}?(?:errors?|warnings?|problems|violations)|without (?:any |a |an )?(?:\w+ )?(?:errors?|warnings?|issues?|problems)|error-free|exit(?:s|ed)?(?: with)?(?: code| status)? (?:0|zero)|exit code (?:of )?0|complet(?:es|ed)|finish(?:es|ed)|is (?:up|live|healthy))\b/i;
const NO_ERRORS =
  /\b(?:(?:no|zero|0|without(?: any)?) (?:\w+ )?errors?|exit(?:s|ed)?(?: with)?(?: code| status)? (?:0|zero)|exit code (?:of |was )?0|(?:ran|runs|executed|completed|finished) (?:\w+ )?(?:successfully|cleanly|without (?:any )?(?:errors?|issues|problems)|fine))\b/i;
const REPORTED_ERRORS =
  /\b(?:found|with|and|,) ([1-9]\d{0,5}) errors?\b|\b([1-9]\d{0,5}) problems? \(|\berror TS\d+|\bERROR in\b|\b[1-9]\d{0,5} errors? (?:found|generated)|^error(?:\[E\d+\])?: (?!\(?(?:none|null|0)\b)/im;

/** A code span that is a command rather than a name: it has arguments or is a script. */
const COMMAND_LIKE =
  /^(?:\.\/|npm |npx |pnpm |yarn |bun |node |python|pytest|go |cargo |make\b|git |docker|kubectl|terraform|curl |bash |sh |uv |poetry |pip|ruff|eslint|tsc|jest|vitest|mvn |gradle|\.\/gradlew|dotnet |rails |bundle |composer |php |psql |alembic|prisma |helm |mix |swift |deno |[\w./-]+ .+)/;
const PLACEHOLDER = /⟦(\d{1,3})⟧/g;

export const commandRule: Rule = (place) => {
  for (const clause of place.sentence.clauses) {
    const decision = namedCommand(place, clause) ?? namedSubject(place, clause) ?? anyCommand(place, clause);
    if (decision !== undefined) return [judged(place, 'command_output', decision)];
  }
  return [];
};

/** `I ran \`npm run build\``, and how it is said to have gone. */
function namedCommand(place: Place, clause: string): Decision | undefined {
  const spans = [...clause.matchAll(PLACEHOLDER)].map((match) => ({
    at: match.index,
    text: place.sentence.spans[Number(match[1])] ?? '',
  }));
  const span = spans.find(
    ({ text }) => COMMAND_LIKE.test(text) && !/^(?:import|export|const|let|from|return|def|class) /.test(text),
  );
  if (span === undefined) return undefined;
  const saysRan = RAN.test(clause.slice(Math.max(0, span.at - 60), span.at));
  const saysWell = WENT_WELL.test(clause) || (saysRan && WENT_WELL.test(place.sentence.clauses.join(', ')));
  if (!saysRan && !saysWell) return undefined;
  const { facts, isExact } = runsOf(place, span.text);
  const last = facts.at(-1);
  if (last === undefined) return saysRan ? absent(place, `ran \`${span.text}\``) : undefined;
  if (!saysWell)
    return {
      verdict: isExact ? 'verified' : 'unverified',
      confidence: 80,
      explanation: 'A matching command was run.',
      facts: [last],
    };
  return wentWell(place, last, `\`${span.text}\``);
}

/** Runs of a command as written, else of the same program and subcommand. */
function runsOf(place: Place, span: string): { facts: Fact[]; isExact: boolean } {
  const words = normal(span).split(' ');
  const having = (wanted: readonly string[]): Fact[] =>
    place.evidence.facts.filter(({ commands }) =>
      commands.some((command) => {
        const all = new Set(normal(command).split(' '));
        return wanted.every((word) => all.has(word));
      }),
    );
  const exact = having(words);
  if (exact.length > 0) return { facts: exact, isExact: true };
  const similar = having(words.filter((word) => !word.startsWith('-')).slice(0, 2));
  if (similar.length > 0) return { facts: similar, isExact: false };
  // `npm test` may have been run as `npx jest`.
  const isTest = /\btests?\b|pytest|jest|vitest|spec/.test(span);
  return { facts: isTest ? testRuns(place.evidence) : [], isExact: false };
}

const normal = (command: string): string =>
  command
    .replace(/^\$ /, '')
    .replace(/\brun(?:-script)? /g, '')
    .replace(/["']|^(?:npx|sudo|uv run|poetry run|pipenv run|bundle exec|python -m) /g, '')
    .replace(/\s+/g, ' ')
    .trim();

/** `I ran the linter`, `the build succeeds`, `type-check is clean`. */
function namedSubject(place: Place, clause: string): Decision | undefined {
  const plain = unmasked(clause, place.sentence.spans);
  const subject = SUBJECTS.find(({ words }) => words.test(plain));
  if (subject === undefined) return undefined;
  const saysRan =
    new RegExp(`${RAN.source}[^.]{0,40}(?:${subject.words.source})`, 'i').test(plain) &&
    !/\bran (?:in|for)\b/i.test(plain);
  const saysWell =
    WENT_WELL.test(plain) &&
    (subject.role !== 'deploy' || /deploy\w* (?:\w+ )?(?:success|complet|is live)/i.test(plain));
  // How tests went is judged by the rule for tests.
  if (subject.role === 'test' ? !saysRan : !saysRan && !saysWell) return undefined;
  const runs = subject.role === 'test' ? testRuns(place.evidence) : place.evidence.having(subject.role);
  const last = runs.at(-1);
  if (last === undefined) return absent(place, `ran ${subject.name}`);
  if (subject.role === 'test' || !saysWell)
    return { verdict: 'verified', confidence: 80, explanation: `${subject.name} ran.`, facts: [last] };
  if (lastHaving(place.evidence, subject.role).isStale && !last.failed) {
    return {
      verdict: 'unverified',
      confidence: 50,
      explanation: `Files were changed after the last run of ${subject.name}.`,
      facts: [last],
    };
  }
  return wentWell(place, last, subject.name);
}

/** `finished without errors`, said of whatever ran last. */
function anyCommand(place: Place, clause: string): Decision | undefined {
  if (!NO_ERRORS.test(unmasked(clause, place.sentence.spans))) return undefined;
  const last = place.evidence.facts.findLast(
    ({ commands, roles }) => commands.length > 0 && [...roles].some((role) => role !== 'view' && role !== 'nothing'),
  );
  return last === undefined ? undefined : wentWell(place, last, 'the last command');
}

function wentWell({ evidence, sentence }: Place, fact: Fact, what: string): Decision {
  const decision = outcomeDecision(fact, what);
  if (decision.verdict === 'verified') {
    const text = evidence.recent.find((result) => result.fact === fact)?.text ?? fact.excerpt;
    const errors = REPORTED_ERRORS.exec(text)?.[0];
    const failures = fact.tests?.failed ?? 0;
    if (errors === undefined && failures === 0) return decision;
    if (sentence.admitsFailure) return { ...decision, verdict: 'unverified', confidence: 40 };
    return {
      verdict: 'hallucination',
      confidence: 85,
      explanation: `The output of ${what} reports errors.`,
      facts: [fact],
    };
  }
  if (decision.verdict === 'hallucination' && sentence.admitsFailure)
    return { ...decision, verdict: 'unverified', confidence: 40 };
  return decision;
}
