import { isGithubOwner, isGithubRepository } from './github-names.js';

it.each(['octocat', 'a', 'A-b-1', 'x'.repeat(39)])('%s may own a repository', (name) => {
  expect(isGithubOwner(name)).toBe(true);
});

it.each(['', '-octo', 'octo-', 'oc--to', 'x'.repeat(40), 'a_b', 'a.b', 'a b', 'a/b', 'é', ' a', 'a\n'])(
  '%j may not own a repository',
  (name) => {
    expect(isGithubOwner(name)).toBe(false);
  },
);

it.each(['hello-world', 'a', 'a.b_c-d', '...', '-', 'x'.repeat(100)])('%s may be a repository', (name) => {
  expect(isGithubRepository(name)).toBe(true);
});

it.each(['', '.', '..', 'repo.git', 'repo.GIT', '.git', 'x'.repeat(101), 'a/b', 'a b', 'a%2f', 'é', 'a\n'])(
  '%j may not be a repository',
  (name) => {
    expect(isGithubRepository(name)).toBe(false);
  },
);
