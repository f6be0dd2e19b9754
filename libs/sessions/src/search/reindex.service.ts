import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { entitlementsOf } from '#accounts';
import { Blobs, Database, type Principal } from '#platform';
import { Archives } from '../archive/archives.js';
import type { DlpRules } from '../archive/dlp-screen.js';
import type { ArchiveMetadata } from '../archive/metadata.js';
import type { CapturedSession } from '../captured-session.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { rulesOf } from '../dlp/dlp-policy.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_CHANGED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { VersionsRepository } from '../sync/versions.repository.js';
import { SearchIndexing } from './search-indexing.js';

export interface ReindexReport {
  /** Sessions whose archive was read and whose conversation is indexed anew. */
  readonly reindexed: number;
  /** Those of them whose stored facts have changed. */
  readonly updated: number;
  readonly errors: number;
}

const PAGE = 100;
/** What is stored was admitted once; the plan may be another by now. */
const LARGEST = entitlementsOf('enterprise');
const LIMITS = { archiveBytes: LARGEST.archiveBytes, memberBytes: LARGEST.archiveMemberBytes, canUpgrade: false };

/** Reads a person's stored archives again, as this release reads them (sessionfs-1.md §7.7). */
@Injectable()
export class ReindexService {
  private readonly log = new Logger(ReindexService.name);
  private readonly running = new Set<string>();

  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly versions: VersionsRepository,
    private readonly archives: Archives,
    private readonly blobs: Blobs,
    private readonly indexing: SearchIndexing,
    private readonly journal: SessionJournal,
    private readonly dlp: DlpGate,
  ) {}

  /**
   * All live sessions of the caller in the account acted for, one after the other. Titles and tags that were set stay, as
   * do times and ETags. Nothing is stored that the archives do not hold. Errors: `conflict` while another one runs here.
   */
  async reindex(caller: Principal): Promise<ReindexReport> {
    const owner = `${caller.accountId} ${caller.userId}`;
    if (this.running.has(owner)) throw new DomainError('conflict', 'Your sessions are being reindexed already');
    this.running.add(owner);
    try {
      return await this.reindexAll(caller);
    } finally {
      this.running.delete(owner);
    }
  }

  private async reindexAll(caller: Principal): Promise<ReindexReport> {
    const report = { reindexed: 0, updated: 0, errors: 0 };
    for (let after: string | null = null; ;) {
      const page: CapturedSession[] = await this.sessions.listByUid(caller, after, PAGE);
      for (const session of page) {
        try {
          if (await this.refresh(caller, session)) report.updated += 1;
          report.reindexed += 1;
        } catch (error) {
          report.errors += 1;
          this.log.warn({ msg: 'a session could not be reindexed', session: session.uid, err: error });
        }
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE) return report;
      after = last.uid;
    }
  }

  /** @returns whether a fact of the session has changed */
  private async refresh(caller: Principal, session: CapturedSession): Promise<boolean> {
    const version = await this.versions.find(session.versionId);
    // Purged meanwhile.
    if (!version) return false;
    const rules = await this.rulesFor(caller);
    const reading = await this.archives.receive(await this.blobs.open(version.archiveDigest), LIMITS, rules);
    await this.archives.drop(reading);
    const isUpdated = await this.store(caller, session, reading.metadata);
    await this.indexing.catchUp(session.uid, undefined, true);
    return isUpdated;
  }

  /** The policy may be younger than what is stored: that is hidden by it, never refused. */
  private async rulesFor(caller: Principal): Promise<DlpRules | null> {
    const policy = await this.dlp.policyFor(caller);
    return policy && { ...rulesOf(policy), mode: policy.mode === 'warn' ? 'warn' : 'redact' };
  }

  private store(caller: Principal, session: CapturedSession, facts: ArchiveMetadata): Promise<boolean> {
    return this.db.transaction(async () => {
      if (!(await this.versions.refreshFacts(session.uid, session.versionId, facts))) return false;
      await this.journal.record(caller, session, { event: SESSION_CHANGED, action: 'session.reindex' });
      return true;
    });
  }
}
