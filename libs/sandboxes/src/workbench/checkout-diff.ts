import { isGenerated } from './generated-files.js';
import { parseStatus, type PathChange } from './git-status.js';
import { patchSections } from './patch-sections.js';

export const DIFF_STATUSES = ['added', 'modified', 'deleted', 'renamed'] as const;
export const STAGING_STATUSES = ['staged', 'unstaged', 'partial'] as const;

/** One changed file (sandbox-sessions.md §A11.3). */
export interface DiffFile {
  readonly path: string;
  readonly status: (typeof DIFF_STATUSES)[number];
  /** Committed work is staged: nothing of it is left to stage. */
  readonly stagingStatus: (typeof STAGING_STATUSES)[number];
  readonly additions: number;
  readonly deletions: number;
  /** Empty for a generated file, and where there was no room for it. */
  readonly diff: string;
  /** What of it is not committed yet; absent when all is. */
  readonly localDiff?: string;
  readonly oldPath?: string;
  readonly generated?: true;
  /** Also what is too large to be compared. */
  readonly binary?: true;
  /** Whether a text was left out for its size. */
  readonly truncated?: true;
}

export interface CheckoutDiff {
  readonly files: readonly DiffFile[];
  readonly summary: {
    readonly totalFiles: number;
    readonly totalAdditions: number;
    readonly totalDeletions: number;
  };
  readonly baseRef: string;
}

/** What git says of a checkout: names and numbers, then texts. */
export interface DiffParts {
  readonly baseRef: Buffer;
  readonly status: Buffer;
  /** `--raw --numstat -z` against the base. */
  readonly changes: Buffer;
  readonly patch: Buffer;
  /** Against the head; null when that is the base. */
  readonly localPatch: Buffer | null;
}

export const MAX_PATCH_BYTES = 4 * 1_048_576;
/** More files than this are counted, not listed. */
const MAX_FILES = 2_000;
const MAX_FILE_TEXT = 131_072;
/** All texts together: the last diff is stored with its session and read with it. */
const MAX_TEXT = 1_048_576;

const STATUS_OF: Readonly<Record<string, DiffFile['status']>> = { A: 'added', D: 'deleted', R: 'renamed' };

interface Change {
  readonly path: string;
  readonly status: DiffFile['status'];
  readonly oldPath: string | null;
  additions: number;
  deletions: number;
  isBinary: boolean;
}

/** Puts together what git says, within bounds. */
export function toCheckoutDiff(parts: DiffParts): CheckoutDiff {
  const changes = [...parseChanges(parts.changes).values()];
  const local = parseStatus(parts.status).changes;
  const patch = sectionsOf(parts.patch);
  const localPatch = parts.localPatch ? sectionsOf(parts.localPatch) : patch;
  const room = new Room();
  const files = changes.slice(0, MAX_FILES).map((change) => {
    const pathChange = local.get(change.path) ?? (change.oldPath === null ? undefined : local.get(change.oldPath));
    return toFile(change, pathChange, { patch, localPatch, room });
  });
  const total = (of: (change: Change) => number): number => changes.reduce((sum, change) => sum + of(change), 0);
  return {
    files,
    summary: {
      totalFiles: changes.length,
      totalAdditions: total(({ additions }) => additions),
      totalDeletions: total(({ deletions }) => deletions),
    },
    baseRef: parts.baseRef.toString('utf8'),
  };
}

function sectionsOf(patch: Buffer): Map<string, Buffer> {
  return patchSections(patch, patch.length >= MAX_PATCH_BYTES);
}

interface Texts {
  readonly patch: ReadonlyMap<string, Buffer>;
  readonly localPatch: ReadonlyMap<string, Buffer>;
  readonly room: Room;
}

function toFile(change: Change, local: PathChange | undefined, { patch, localPatch, room }: Texts): DiffFile {
  const { path, status, oldPath, additions, deletions, isBinary } = change;
  const facts = {
    path,
    status,
    stagingStatus: stagingOf(local),
    additions,
    deletions,
    ...(oldPath !== null && { oldPath }),
    ...(isBinary && { binary: true as const }),
  };
  if (isGenerated(path)) return { ...facts, diff: '', generated: true };
  const diff = room.take(patch.get(path));
  const localDiff = local ? room.take(localPatch.get(path)) : null;
  return {
    ...facts,
    diff: diff ?? '',
    ...(localDiff !== null && { localDiff }),
    ...((diff === null || (local && localDiff === null)) && { truncated: true as const }),
  };
}

function stagingOf(local: PathChange | undefined): DiffFile['stagingStatus'] {
  if (!local?.isUnstaged) return 'staged';
  return local.isStaged ? 'partial' : 'unstaged';
}

/** What is left for texts. */
class Room {
  private left = MAX_TEXT;

  /** Null when there is none, or no text. NUL, which no database stores, is replaced. */
  take(section: Buffer | undefined): string | null {
    if (!section || section.length > Math.min(MAX_FILE_TEXT, this.left)) return null;
    this.left -= section.length;
    return section.toString('utf8').replaceAll('\0', '\ufffd');
  }
}

/**
 * Entries that begin with a colon, then one path or, of a renamed file, two; after all of them the numbers, with one path
 * in the same field or two apart.
 */
function parseChanges(output: Buffer): Map<string, Change> {
  const changes = new Map<string, Change>();
  const fields = output.toString('utf8').split('\0').slice(0, -1);
  for (let at = 0; at < fields.length;)
    at += fields[at]!.startsWith(':') ? addChange(changes, fields, at) : addNumbers(changes, fields, at);
  return changes;
}

/** Answers how many fields it was, as does `addNumbers`. */
function addChange(changes: Map<string, Change>, fields: readonly string[], at: number): number {
  const letter = fields[at]!.slice(fields[at]!.lastIndexOf(' ') + 1)[0] ?? '';
  const isRenamed = letter === 'R';
  const path = fields[at + (isRenamed ? 2 : 1)];
  const oldPath = isRenamed ? fields[at + 1]! : null;
  const status = STATUS_OF[letter] ?? 'modified';
  if (path !== undefined) changes.set(path, { path, status, oldPath, additions: 0, deletions: 0, isBinary: false });
  return isRenamed ? 3 : 2;
}

function addNumbers(changes: ReadonlyMap<string, Change>, fields: readonly string[], at: number): number {
  const [additions = '', deletions = '', ...rest] = fields[at]!.split('\t');
  const name = rest.join('\t');
  const change = changes.get(name === '' ? (fields[at + 2] ?? '') : name);
  if (change) {
    change.isBinary = additions === '-';
    change.additions = Number(additions) || 0;
    change.deletions = Number(deletions) || 0;
  }
  return name === '' ? 3 : 1;
}
