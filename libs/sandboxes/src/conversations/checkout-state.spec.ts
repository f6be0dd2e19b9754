import { toCheckoutState } from './checkout-state.js';

const [ONE, TWO, THREE, FOUR] = ['1', '2', '3', '4'].map((digit) => digit.repeat(40)) as [
  string,
  string,
  string,
  string,
];
const at = new Date(1_700_000_000_900);

const state = (parts: { remote?: string; branch?: string; head?: string; moves?: string[]; kept?: string[] }) =>
  toCheckoutState(
    [parts.remote, parts.branch, parts.head, parts.moves?.join('\n'), parts.kept?.join('\n')].map((part) =>
      Buffer.from(`${part ?? ''}\n`),
    ),
    at,
  );

it('reads where the work stands, without a credential', () => {
  expect(state({ remote: 'https://x:s3cret@github.com/acme/zoo.git', branch: 'main', head: ONE })).toEqual({
    remote: 'https://github.com/acme/zoo.git',
    branch: 'main',
    commit: ONE,
    commits: [],
  });
  expect(state({ remote: 'https://github.com/a/b?token=s3cret' }).remote).toBe('https://github.com/a/b');
  expect(state({ remote: 'git@github.com:acme/zoo.git' }).remote).toBe('git@github.com:acme/zoo.git');
  expect(state({ head: 'nonsense' })).toEqual({ remote: null, branch: null, commit: null, commits: [] });
});

it.each([
  ['commit: Add a wombat', true],
  ['commit (initial): Begin', true],
  ['commit (amend): Add it', true],
  ['commit (merge): Merge x', true],
  ['cherry-pick: Add it', true],
  ['revert: Revert it', true],
  ['am: Apply it', true],
  ['rebase (pick): Add it', true],
  ['rebase -i (squash): Add it', true],
  ["merge topic: Merge made by the 'ort' strategy.", true],
  ['merge topic: Fast-forward', false],
  ['pull: Fast-forward', false],
  ['pull origin main: Merge made by the recursive strategy.', true],
  ['checkout: moving from main to other', false],
  ['clone: from https://example.com', false],
  ['reset: moving to HEAD~1', false],
  ['rebase (start): checkout main', false],
  ['rebase (finish): returning to refs/heads/x', false],
])('takes "%s" for a commit: %s', (what, isMade) => {
  expect(state({ moves: [`${ONE} HEAD@{1700000001} ${what}`], kept: [ONE] }).commits).toEqual(isMade ? [ONE] : []);
});

it('leaves out what was made before, what no branch has any more, and repeats', () => {
  const moves = [
    `${FOUR} HEAD@{1700000003} commit: d`,
    `${THREE} HEAD@{1700000002} commit: c`,
    `${FOUR} HEAD@{1700000001} commit: d`,
    `${TWO} HEAD@{1700000000} commit: b`,
    `${ONE} HEAD@{1699999999} commit: a`,
    'garbage',
  ];
  expect(state({ moves, kept: [ONE, TWO, FOUR] }).commits).toEqual([FOUR, TWO]);
});
