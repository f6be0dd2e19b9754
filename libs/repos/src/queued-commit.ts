import type { Principal, RequestContext } from '#platform';
import type { PreparedCommit } from './commit-request/commit-operations.js';
import type { CommitTiming, WrittenCommit } from './commit-request/write-commits.js';
import type { Repo } from './repo.js';

export interface CreatedCommit {
  readonly sha: string;
  readonly treeSha: string;
  readonly branch: string;
  /** '' for a root commit. */
  readonly parent: string;
  readonly timing: CommitTiming;
}

/** A prepared commit waiting for its branch. */
export interface QueuedCommit {
  readonly caller: Principal;
  readonly repo: Repo;
  readonly prepared: PreparedCommit;
  /** The request it belongs to: audit rows and idempotency records of a group are written in their own names. */
  readonly context: RequestContext | undefined;
  /** Makes the answer, which is recorded with the effect. */
  readonly render: (created: CreatedCommit) => unknown;
  readonly resolve: (body: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A queued commit with what the worker made of it. */
export interface AcceptedCommit {
  readonly item: QueuedCommit;
  readonly written: WrittenCommit;
}
