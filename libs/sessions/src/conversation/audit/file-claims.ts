import type { Evidence, Fact } from './evidence.js';
import { absent, judged, type Decision, type Place, type Rule } from './judging.js';
import { NUMBER, numberIn } from './prose.js';
import type { Judgement } from './report.js';

const EXTENSION =
  'ts|tsx|mts|cts|js|jsx|mjs|cjs|py|pyi|go|rs|java|kt|kts|rb|php|c|h|cc|cpp|hpp|cs|swift|md|mdx|rst|txt|json|jsonc|yaml|yml|toml|ini|cfg|conf|sql|sh|bash|ps1|html|css|scss|less|vue|svelte|xml|csv|tsv|lock|proto|gradle|tf|env|graphql|ex|exs|erl|hs|scala|dart|lua|r|ipynb|svg|log|snap|prisma|astro|zig';
const IS_PATH = new RegExp(
  String.raw`^(?:[\w@.~+()[\]-]*\/)*[\w@.+()[\]-]*[\w)\]]\.(?:${EXTENSION})$|^(?:[\w.@-]+\/)*(?:Dockerfile|Makefile|Justfile|Procfile|\.gitignore|\.env(?:\.\w+)?|\.dockerignore|\.editorconfig|\.npmrc|CODEOWNERS|LICENSE)$`,
  'i',
);
const BARE_PATH = String.raw`(?:[\w@.~-]+\/)*[\w@.-]*\w\.(?:${EXTENSION})`;
const THING = String.raw`⟦\d{1,3}⟧|${BARE_PATH}(?![\w/])`;

const WRITTEN =
  'created|wrote|added|saved|generated|updated|modified|edited|changed|rewrote|refactored|patched|extended|produced|introduced|implemented|documented';
const DELETED = 'deleted|removed';
/** What may stand between the verb and its files. */
const FILLER = String.raw`a|an|the|new|file|files|module|script|test|tests|spec|migration|component|config|configuration|document|documentation|docs|page|helper|class|hook|both|also|to|in|into|at|as|up|and(?! (?:${WRITTEN}|${DELETED}|ran|installed)\b)|plus|with|following|unit|integration|separate|dedicated|small|corresponding|matching|called|named|under|for it|it|there|section|table|entry|everything|changes|results?|output|report|summary`;
const HAS_SUBJECT = String.raw`(?:^(?:also |then |finally |and |✅ |done[.:]? )*|\b(?:i|we|i've|we've|i have|we have|i also|i then|i've also|have|and) (?:also |just |now |then |successfully |finally )*)`;

const DIRECT = new RegExp(
  String.raw`${HAS_SUBJECT}(${WRITTEN}|${DELETED})\b((?:[\s,:&(]+(?:(?:${FILLER})\b|${THING}))+)`,
  'gi',
);
const INDIRECT = new RegExp(
  String.raw`${HAS_SUBJECT}(${WRITTEN})\b[^.]{1,80}?\b(?:to|in|into|at|under) (?:the |a |a new |new )?(${THING})`,
  'gi',
);
const PASSIVE = new RegExp(
  String.raw`(${THING}) (?:has been|have been|was|is|is now|now|has now been) (?:successfully |now )?(created|written|added|saved|generated|updated|deleted|removed|in place)\b`,
  'gi',
);

interface FileClaim {
  readonly path: string;
  readonly verb: string;
  readonly isDeletion: boolean;
}

/** Files said to be written or deleted, and how many were. */
export const fileRule: Rule = (place) => {
  const asserted = place.sentence.clauses.join(', ');
  if (asserted === '') return [];
  const claims = claimsIn(asserted, place.sentence.spans);
  const judgements = claims.map((claim) =>
    judged(place, 'file_existence', claim.isDeletion ? deletion(place, claim) : writing(place, claim.path)),
  );
  // One finding per sentence and verdict is enough for a reader; the worst speaks for the sentence.
  const worst =
    judgements.find(({ verdict }) => verdict === 'hallucination') ??
    judgements.find(({ verdict }) => verdict === 'unverified') ??
    judgements[0];
  return worst === undefined ? fileCount(place, asserted) : [worst];
};

