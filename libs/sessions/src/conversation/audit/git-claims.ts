import { absent, judged, outcomeDecision, type Rule } from './judging.js';

const SUBJECT = String.raw`(?:^(?:also |then |finally |and )*|\b(?:i|we|i've|we've|i have|we have|and|then|changes (?:are|were|have been)|work is|everything is|branch (?:is|was|has been)|commit (?:is|was|has been)) (?:also |just |now |then |successfully )*)`;

const ACTIONS: readonly { readonly what: string; readonly claim: RegExp; readonly command: RegExp }[] = [
  {
    what: 'committed anything',
    claim: new RegExp(String.raw`${SUBJECT}committed\b(?! to\b)`, 'i'),
    command: /^git (?:-\S+ (?:\S+ )?)*(?:commit|merge|cherry-pick|revert|rebase|am)\b|^gh pr merge/,
  },
  {
    what: 'pushed anything',
    claim: new RegExp(
      String.raw`${SUBJECT}pushed(?: (?:it|them|everything|all|both|the|this|my|our|these|changes?|commits?|branch|fix|work|code|update|up))*(?: to (?:the )?(?:\w+ )?(?:origin|remote|upstream|main|master|github|gitlab|branch|⟦)|[.!]?$)`,
      'i',
    ),
    command: /^git (?:-\S+ (?:\S+ )?)*push\b|^gh (?:pr create|repo sync)/,
  },
  {
    what: 'opened a pull request',
    claim: new RegExp(
      String.raw`${SUBJECT}(?:opened|created|raised) (?:a |the |an? \w+ )?(?:pull request|PR|merge request|MR)\b`,
      'i',
    ),
    command: /^(?:gh pr create|glab mr create|hub pull-request)/,
  },
];

const GIT_TOOL = /pull_?request|merge_?request|git_?(?:commit|push)|push_?files/i;

/** Work said to be committed, pushed or proposed. */
export const gitRule: Rule = (place) => {
  const asserted = place.sentence.clauses.join(', ');
  return ACTIONS.filter(({ claim }) => claim.test(asserted)).map(({ what, command }) => {
    const runs = place.evidence.facts.filter(
      ({ commands, tool }) => commands.some((line) => command.test(line)) || GIT_TOOL.test(tool),
    );
    const last = runs.findLast(({ failed }) => !failed) ?? runs.at(-1);
    return judged(
      place,
      'command_output',
      last === undefined ? absent(place, what) : outcomeDecision(last, 'the git command'),
    );
  });
};
