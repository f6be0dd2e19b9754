import { absent, judged, outcomeDecision, type Decision, type Place, type Rule } from './judging.js';
import { unmasked } from './prose.js';

const NAME = String.raw`@?[A-Za-z][\w.-]*(?:\/[\w.-]+)?(?:\[[\w,]+\])?`;
const LIST = String.raw`((?:the |a |an |both |also |package |library |latest |new |dependency )*⟦?${NAME}⟧?(?:@[\w.^~-]+)?(?:(?:,| and|, and| plus) ⟦?${NAME}⟧?)*)`;
const INSTALLED: readonly RegExp[] = [
  new RegExp(
    String.raw`\b(?:installed|added) ${LIST} (?:as a |as an |as |to the |to )(?:\w+ )?(?:dev-?|runtime |peer |new |production )?(?:dependenc(?:y|ies)|package\.json|packages|requirements(?:\.txt)?|pyproject(?:\.toml)?|cargo(?:\.toml)?|go\.mod|gemfile)`,
    'i',
  ),
  new RegExp(String.raw`\binstalled ${LIST}`, 'i'),
  new RegExp(
    String.raw`${LIST} (?:is|are|was|were|has been|have been|got) (?:now |successfully |already )?installed\b`,
    'i',
  ),
];
const ALL =
  /\b(?:installed (?:all |the |all the |all of the |project |missing |required |needed |npm |python )*(?:dependencies|packages|requirements|deps)|(?:dependencies|packages|deps|requirements) (?:are|were|have been|got) (?:all |now |successfully )*installed)\b/i;
/** Words the patterns take for names. */
const NO_NAMES =
  /^(?:nothing|anything|something|one|besides|the|a|an|all|it|them|this|these|that|both|also|and|plus|new|latest|package|packages|library|libraries|dependency|dependencies|deps|required|missing|needed|everything|successfully|correctly|locally|globally|version|versions|via|with|in|on|from|using|by|now|hooks?|hook|git|tools?|requirements|project|python|npm|node|pre-commit|support|handler|handlers|listener|listeners|two|three|four|five)$/i;

export const dependencyRule: Rule = (place) => {
  for (const clause of place.sentence.clauses) {
    if (/\b(?:hook|handler|listener|plugin for|service worker|trigger)s?\b/i.test(clause)) continue;
    if (ALL.test(clause)) return [judged(place, 'dependency', allInstalled(place))];
    const decisions = packagesIn(unmasked(clause, place.sentence.spans)).map((name) => installed(place, name));
    const worst =
      decisions.find(({ verdict }) => verdict === 'hallucination') ??
      decisions.find(({ verdict }) => verdict === 'unverified') ??
      decisions[0];
    if (worst !== undefined) return [judged(place, 'dependency', worst)];
  }
  return [];
};

function packagesIn(clause: string): string[] {
  const list = INSTALLED.map((pattern) => pattern.exec(clause)?.[1]).find((found) => found !== undefined) ?? '';
  return list
    .split(/[\s,]+/)
    .map((word) => word.replace(/(?<=.)@.*$|\[.*$|[.]$/g, ''))
    .filter((word) => word !== '' && !NO_NAMES.test(word) && !/\.(?:json|txt|toml|ts|js|py)$/.test(word));
}

function allInstalled(place: Place): Decision {
  const last = place.evidence.having('install').at(-1);
  return last === undefined
    ? absent(place, 'installed anything')
    : admitted(place, outcomeDecision(last, 'the installation'));
}

function installed(place: Place, name: string): Decision {
  const { evidence } = place;
  const key = name.toLowerCase().replaceAll('_', '-');
  const runs = evidence.facts.filter(({ packages }) =>
    packages.some((item) => item.toLowerCase().replaceAll('_', '-') === key),
  );
  const good = runs.findLast(({ failed }) => !failed);
  const last = good ?? runs.at(-1);
  if (last !== undefined) return admitted(place, outcomeDecision(last, `the installation of ${name}`));
  const all = evidence.having('install').at(-1);
  const isKnown = name.split(/[^\w$]+/).every((word) => word.length < 3 || evidence.hasWord(word));
  if (isKnown && all !== undefined) {
    if (all.failed && evidence.having('install').every(({ failed }) => failed))
      return admitted(place, outcomeDecision(all, 'the installation'));
    return {
      verdict: 'unverified',
      confidence: 40,
      explanation: `${name} was not installed by name, but something was.`,
      facts: [all],
    };
  }
  // A word of prose the pattern took for a name proves nothing.
  const isCode = place.sentence.spans.some((span) => span.includes(name)) || /[\d@/_-]/.test(name);
  if (isKnown || !isCode)
    return { verdict: 'unverified', confidence: 30, explanation: `No call installed ${name} by name.` };
  return absent(place, `installed ${name}`);
}

const admitted = ({ sentence }: Place, decision: Decision): Decision =>
  decision.verdict === 'hallucination' && sentence.admitsFailure
    ? { ...decision, verdict: 'unverified', confidence: 40 }
    : decision;