function claimsIn(clause: string, spans: readonly string[]): FileClaim[] {
  const found: FileClaim[] = [];
  const add = (thing: string | undefined, verb: string | undefined): void => {
    const span = /^⟦(\d+)⟧$/.exec(thing ?? '')?.[1];
    const path =
      (span === undefined ? thing : spans[Number(span)])?.replace(/^\.\//, '').replace(/:\d+(?:-\d+)?$/, '') ?? '';
    if (IS_PATH.test(path))
      found.push({
        path,
        verb: (verb ?? '').toLowerCase(),
        isDeletion: new RegExp(`^(?:${DELETED})$`, 'i').test(verb ?? ''),
      });
  };
  const things = new RegExp(THING, 'g');
  for (const [, verb, objects = ''] of clause.matchAll(DIRECT)) {
    // `Added x.ts to the list` and `… to y.ts` write the list and y.ts.
    const targets = verb?.toLowerCase() === 'added' ? (objects.split(/\b(?:to|into)\b/).at(-1) ?? '') : objects;
    for (const [thing] of targets.matchAll(things)) add(thing, verb);
  }
  for (const [, verb, thing] of clause.matchAll(INDIRECT)) add(thing, verb);
  for (const [, thing, verb] of clause.matchAll(PASSIVE)) add(thing, verb);
  return found.filter(({ path }, index) => found.findIndex((other) => other.path === path) === index);
}

const baseName = (path: string): string => path.split('/').at(-1) ?? path;

/** Whether two spellings can be one file: one is the end of the other, whole segments only. */
function isSame(claimed: string, actual: string): boolean {
  const [a, b] = [claimed, actual].map((path) => path.replace(/^(?:\.{0,2}\/|~\/)+/, ''));
  return a === b || (a ?? '').endsWith(`/${b ?? ''}`) || (b ?? '').endsWith(`/${a ?? ''}`);
}

function writing(place: Place, path: string): Decision {
  const { evidence } = place;
  const writes = evidence.facts.filter(({ writes }) => writes.some((file) => isSame(path, file)));
  const done = writes.findLast(({ failed }) => !failed);
  if (done !== undefined) {
    if (done.unanswered)
      return {
        verdict: 'unverified',
        confidence: 40,
        explanation: `The write of ${path} has no recorded result.`,
        facts: [done],
      };
    return { verdict: 'verified', confidence: 95, explanation: `${path} was written.`, facts: [done] };
  }
  const failed = writes.at(-1);
  if (failed !== undefined && !isMentionedLater(evidence, path, failed)) {
    return {
      verdict: 'hallucination',
      confidence: 90,
      explanation: `The only attempt to write ${path} failed.`,
      facts: [failed],
    };
  }
  const sawMissing = evidence.missing.get(baseName(path));
  if (sawMissing !== undefined && !evidence.namesFile(baseName(path))) {
    const facts = evidence.facts.filter(({ resultIndex }) => resultIndex === sawMissing);
    return {
      verdict: 'hallucination',
      confidence: 90,
      explanation: `No tool call wrote ${path}, and one found it missing.`,
      facts,
    };
  }
  if (evidence.namesFile(baseName(path))) {
    return {
      verdict: 'unverified',
      confidence: 40,
      explanation: `No call is known to have written ${path}, but commands name it.`,
    };
  }
  return absent(place, `wrote ${path}`);
}

/** After a failed attempt a command that names the file may have written it another way. */
const isMentionedLater = (evidence: Evidence, path: string, failed: Fact): boolean =>
  evidence.facts.some(
    ({ index, commands, failed: isFailed }) =>
      index > failed.index && !isFailed && commands.some((command) => command.includes(baseName(path))),
  );

const isOnlyView = (roles: Fact['roles']): boolean => roles.size === 1 && roles.has('view');

function deletion(place: Place, claim: FileClaim): Decision {
  const { evidence } = place;
  const { path } = claim;
  const isCovered = (deleted: string): boolean =>
    isSame(path, deleted) || path.includes(deleted.replace(/\/?\**$/, '') + '/') || deleted.includes('*');
  const done = evidence.facts.findLast(({ deletes, failed }) => !failed && deletes.some(isCovered));
  if (done !== undefined)
    return { verdict: 'verified', confidence: 90, explanation: `${path} was deleted.`, facts: [done] };
  const attempt = evidence.facts.findLast(({ deletes }) => deletes.some(isCovered));
  if (attempt !== undefined)
    return {
      verdict: 'hallucination',
      confidence: 85,
      explanation: `The attempt to delete ${path} failed.`,
      facts: [attempt],
    };
  // `Removed x.ts from the list` is an edit; only what no command names was certainly not deleted.
  const isNamed = evidence.facts.some(
    ({ commands, roles }) => !isOnlyView(roles) && commands.some((command) => command.includes(baseName(path))),
  );
  const wasEdit = claim.verb !== 'deleted' && evidence.facts.some(({ writes }) => writes.length > 0);
  if (isNamed || wasEdit)
    return { verdict: 'unverified', confidence: 40, explanation: `No call is known to have deleted ${path}.` };
  return absent(place, `deleted ${path}`);
}

const FILE_COUNT = new RegExp(
  String.raw`${HAS_SUBJECT}(created|added|wrote|updated|modified|edited|changed|refactored) (?:all |a total of |the |these )?${NUMBER} (?:new |existing |different |source |test |more )?(?:files|modules|components)\b`,
  'i',
);

function fileCount(place: Place, clause: string): Judgement[] {
  const claimed = numberIn(FILE_COUNT.exec(clause)?.[2]);
  if (claimed === undefined || claimed < 2) return [];
  const { evidence } = place;
  const writers = evidence.facts.filter(({ writes, deletes, failed }) => !failed && writes.length + deletes.length > 0);
  const actual = new Set(writers.flatMap(({ writes, deletes }) => [...writes, ...deletes])).size;
  const mayHideMore =
    evidence.hasOpaque() ||
    !evidence.isComplete ||
    evidence.facts.some(
      ({ roles, commands }) =>
        roles.has('format') ||
        roles.has('git') ||
        commands.some((command) => /\bsed\b|\bxargs\b|\bfind\b|[*{]/.test(command)),
    );
  const decision: Decision =
    claimed <= actual
      ? {
          verdict: 'verified',
          confidence: 70,
          explanation: `${actual} files were written or deleted.`,
          facts: writers.slice(-3),
        }
      : mayHideMore
        ? {
            verdict: 'unverified',
            confidence: 40,
            explanation: `Calls show ${actual} files; commands may have changed more.`,
          }
        : {
            verdict: 'hallucination',
            confidence: 75,
            explanation: `The claim says ${claimed} files, but calls wrote ${actual}.`,
            facts: writers.slice(-3),
          };
  return [judged(place, 'file_existence', decision)];
}
