import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, type Principal } from '#platform';
import { SandboxEnds } from '../lifecycle/sandbox-ends.js';
import { SandboxReconciler } from '../lifecycle/sandbox-reconciler.js';
import { isAgentSessionId, sessionNotFound } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_CHANGED } from '../sandboxes.events.js';
import type { AgentSession } from './agent-session.js';
import { type AgentSessionPosition, AgentSessionsRepository } from './agent-sessions.repository.js';
import { changedMetadata, type Metadata } from './metadata.js';

export interface AgentSessionCondition {
  readonly isIdle: boolean;
  /** Only sessions without activity for at least so long; null for any. */
  readonly idleSeconds: number | null;
}

/** Sessions of the agent surface: read, list, tell of their progress, destroy (sandbox-sessions.md §B3). */
@Injectable()
export class AgentSessionsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: AgentSessionsRepository,
    private readonly ends: SandboxEnds,
    private readonly reconciler: SandboxReconciler,
    private readonly journal: SandboxJournal,
    private readonly clock: Clock,
  ) {}

  /** Errors: `not_found` for one that ended, was destroyed or is another account's. */
  async get(caller: Principal, id: string): Promise<AgentSession> {
    const session = isAgentSessionId(id) ? await this.sessions.find(caller.accountId, id, this.clock.date()) : null;
    if (!session) throw sessionNotFound();
    return session;
  }

  /** The account's sessions, newest first. */
  async list(
    caller: Principal,
    limit: number,
    after: AgentSessionPosition | null,
  ): Promise<{ sessions: AgentSession[]; hasMore: boolean }> {
    const rows = await this.sessions.list(caller.accountId, this.clock.date(), limit + 1, after);
    return { sessions: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  /**
   * Sets members of the session's metadata, each in place of the one of that name; null takes one away. Answers the
   * session as it is then. Errors: `not_found`, `invalid_input` when the metadata grows too large.
   */
  changeMetadata(caller: Principal, id: string, change: Metadata): Promise<AgentSession> {
    return this.db.transaction(async () => {
      const session = await this.get(caller, id);
      const metadata = changedMetadata(await this.sessions.lockMetadata(id), change);
      await this.sessions.setMetadata(id, metadata);
      const what = { event: SANDBOX_CHANGED, action: 'sandbox.edit' };
      await this.journal.record(caller, session, what, { fields: ['metadata'] });
      return { ...session, metadata };
    });
  }

  /** The workspace stays; processes and the conversation go. Errors: `not_found`, also the second time. */
  async destroy(caller: Principal, id: string): Promise<void> {
    await this.get(caller, id);
    const gone = await this.db.transaction((tx) => {
      tx.afterCommit(() => this.reconciler.wake());
      return this.ends.destroy(caller, caller.accountId, [id]);
    });
    if (gone === 0) throw sessionNotFound();
  }

  /** Destroys what meets the condition, busy sessions too unless it says otherwise; answers how many. */
  destroyWhere(caller: Principal, { isIdle, idleSeconds }: AgentSessionCondition): Promise<number> {
    return this.db.transaction(async (tx) => {
      const now = this.clock.date();
      const inactiveSince = idleSeconds === null ? null : new Date(now.getTime() - idleSeconds * 1_000);
      const ids = await this.sessions.findLocked(caller.accountId, now, { isIdle, inactiveSince });
      tx.afterCommit(() => this.reconciler.wake());
      return this.ends.destroy(caller, caller.accountId, ids);
    });
  }
}
