export const BRANCH_PREFIX = 'refs/heads/';
export const TAG_PREFIX = 'refs/tags/';

/** A ref of a repository; `peeled` is the commit behind an annotated tag. */
export interface Ref {
  /** Full name, e.g. `refs/heads/main`. */
  readonly name: string;
  readonly sha: string;
  readonly peeled: string | null;
}

/** One change of a ref. `expected` null demands that the ref does not exist; 'any' does not look. */
export interface RefUpdate {
  readonly name: string;
  readonly expected: string | null | 'any';
  /** Null deletes the ref. */
  readonly target: { readonly sha: string; readonly peeled: string | null } | null;
  /** A move lets a writer go first who has taken the branch's turn (BranchTurns). */
  readonly waitsForTurn?: boolean;
}

export function shortRefName(name: string): string {
  return name.replace(/^refs\/(heads|tags)\//, '');
}
