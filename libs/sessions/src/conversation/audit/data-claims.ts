import type { RecentResult } from './evidence.js';
import { judged, type Decision, type Place, type Rule } from './judging.js';
import { NUMBER, numberIn, unmasked } from './prose.js';

const MAX_LOOKED_AT = 8;

/** What data said: counts, values of settings, HTTP statuses, coverage. Each is held against the outputs just seen. */
export const dataRule: Rule = (place) => {
  for (const clause of place.sentence.clauses) {
    const plain = unmasked(clause, place.sentence.spans);
    const decision =
      statusDecision(place, plain) ??
      coverageDecision(place, plain) ??
      countDecision(place, plain) ??
      valueDecision(place, plain);
    if (decision !== undefined) return [judged(place, 'data_misread', decision)];
  }
  return [];
};

const mismatch = (explanation: string, { fact }: RecentResult): Decision => ({
  verdict: 'hallucination',
  confidence: 75,
  explanation,
  facts: [fact],
});
const match = (explanation: string, { fact }: RecentResult): Decision => ({
  verdict: 'verified',
  confidence: 80,
  explanation,
  facts: [fact],
});

const STATUS =
  /\b(?:return(?:s|ed)?|respond(?:s|ed)?(?: with)?|answer(?:s|ed)?(?: with)?|gives?|gave|got|status(?: code)?(?: is| of| was)?|HTTP(?:\/\d(?:\.\d)?)?)(?: an?| with| HTTP| status| code)* ([1-5]\d\d)(?: OK)?\b(?! (?:ms|rows|lines|items|results|tests|records|errors?|files|bytes|characters))/i;
