import type { Principal } from './principal.js';

/** What one write made through a pinned session added to a repository. */
export interface SessionWrite {
  readonly sessionId: string;
  readonly repoId: string;
  readonly objects: number;
  readonly refs: number;
}

/** Remembers what pinned sessions wrote until it is flushed; implemented by the auth lib. */
export abstract class SessionWrites {
  /**
   * Belongs into the transaction of every write; does nothing for a caller without a pinned session. The write itself
   * is durable and visible without it: this is the session's own account of it (seed 000, `objectCount`).
   */
  async noteFor(caller: Principal, write: Omit<SessionWrite, 'sessionId'>): Promise<void> {
    if (caller.pinnedSessionId !== null) await this.note({ ...write, sessionId: caller.pinnedSessionId });
  }

  protected abstract note(write: SessionWrite): Promise<void>;
}

/** Whether the ref files of repositories follow their table; implemented by the repos lib. */
export abstract class RefFiles {
  /** Those of `repoIds` whose files are behind. Repositories that are gone are never behind. */
  abstract behind(repoIds: readonly string[]): Promise<ReadonlySet<string>>;

  /** Returns once the files show every ref change committed before the call. */
  abstract catchUp(repoId: string): Promise<void>;
}
