import type { Readable } from 'node:stream';
import type { GitOperation, GitOperations } from '#repos';
import type { GitChild } from './git-child.js';
import { type GitLimits } from './git-child.js';
import type { GitCommand } from './git-command.js';
import type { ParamReader } from './params.js';

/** Which queue an operation stands in. */
export type Lane = 'pack' | 'query' | 'maintenance';

/** What an operation is given: checked parameters, the two streams and the way to run git. */
export interface Call<P> {
  readonly params: P;
  /** Certificates that git trusts; its own choice when null. */
  readonly caFile: string | null;
  /** The caller's bytes; empty for operations whose body is their parameters. */
  readonly body: Readable;
  readonly signal: AbortSignal;
  /** Starts git under limits; the child dies with the call. */
  git(command: GitCommand, limits: GitLimits): GitChild;
  /**
   * Streams to the caller with back-pressure and resolves with the number of bytes. The success status goes out with
   * the first byte, or at once if `early`.
   */
  send(output: Readable, options?: { early?: boolean; stallSeconds?: number }): Promise<number>;
}

export interface Operation<N extends GitOperation> {
  readonly name: N;
  /** Accessors never change the repository; mutators add or rewrite packs (no operation ever writes a ref). */
  readonly kind: 'accessor' | 'mutator';
  readonly lane: Lane;
  /** `params`: the body is the parameters as JSON. `stream`: they are in a header and the body is data. */
  readonly body: 'params' | 'stream';
  /** Only served when the runner was started for benchmarks. */
  readonly benchOnly?: boolean;
  params(read: ParamReader): GitOperations[N]['params'];
  run(call: Call<GitOperations[N]['params']>): Promise<GitOperations[N]['result'] | undefined>;
}