const STATUS_IN_OUTPUT =
  /\bHTTP\/\d(?:\.\d)? ([1-5]\d\d)\b|^"?([1-5]\d\d)"?$|\b(?:status|code|http_code)["']?[:=] ?["']?([1-5]\d\d)\b/gim;

function statusDecision({ evidence }: Place, clause: string): Decision | undefined {
  const claimed = STATUS.exec(clause)?.[1];
  const last = evidence.recent.findLast(({ fact }) => fact.roles.has('http'));
  if (claimed === undefined || last === undefined) return undefined;
  const looked = evidence.recent.slice(-MAX_LOOKED_AT).filter(({ fact }) => fact.roles.has('http'));
  const seen = looked.flatMap(({ text }) =>
    [...text.matchAll(STATUS_IN_OUTPUT)].map((found) => found[1] ?? found[2] ?? found[3]),
  );
  if (seen.length === 0) return undefined;
  return seen.includes(claimed)
    ? match(`A response had status ${claimed}.`, last)
    : mismatch(`The responses had status ${[...new Set(seen)].join(', ')}.`, last);
}

const COVERAGE =
  /\bcoverage\b[^.\d]{0,40}(\d{1,3}(?:\.\d+)?) ?(?:%|percent)|(\d{1,3}(?:\.\d+)?) ?(?:%|percent)(?: \w+){0,2} coverage/i;

function coverageDecision({ evidence }: Place, clause: string): Decision | undefined {
  const found = COVERAGE.exec(clause);
  const claimed = found === null ? undefined : Number(found[1] ?? found[2]);
  const table = evidence.recent.findLast(({ text }) =>
    /All files|^TOTAL\b|coverage:|% Stmts|Statements +:/m.test(text),
  );
  if (claimed === undefined || table === undefined) return undefined;
  const seen = (table.text.match(/\d{1,3}(?:\.\d+)?(?=\s*%|\s*\||\s*$)/gm) ?? []).map(Number);
  const isSeen = seen.some(
    (number) => number === claimed || Math.round(number) === claimed || Math.floor(number) === claimed,
  );
  return isSeen
    ? match(`The coverage report says ${claimed}.`, table)
    : mismatch(`The coverage report does not say ${claimed}%.`, table);
}

const NOUN =
  'rows?|lines?|records?|entries|matches|occurrences?|usages?|references?|results?|warnings?|errors?|vulnerabilit(?:y|ies)|files?|TODOs?|endpoints?|users?|columns?|tables?|items?|call sites?|packages?|duplicates?|problems?|issues?|tasks?|events?|orders?';
const COUNT = new RegExp(
  String.raw`\b(?:found|finds|shows?|showed|reports?|reported|returned|returns|contains?|has|have|lists?|listed|there (?:are|were|is)|a total of|total(?: of)?|counted|counts?|yields?|gives|gave|only|exactly) (?:exactly |only |just |about |a total of |all |\w+ )?${NUMBER} ((?:\w+ ){0,2}?)(${NOUN})\b`,
  'i',
);
/** Nouns that a listing has one line of. */
const LISTED = /^(?:matches|occurrences?|usages?|references?|results?|files?|TODOs?|call sites?)$/i;

/** Nouns of which any output may give some other number in passing. */
const EVERYWHERE = /^(?:files?|lines?|items?|packages?|columns?|tables?)$/i;

interface CountClaim {
  readonly claimed: number;
  readonly noun: string;
  /** `moderate` in `3 moderate vulnerabilities`: the total says nothing about it. */
  readonly isQualified: boolean;
}

const ROUGHLY = /\b(?:about|around|roughly|nearly|over|almost|some|approximately)\b|~/i;

function countClaim(clause: string): CountClaim | undefined {
  const [, number, qualifier = '', noun = ''] = COUNT.exec(clause) ?? [];
  const claimed = numberIn(number);
  if (claimed === undefined || ROUGHLY.test(clause)) return undefined;
  return { claimed, noun, isQualified: qualifier.trim() !== '' };
}

function countDecision({ evidence, sentence }: Place, clause: string): Decision | undefined {
  const claim = countClaim(clause);
  if (claim === undefined || (sentence.admitsFailure && /error|warning|problem/i.test(claim.noun))) return undefined;
  const results = evidence.recent.slice(-MAX_LOOKED_AT).filter(({ text }) => text.trim() !== '');
  for (const result of results.toReversed()) {
    const decision = countIn(result, claim);
    if (decision !== undefined) return decision;
  }
  return listDecision(results.at(-1), claim);
}

function countIn(result: RecentResult, { claimed, noun, isQualified }: CountClaim): Decision | undefined {
  const said = numbersBefore(result.text, noun);
  const isShown = said.includes(claimed) || [claimed, claimed + 1].includes(linesOf(result.text));
  if (isShown) return match(`An output shows ${claimed}.`, result);
  if (said.length > 0 && !isQualified && !EVERYWHERE.test(noun)) {
    return mismatch(`The output says ${said.join(', ')} ${noun}, not ${claimed}.`, result);
  }
  return saysNumber(result.text, claimed) ? match(`An output shows ${claimed}.`, result) : undefined;
}

/** The last output alone decides: a single number, or a listing with far fewer lines than claimed. */
function listDecision(last: RecentResult | undefined, { claimed, noun }: CountClaim): Decision | undefined {
  if (last === undefined) return undefined;
  const single = singleNumber(last.text);
  const isCounter = last.fact.commands.some((command) => /\bwc\b|count\(|--count|grep -\w*c/i.test(command));
  if (single !== undefined && isCounter) return mismatch(`The output is ${single}, not ${claimed}.`, last);
  const isListing =
    last.fact.commands.length === 0
      ? last.fact.roles.has('view') && /grep|glob|search|find|list/i.test(last.fact.tool)
      : last.fact.commands.some((command) => /^(?:rg|grep|find|ls|git grep|fd)\b/.test(command));
  if (isListing && LISTED.test(noun) && claimed > 1.5 * linesOf(last.text) + 1)
    return mismatch(`The listing has ${linesOf(last.text)} lines, not ${claimed}.`, last);
  return undefined;
}

const linesOf = (text: string): number => text.split('\n').filter((line) => line.trim() !== '').length;
const singleNumber = (text: string): number | undefined =>
  numberIn(/^\s*(\d[\d,]{0,11})(?:\s+\S+)?\s*$/.exec(text)?.[1]);

const saysNumber = (text: string, number: number): boolean =>
  new RegExp(String.raw`(?<![\w.,-])(?:${number}|${number.toLocaleString('en-US')})(?![\w]|[.,]\d)`).test(text);

function numbersBefore(text: string, noun: string): number[] {
  const stem = noun.replace(/(?:ies|y|e?s)$/i, '');
  const pattern = new RegExp(
    String.raw`(?<![\w.-])(\d[\d,]{0,11}) (?:\w+ )?${stem}\w{0,4}\b|"?\b${stem}(?:s|es|ies|y)?"?\s?[:=]\s?(\d[\d,]{0,11})\b`,
    'gi',
  );
  const numbers = [...text.matchAll(pattern)].slice(0, 20).map((found) => numberIn(found[1] ?? found[2]));
  return [...new Set(numbers.filter((number) => number !== undefined))];
}

const KEY = String.raw`[\`"']?([A-Za-z][\w-]*(?:[._][\w-]+)*)[\`"']?`;
const VALUE =
  /\b(?:is (?:currently |already |now )?(?:set to|configured (?:to|as)|pinned (?:to|at)|at)|is|defaults to|equals|=|(?:is|was) set to) [`"']?(v?\d[\w.]*|true|false)[`"']?(?: ?(ms|s|seconds|minutes|%|MB|KB|GB))?\b/i;

/** `max_retries is set to 5`, held against the lines that give that name a value. */
function valueDecision({ evidence, sentence }: Place, clause: string): Decision | undefined {
  const found = VALUE.exec(clause);
  if (found === null) return undefined;
  const name = new RegExp(String.raw`${KEY}(?: \w+){0,2} $`, 'i').exec(clause.slice(0, found.index))?.[1] ?? '';
  const claimed = (found[1] ?? '').replace(/^v|\.$/g, '').toLowerCase();
  // Only names that look like names: written as code, or with a joint in them.
  if (!sentence.spans.some((span) => span.includes(name) && name.length > 2) && !/[_.]|[a-z][A-Z]/.test(name))
    return undefined;
  const looked = evidence.recent.slice(-MAX_LOOKED_AT).reverse();
  const seen = looked
    .map((result) => ({ result, values: valuesOf(result.text, name.split('.').at(-1) ?? name) }))
    .filter(({ values }) => values.length > 0);
  const [first] = seen;
  if (first === undefined) return undefined;
  const isSeen =
    seen.some(({ values }) => values.includes(claimed)) ||
    evidence.facts.slice(-MAX_LOOKED_AT).some(({ writes }) => writes.length > 0);
  if (isSeen)
    return seen.some(({ values }) => values.includes(claimed))
      ? match(`An output gives ${name} the value ${claimed}.`, first.result)
      : undefined;
  return mismatch(`The output gives ${name} the value ${first.values.join(', ')}, not ${claimed}.`, first.result);
}

function valuesOf(text: string, name: string): string[] {
  const escaped = name.replace(/[^\w]/g, String.raw`\$&`);
  const pattern = new RegExp(
    String.raw`(?<![\w-])["']?${escaped}["']?\s{0,3}(?:=>|[:=]{1,2}|\s)\s{0,3}["']?[\^~]?v?(\d[\w.]*|true|false)\b`,
    'gi',
  );
  return [...new Set([...text.matchAll(pattern)].slice(0, 20).map(([, value = '']) => value.toLowerCase()))];
}
