import { Injectable, Logger } from '@nestjs/common';
import { StorageQuota } from '#accounts';
import { Clock } from '#kernel';
import { AppConfig, Blobs, Database } from '#platform';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PRUNED } from '../sessions.events.js';
import { type PrunableSession, RetentionRepository, type RetentionRule } from './retention.repository.js';

const BATCH = 200;

/**
 * Thins out old versions: the newest stay, of those before the last of each day for a while, and branches longer, since
 * nobody has seen what they hold. The version a session shows always stays.
 */
@Injectable()
export class RetentionService {
  private readonly log = new Logger(RetentionService.name);
  private readonly rule: RetentionRule;

  constructor(
    private readonly db: Database,
    private readonly retention: RetentionRepository,
    private readonly blobs: Blobs,
    private readonly quota: StorageQuota,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
    config: AppConfig,
  ) {
    this.rule = {
      newest: config.SESSION_VERSIONS_KEPT,
      dailyDays: config.SESSION_VERSION_DAYS,
      branchDays: config.SESSION_BRANCH_DAYS,
    };
  }

  /** A round of the job: answers how many versions went. One session that cannot be thinned out keeps no other. */
  async prune(signal: AbortSignal): Promise<number> {
    const now = this.clock.date();
    let [pruned, failed] = [0, 0];
    let uids: string[] = [];
    do {
      uids = await this.retention.listCandidates(this.rule.newest, uids.at(-1) ?? null, BATCH);
      for (const session of await this.retention.listPrunable(uids, this.rule, now)) {
        if (signal.aborted) return pruned;
        try {
          pruned += await this.pruneOne(session);
        } catch (error) {
          failed += 1;
          this.log.error({ msg: 'old versions could not be removed', session: session.uid, err: error });
        }
      }
    } while (uids.length === BATCH && !signal.aborted);
    if (pruned > 0) this.log.log({ msg: 'old versions removed', pruned });
    if (failed > 0) throw new Error(`Old versions of ${failed} sessions could not be removed; the log says why`);
    return pruned;
  }

  private pruneOne(session: PrunableSession): Promise<number> {
    return this.db.transaction(async () => {
      if (!(await this.retention.lock(session.uid))) return 0;
      const removed = await this.retention.remove(session.uid, session.versionIds);
      if (removed.length === 0) return 0;
      const ids = removed.map(({ id }) => id);
      await this.blobs.releaseAll('session_version', ids);
      const bytes = removed.reduce((sum, version) => sum + version.bytes, 0);
      await this.quota.giveBack(session.accountId, `session:${session.uid}`, bytes);
      const facts = { versions: removed.length, bytes };
      await this.journal.record(null, session, { event: SESSION_PRUNED, action: 'session.prune' }, facts);
      return removed.length;
    });
  }
}
