/** `git status --porcelain=v2 -z --no-renames`, with or without `--branch`. */
export interface WorkingTreeStatus {
  /** Null on a detached head. */
  readonly branch: string | null;
  /** Commits that the upstream has not; null without one. */
  readonly ahead: number | null;
  /** By path. */
  readonly changes: ReadonlyMap<string, PathChange>;
}

export interface PathChange {
  readonly isStaged: boolean;
  readonly isUnstaged: boolean;
  readonly isUntracked: boolean;
}

/** Fields before the path, by the kind of the entry: changed and unmerged. */
const FIELDS: Readonly<Record<string, number>> = { '1': 8, u: 10 };

/** What cannot be read is left out: an entry cut off at the end of a long output. */
export function parseStatus(output: Buffer): WorkingTreeStatus {
  const changes = new Map<string, PathChange>();
  let branch: string | null = null;
  let ahead: number | null = null;
  for (const entry of output.toString('utf8').split('\0').slice(0, -1)) {
    if (entry.startsWith('# branch.head ')) branch = entry.slice(14);
    else if (entry.startsWith('# branch.ab ')) ahead = Number(/\+(\d+)/.exec(entry)?.[1] ?? 0);
    else addChange(changes, entry);
  }
  return { branch: branch === '(detached)' ? null : branch, ahead, changes };
}

function addChange(changes: Map<string, PathChange>, entry: string): void {
  const kind = entry[0] ?? '';
  if (kind === '?') changes.set(entry.slice(2), { isStaged: false, isUnstaged: true, isUntracked: true });
  const fields = FIELDS[kind];
  if (fields === undefined) return;
  const path = entry.split(' ').slice(fields).join(' ');
  const isStaged = entry[2] !== '.';
  if (path !== '') changes.set(path, { isStaged, isUnstaged: entry[3] !== '.', isUntracked: false });
}
