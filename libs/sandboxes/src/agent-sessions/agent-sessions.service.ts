import { Injectable } from '@nestjs/common';
import { EffectiveTier, entitlementsOf } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { SandboxEnds } from '../lifecycle/sandbox-ends.js';
import { SandboxReconciler } from '../lifecycle/sandbox-reconciler.js';
import { isAgentSessionId, newAgentSessionId, sessionNotFound } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_CREATED } from '../sandboxes.events.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import { type AgentSession, endOf, type NewAgentSession } from './agent-session.js';
import { type AgentSessionPosition, AgentSessionsRepository } from './agent-sessions.repository.js';

export interface AgentSessionCondition {
  readonly isIdle: boolean;
  /** Only sessions without activity for at least so long; null for any. */
  readonly idleSeconds: number | null;
}

/** Sessions of the agent surface: create, read, list, destroy (sandbox-sessions.md §B3). */
@Injectable()
export class AgentSessionsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: AgentSessionsRepository,
    private readonly ends: SandboxEnds,
    private readonly reconciler: SandboxReconciler,
    private readonly journal: SandboxJournal,
    private readonly skills: SkillsRepository,
    private readonly tiers: EffectiveTier,
    private readonly clock: Clock,
  ) {}

  /** Errors: `rate_limited` (`session.limit`) when the account has as many as its plan allows. */
  async create(caller: Principal, input: NewAgentSession): Promise<AgentSession> {
    const limit = entitlementsOf(await this.tiers.of(caller)).agentSessions;
    return this.db.transaction(async () => {
      await this.sessions.lockAccount(caller.accountId);
      const now = this.clock.date();
      const used = await this.sessions.count(caller.accountId, now);
      if (used >= limit) throw sessionLimit(used, limit);
      const session = await this.insert(caller, input, now);
      await this.skills.giveTo(session.id, session.accountId);
      await this.journal.record(
        caller,
        session,
        { event: SANDBOX_CREATED, action: 'sandbox.create' },
        { surface: 'agent' },
      );
      return session;
    });
  }

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
      const matching = await this.sessions.findLocked(caller.accountId, now, { isIdle, inactiveSince });
      tx.afterCommit(() => this.reconciler.wake());
      const ids = matching.map(({ id }) => id);
      return this.ends.destroy(caller, caller.accountId, ids);
    });
  }

  private async insert(caller: Principal, input: NewAgentSession, now: Date): Promise<AgentSession> {
    const facts = {
      ...input,
      accountId: caller.accountId,
      userId: caller.userId,
      state: 'active',
      version: 0,
      error: null,
      endsAt: endOf(input, now, now),
      responseId: null,
      capturedSessionId: null,
      lastActivityAt: now,
      createdAt: now,
      updatedAt: now,
    } as const;
    // 48 random bits are the contract's: two of many millions may meet.
    for (;;) {
      const session = { ...facts, id: newAgentSessionId() };
      if (await this.sessions.insert(session)) return session;
    }
  }
}

function sessionLimit(used: number, limit: number): DomainError {
  return new DomainError('rate_limited', `The limit of ${limit} concurrent sessions is reached`, {
    reason: 'session.limit',
    details: { used, limit },
  });
}
