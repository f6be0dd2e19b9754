import { Injectable } from '@nestjs/common';
import { Clock, isUuid } from '#kernel';
import { Audit, Database, type Page, type Principal } from '#platform';
import { isSessionId, sessionNotFound, severalOfThatId, trashDeadline } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_TRASHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import {
  type AdminSessionFilter,
  type AdminSessionSort,
  AdminSessionsRepository,
  type ListedSession,
} from './admin-sessions.repository.js';

export interface ListedSessions {
  readonly sessions: readonly ListedSession[];
  readonly total: number;
  readonly next: readonly string[] | null;
}

/** What platform administrators do with everybody's sessions (sessionfs-2.md §15). */
@Injectable()
export class AdminSessionsService {
  constructor(
    private readonly db: Database,
    private readonly admin: AdminSessionsRepository,
    private readonly sessions: SessionsRepository,
    private readonly journal: SessionJournal,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** The look is audited: titles are words of those who held the conversations. */
  async list(
    caller: Principal,
    filter: AdminSessionFilter,
    sort: AdminSessionSort,
    page: Page,
  ): Promise<ListedSessions> {
    const subject = filter.userId === null ? { kind: 'sessions', id: 'all' } : { kind: 'user', id: filter.userId };
    await this.audit.recordRead(caller, { accountId: null, ...subject }, { what: 'sessions', search: filter.search });
    return { ...(await this.admin.list(filter, sort, page)), total: await this.admin.count(filter) };
  }

  /**
   * Into the trash, from where its owner can restore it for 30 days. Errors: `not_found`, also for what is in the trash;
   * `conflict` when several people have a session of that id and `userId` does not say whose is meant.
   */
  async trash(caller: Principal, id: string, userId: string | null): Promise<void> {
    const isPossible = isSessionId(id) && (userId === null || isUuid(userId));
    await this.db.transaction(async () => {
      const [found, other] = isPossible ? await this.admin.findLive(id, userId) : [];
      if (!found) throw sessionNotFound();
      if (other) throw severalOfThatId(found, other);
      const session = await this.sessions.findLocked(found, found.id);
      if (!session || session.deletedAt) throw sessionNotFound();
      const at = this.clock.date();
      const deletion = { at, by: caller.userId, scope: 'cloud', purgeAfter: trashDeadline(at) } as const;
      await this.sessions.trash(session.uid, deletion);
      const facts = { user_id: session.userId, scope: 'cloud' };
      await this.journal.record(caller, session, { event: SESSION_TRASHED, action: 'delete_session' }, facts);
    });
  }
}
