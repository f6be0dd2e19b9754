import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { type CapturedSession, isAlias, isSessionId, sessionNotFound, trashDeadline } from './captured-session.js';
import { DlpGate } from './dlp/dlp-gate.service.js';
import { SessionJournal } from './session-journal.js';
import { SESSION_CHANGED, SESSION_RESTORED, SESSION_TRASHED } from './sessions.events.js';
import { type SessionEdit, type SessionListQuery, SessionsRepository } from './sessions.repository.js';

export interface SessionPage {
  readonly sessions: readonly CapturedSession[];
  readonly total: number;
  readonly hasMore: boolean;
}

/** Captured sessions as their owner lists, names, edits and deletes them (sessionfs-1.md §7). */
@Injectable()
export class SessionsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly dlp: DlpGate,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  async list(caller: Principal, query: SessionListQuery): Promise<SessionPage> {
    const rows = await this.sessions.list(caller, query);
    return {
      sessions: rows.slice(0, query.limit),
      total: await this.sessions.count(caller, query),
      hasMore: rows.length > query.limit,
    };
  }

  /**
   * A live session by id or alias: the caller's own, else one that its organisation sees. Errors: `bad_request` for
   * what can be neither, `not_found`.
   */
  async get(caller: Principal, name: string): Promise<CapturedSession> {
    assertName(name);
    const own = await this.sessions.find(caller, name);
    if (own && own.deletedAt === null) return own;
    const shown = caller.orgId === null ? null : await this.sessions.findShown(caller.accountId, name);
    if (!shown) throw sessionNotFound();
    return shown;
  }

  /** A live session of the caller's own, its row held until the transaction ends. Errors: as `get`. */
  async getOwnLocked(caller: Principal, name: string): Promise<CapturedSession> {
    assertName(name);
    return this.getOwnLive(caller, name);
  }

  /** A session of the caller's own, also one in the trash. Errors: as `get`. */
  async getOwnAnyState(caller: Principal, name: string): Promise<CapturedSession> {
    assertName(name);
    return this.getOwn(caller, name);
  }

  /**
   * Sets title, alias, tags or visibility; what is set so outlives later pushes. Errors: `bad_request` for what is no
   * alias, `conflict` for a taken one.
   */
  async edit(caller: Principal, name: string, change: SessionEdit): Promise<CapturedSession> {
    assertName(name);
    if (Object.keys(change).length === 0)
      throw new DomainError('bad_request', 'At least one of title, alias, or tags must be provided');
    if (change.visibility === 'org' && caller.orgId === null) {
      throw new DomainError('invalid_input', 'A session of a personal account has no organization to be shown to', {
        field: 'visibility',
      });
    }
    if (typeof change.alias === 'string' && !isAlias(change.alias)) throw badAlias();
    const screened = await this.dlp.screenEdit(caller, change);
    return this.db.transaction(async () => {
      const session = await this.getOwnLive(caller, name);
      if (!(await this.sessions.edit(session.uid, screened, this.clock.date()))) {
        throw new DomainError('conflict', `Alias '${change.alias}' is already in use`, { field: 'alias' });
      }
      const fields = Object.keys(change);
      await this.journal.record(caller, session, { event: SESSION_CHANGED, action: 'session.edit' }, { fields });
      return this.getOwnLive(caller, session.id);
    });
  }

  /** Into the trash for 30 days. Errors: `not_found`, `gone` when it is there already. */
  async trash(caller: Principal, name: string, scope: 'cloud' | 'both'): Promise<CapturedSession> {
    assertName(name);
    return this.db.transaction(async () => {
      const session = await this.sessions.findLocked(caller, name);
      if (!session) throw sessionNotFound();
      if (session.deletedAt) throw new DomainError('gone', 'Session already deleted');
      const at = this.clock.date();
      await this.sessions.trash(session.uid, { at, by: caller.userId, scope, purgeAfter: trashDeadline(at) });
      await this.journal.record(caller, session, { event: SESSION_TRASHED, action: 'session.delete' }, { scope });
      return this.getOwn(caller, session.id);
    });
  }

  /** Out of the trash, with the scope it was deleted in. Errors: `gone` when there is none, `conflict` when it is live. */
  async restore(
    caller: Principal,
    name: string,
  ): Promise<{ session: CapturedSession; restoredFrom: 'cloud' | 'both' | null }> {
    assertName(name);
    return this.db.transaction(async () => {
      const session = await this.sessions.findLocked(caller, name);
      if (!session) throw new DomainError('gone', 'Session not found or already purged');
      if (!session.deletedAt) throw new DomainError('conflict', 'Session is not deleted');
      await this.sessions.restore(session.uid);
      await this.journal.record(caller, session, { event: SESSION_RESTORED, action: 'session.restore' });
      return { session: await this.getOwn(caller, session.id), restoredFrom: session.deleteScope };
    });
  }

  private async getOwnLive(caller: Principal, name: string): Promise<CapturedSession> {
    const session = await this.sessions.findLocked(caller, name);
    if (!session || session.deletedAt) throw sessionNotFound();
    return session;
  }

  private async getOwn(caller: Principal, id: string): Promise<CapturedSession> {
    const session = await this.sessions.find(caller, id);
    if (!session) throw sessionNotFound();
    return session;
  }
}

function assertName(name: string): void {
  if (!isSessionId(name) && !isAlias(name))
    throw new DomainError('bad_request', 'Invalid session ID or alias format', { field: 'session_id' });
}

function badAlias(): DomainError {
  return new DomainError(
    'bad_request',
    'An alias has 3 to 100 letters, digits, "_" or "-", starts with a letter or digit and is neither a session id nor a word of other routes',
    { field: 'alias' },
  );
}
