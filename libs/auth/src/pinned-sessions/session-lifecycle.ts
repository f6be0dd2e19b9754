import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Audit, Database, Events, type Principal, Revocations } from '#platform';
import type { EndReason } from './pinned-session.js';
import { type NewSession, PinnedSessionsRepository } from './pinned-sessions.repository.js';

/** Opens sessions and turns them into tombstones, once, with their event and audit row, and tells every node. */
@Injectable()
export class SessionLifecycle {
  private readonly listeners: ((sessionId: string) => void)[] = [];

  constructor(
    private readonly db: Database,
    private readonly sessions: PinnedSessionsRepository,
    private readonly revocations: Revocations,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Called on this node at once; other nodes learn of an end from the revocation log. */
  onEnd(listener: (sessionId: string) => void): void {
    this.listeners.push(listener);
  }

  /** `opened` runs once the session exists for everybody. */
  async begin(caller: Principal, session: NewSession, opened: () => Promise<void>): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.sessions.insert(session);
      const subject = { accountId: session.accountId, kind: 'pinned_session', id: session.id };
      const facts = { key: session.keyId, ttl_seconds: session.ttlSeconds, idle_extend: session.idleExtend };
      await this.events.record('pinned_session.opened', subject, facts);
      await this.audit.record(caller, 'pinned_session.open', subject, facts);
      tx.afterCommit(opened);
    });
  }

  /** Does nothing to a session that has ended already. A null actor is the server itself. */
  async end(id: string, accountId: string, reason: EndReason, actor: Principal | null = null): Promise<void> {
    await this.db.transaction(async (tx) => {
      if (!(await this.sessions.end(id, reason, this.clock.date()))) return;
      const subject = { accountId, kind: 'pinned_session', id };
      await this.revocations.append('pinned_session', id);
      await this.events.record('pinned_session.ended', subject, { reason });
      await this.audit.record(actor, 'pinned_session.end', subject, { reason });
      tx.afterCommit(() => {
        for (const listener of this.listeners) listener(id);
      });
    });
  }
}
