import { Injectable, Logger } from '@nestjs/common';
import { StorageQuota } from '#accounts';
import { Clock, DomainError, isUuid } from '#kernel';
import { Blobs, Database, type Principal } from '#platform';
import { isSessionId, severalOfThatId } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PURGED } from '../sessions.events.js';
import { type PurgeableSession, type DuePosition, PurgesRepository } from './purges.repository.js';

export interface PurgeResult {
  readonly purged: number;
  /** Bytes the sessions' accounts have room for again. */
  readonly bytesReclaimed: number;
  /** Could not be purged: logged, and tried again in the next round. */
  readonly failed: number;
}

const BATCH = 100;

/**
 * Takes sessions out of the trash for good (sessionfs-1.md §7.9): the row with all that hangs on it, the holds on its
 * blobs, the quota. Each in a transaction of its own, so that one that cannot go keeps no other.
 */
@Injectable()
export class PurgeService {
  private readonly log = new Logger(PurgeService.name);

  constructor(
    private readonly db: Database,
    private readonly purges: PurgesRepository,
    private readonly blobs: Blobs,
    private readonly quota: StorageQuota,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  /** Every session whose `purge_after` has passed, until `signal` says to stop. A null caller is the job. */
  async purgeDue(caller: Principal | null, signal: AbortSignal): Promise<PurgeResult> {
    const now = this.clock.date();
    const result = { purged: 0, bytesReclaimed: 0, failed: 0 };
    let after: DuePosition | null = null;
    while (!signal.aborted) {
      const due: readonly (PurgeableSession & DuePosition)[] = await this.purges.listDue(now, after, BATCH);
      for (const session of due) {
        if (signal.aborted) break;
        try {
          const bytes = await this.purge(caller, session, now);
          if (bytes === null) continue;
          result.purged += 1;
          result.bytesReclaimed += bytes;
        } catch (error) {
          result.failed += 1;
          this.log.error({ msg: 'session could not be purged', session: session.uid, err: error });
        }
      }
      after = due.at(-1) ?? null;
      if (due.length < BATCH) break;
    }
    return result;
  }

  /** A round of the job. What could not go makes it fail, so that administrators see it. */
  async purgeAsJob(signal: AbortSignal): Promise<PurgeResult> {
    const result = await this.purgeDue(null, signal);
    if (result.purged > 0) this.log.log({ msg: 'deleted sessions purged', ...result });
    if (result.failed > 0) throw new Error(`${result.failed} sessions could not be purged; the log says why`);
    return result;
  }

  /**
   * One deleted session at once, due or not, by its owner's id for it. Errors: `not_found`; `conflict` when several
   * people have deleted a session of that id and `userId` does not say whose is meant.
   */
  async purgeOne(caller: Principal, id: string, userId: string | null): Promise<PurgeResult> {
    const isPossible = isSessionId(id) && (userId === null || isUuid(userId));
    const [session, other] = isPossible ? await this.purges.findTrashed(id, userId) : [];
    if (!session) throw notFound();
    if (other) throw severalOfThatId(session, other);
    const bytes = await this.purge(caller, session, null);
    if (bytes === null) throw notFound();
    return { purged: 1, bytesReclaimed: bytes, failed: 0 };
  }

  /** Null when somebody restored or purged it meanwhile. */
  private purge(caller: Principal | null, session: PurgeableSession, dueBy: Date | null): Promise<number | null> {
    return this.db.transaction(async () => {
      if (!(await this.purges.lockTrashed(session.uid, dueBy))) return null;
      await this.blobs.releaseAll('session_version', await this.purges.listVersionIds(session.uid));
      await this.purges.remove(session.uid);
      const bytes = await this.quota.release(session.accountId, `session:${session.uid}`);
      const facts = { user_id: session.userId, bytes };
      await this.journal.record(caller, session, { event: SESSION_PURGED, action: 'purge_deleted' }, facts);
      return bytes;
    });
  }
}

function notFound(): DomainError {
  return new DomainError('not_found', 'Deleted session not found');
}
