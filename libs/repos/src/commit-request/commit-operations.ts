import { mutator } from '../store/operation.js';
import type { CommitLimits } from './commit-request.js';
import { HeldRequests } from './held-requests.js';
import { parseCommitRequest } from './parse-commit-request.js';
import { writeCommits, type BranchHead } from './write-commits.js';

/** One per worker thread: all three operations are mutators, so that a repository always meets the same one. */
const requests = new HeldRequests();

/** What the main thread needs to know of a request that stays in the worker. */
export interface PreparedCommit {
  readonly handle: string;
  readonly branch: string;
  readonly parentSha: string | null;
  readonly lazyEdits: number;
  readonly changeCount: number;
  /** Size of the body. */
  readonly bytes: number;
}

export interface PrepareCommitInput {
  readonly body: Uint8Array;
  readonly limits: CommitLimits;
  /** Requests of the repository that are no longer wanted. */
  readonly discarded: readonly string[];
}

export const prepareCommit = mutator(({ dir }, { body, limits, discarded }: PrepareCommitInput): PreparedCommit => {
  for (const handle of discarded) requests.discard(dir, handle);
  const bytes = body.byteLength;
  requests.assertRoom(bytes);
  const request = parseCommitRequest(body, limits);
  const { branch, parentSha, lazyEdits, changes } = request;
  const handle = requests.add(dir, request, limits, bytes);
  return { handle, branch, parentSha, lazyEdits, changeCount: changes.length, bytes };
});

export interface WriteCommitsInput {
  readonly head: BranchHead | null;
  readonly handles: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

export const writeCommitGroup = mutator(({ dir, store }, { head, handles, now }: WriteCommitsInput) => {
  const held = handles.map((handle) => ({ handle, held: requests.find(dir, handle) }));
  return writeCommits(store(), head, held, now);
});

export const discardCommits = mutator(({ dir }, { handles }: { readonly handles: readonly string[] }): void => {
  for (const handle of handles) requests.discard(dir, handle);
});
