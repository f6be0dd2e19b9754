import type { ObjectKind } from '#repos';
import type { Call } from './operation.js';
import type { GitCommand } from './git-command.js';
import type { GitLimits } from './git-child.js';
import { assertWentWell } from './git-words.js';
import { DomainError } from '#kernel';

/** Where to look: a repository, or a quarantine in front of it. */
export interface ObjectSource {
  readonly repo: string;
  readonly quarantine?: string | undefined;
}

type Git = Pick<Call<unknown>, 'git'>;

/** The kind of each object that exists; missing ones are absent from the map. */
export async function objectKinds(
  { git }: Git,
  source: ObjectSource,
  names: readonly string[],
): Promise<Map<string, { sha: string; kind: ObjectKind }>> {
  const child = git({ ...source, args: ['cat-file', '--batch-check=%(objectname) %(objecttype)'] }, { seconds: 60 });
  child.stdin.end(names.map((name) => `${name}\n`).join(''));
  const kinds = new Map<string, { sha: string; kind: ObjectKind }>();
  let index = 0;
  const exit = await child.eachLine((line) => {
    const name = names[index++];
    const [sha, kind] = line.split(' ');
    if (name !== undefined && sha && isObjectKind(kind)) kinds.set(name, { sha, kind });
    return true;
  });
  assertWentWell(exit, 'cat-file');
  return kinds;
}

/** Which of `commits` are not ancestors of (or equal to) a tip. Beyond `seconds` all of them are. */
export async function unreachableCommits(
  call: Git,
  source: ObjectSource,
  search: { commits: readonly string[]; tips: readonly string[]; seconds: number },
): Promise<Set<string>> {
  const asked = new Set(search.commits);
  const unreachable = new Set<string>();
  const lines = [...search.commits, ...search.tips.map((tip) => `^${tip}`)];
  const found = (oid: string): boolean => {
    if (asked.has(oid)) unreachable.add(oid);
    return unreachable.size < asked.size;
  };
  const done = await walk(call, { ...source, args: ['rev-list', '--stdin'] }, lines, search.seconds, found);
  return done ? unreachable : asked;
}

/**
 * Which of `oids` no tip leads to. Stops as soon as all are found; what is not found within `seconds` counts as
 * unreachable. `kinds: 'tags'` looks at commits and tag objects only, which is much quicker than every object.
 */
export async function unreachableObjects(
  call: Git,
  source: ObjectSource,
  search: { oids: Iterable<string>; tips: readonly string[]; kinds: 'tags' | 'all'; seconds: number },
): Promise<Set<string>> {
  const missing = new Set(search.oids);
  if (search.tips.length === 0 || missing.size === 0) return missing;
  const args = ['rev-list', '--objects', '--no-object-names', '--use-bitmap-index', '--in-commit-order', '--stdin'];
  if (search.kinds === 'tags') args.push('--filter=tree:0');
  await walk(call, { ...source, args }, search.tips, search.seconds, (oid) => {
    missing.delete(oid);
    return missing.size > 0;
  });
  return missing;
}

/** Feeds `lines` to a rev-list and its output to `visit`; false when the time ran out first. */
async function walk(
  { git }: Git,
  command: GitCommand,
  lines: readonly string[],
  seconds: number,
  visit: (oid: string) => boolean,
): Promise<boolean> {
  const limits: GitLimits = { seconds };
  const child = git(command, limits);
  child.stdin.end(lines.map((line) => `${line}\n`).join(''));
  try {
    assertWentWell(await child.eachLine(visit), 'rev-list');
    return true;
  } catch (error) {
    if (error instanceof DomainError && error.code === 'timeout') return false;
    throw error;
  }
}

function isObjectKind(kind: string | undefined): kind is ObjectKind {
  return kind === 'commit' || kind === 'tag' || kind === 'tree' || kind === 'blob';
}
