import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database, type Principal } from '#platform';
import { assertVersion } from '../lifecycle/life.js';
import { SandboxEnds } from '../lifecycle/sandbox-ends.js';
import { SandboxReconciler } from '../lifecycle/sandbox-reconciler.js';
import { isOpaqueId, sessionNotFound } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_CHANGED, SANDBOX_STATE_CHANGED } from '../sandboxes.events.js';
import type { CodingSession, CodingSessionEdit, ListedCodingSession } from './coding-session.js';
import { type CodingSessionListQuery, CodingSessionsRepository } from './coding-sessions.repository.js';

export interface CodingSessionPage {
  readonly sessions: readonly ListedCodingSession[];
  readonly hasMore: boolean;
  /** Of all the account's sessions; null when the query did not ask. */
  readonly archivedCount: number | null;
}

/** Sessions of the sandbox-api surface: read, list, change, archive, delete (sandbox-sessions.md §A9). */
@Injectable()
export class CodingSessionsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: CodingSessionsRepository,
    private readonly ends: SandboxEnds,
    private readonly reconciler: SandboxReconciler,
    private readonly journal: SandboxJournal,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  /**
   * Errors: `not_found`; `forbidden` for another account's, as the contract has it (its 126 random bits are no oracle),
   * unless the operator hides those.
   */
  async get(caller: Principal, id: string): Promise<CodingSession> {
    return this.assertOwn(caller, isOpaqueId(id) ? await this.sessions.find(id) : null);
  }

  /** As `get`, with the row held until the open transaction ends. */
  async getLocked(caller: Principal, id: string): Promise<CodingSession> {
    return this.assertOwn(caller, isOpaqueId(id) ? await this.sessions.findLocked(id) : null);
  }

  async list(caller: Principal, query: CodingSessionListQuery): Promise<CodingSessionPage> {
    const rows = await this.sessions.list(caller.accountId, caller.userId, query);
    return {
      sessions: rows.slice(0, query.limit),
      hasMore: rows.length > query.limit,
      archivedCount: query.status === null ? null : await this.sessions.countArchived(caller.accountId),
    };
  }

  /**
   * Archiving stops the sandbox in the background; unarchiving leaves it stopped until it is resumed. `version` is that
   * of the session the caller has seen, null for whatever there is. Errors: `not_found`, `forbidden`,
   * `precondition_failed` with the current version, `conflict` while an archived sandbox is still being stopped.
   */
  edit(caller: Principal, id: string, edit: CodingSessionEdit, version: number | null): Promise<CodingSession> {
    return this.db.transaction(async (tx) => {
      const session = await this.getLocked(caller, id);
      assertVersion(session, version);
      const fields = Object.keys(edit);
      if (fields.length === 0) return session;
      const now = this.clock.date();
      await this.moveAlong(caller, session, edit, now);
      tx.afterCommit(() => this.reconciler.wake());
      await this.sessions.edit(id, edit, now);
      await this.journal.record(caller, session, { event: SANDBOX_CHANGED, action: 'sandbox.edit' }, { fields });
      return this.get(caller, id);
    });
  }

  /** With its chats. What runs in it is stopped durably afterwards. Errors: `not_found`, also the second time. */
  async delete(caller: Principal, id: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      const session = await this.getLocked(caller, id);
      await this.ends.destroy(caller, session.accountId, [id]);
      tx.afterCommit(() => this.reconciler.wake());
    });
  }

  private assertOwn(caller: Principal, session: CodingSession | null): CodingSession {
    if (session?.accountId === caller.accountId) return session;
    throw session && !this.config.SANDBOX_HIDE_FOREIGN ? new DomainError('forbidden', 'Forbidden') : sessionNotFound();
  }

  /** The lifecycle's part of a change of status (§A13.3, rows 12 and 15). */
  private async moveAlong(
    caller: Principal,
    session: CodingSession,
    { status }: CodingSessionEdit,
    now: Date,
  ): Promise<void> {
    // Also of one that was called completed while it lay in the archive: it would stay there for ever.
    const isLeaving = status === 'running' && session.state === 'archived';
    const isEntering = status === 'archived' && session.status !== 'archived';
    if (!isLeaving && !isEntering) return;
    if (isLeaving && session.isStopping)
      throw new DomainError('conflict', 'Sandbox is still being paused, try again in a few seconds.');
    const to = isEntering ? 'archived' : null;
    await this.sessions.move(session.id, { state: to, isStopping: isEntering && mayRun(session) }, now);
    const what = { event: SANDBOX_STATE_CHANGED, action: isEntering ? 'sandbox.archive' : 'sandbox.unarchive' };
    await this.journal.record(caller, session, what, { from: session.state, to });
  }
}

/** Whether processes may be there to be stopped. */
function mayRun({ state, leaseId }: CodingSession): boolean {
  return state === 'active' || state === 'hibernating' || state === 'restoring' || leaseId !== null;
}
