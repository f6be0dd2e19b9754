const OWNER = /^[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}$/;
const REPOSITORY = /^[A-Za-z0-9._-]{1,100}$/;

/** Letters, digits and single hyphens inside, 1 to 39 of them (sandbox-sessions.md §A6.3). */
export function isGithubOwner(name: string): boolean {
  return OWNER.test(name);
}

/** Never a name that means something else in a path. */
export function isGithubRepository(name: string): boolean {
  return REPOSITORY.test(name) && name !== '.' && name !== '..' && !/\.git$/i.test(name);
}
