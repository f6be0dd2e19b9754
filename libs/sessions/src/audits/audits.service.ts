import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { type CapturedSession, isAlias, isSessionId, sessionNotFound } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_AUDIT_CHANGED } from '../sessions.events.js';
import { SessionsService } from '../sessions.service.js';
import { SessionsRepository } from '../sessions.repository.js';
import { type Audit, type AuditResult, isAuditId } from './audit.js';
import { AuditsRepository } from './audits.repository.js';

export interface AuditStatus {
  readonly session: CapturedSession;
  /** The newest audit, whatever became of it; null before the first. */
  readonly audit: Audit | null;
}

/** A report as JSON text in parts: what is large goes on as it is stored. */
export interface StoredAudit {
  readonly result: AuditResult;
  readonly findings: string;
  readonly warnings: string;
}

/** Audits as readers see them, and what their owner dismisses (sessionfs-1.md §8). */
@Injectable()
export class AuditsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsService,
    private readonly rows: SessionsRepository,
    private readonly audits: AuditsRepository,
    private readonly journal: SessionJournal,
  ) {}

  /** A live session that the caller may read. Errors: `not_found`, for what can be no session too. */
  async sessionOf(caller: Principal, name: string): Promise<CapturedSession> {
    if (!isSessionId(name) && !isAlias(name)) throw sessionNotFound();
    return this.sessions.get(caller, name);
  }

  /** As `sessionOf`, the caller's own. */
  async ownSessionOf(caller: Principal, name: string): Promise<CapturedSession> {
    const session = await this.sessionOf(caller, name);
    if (session.userId !== caller.userId) throw sessionNotFound();
    return session;
  }

  /** The newest report as JSON text. Errors: `not_found`. */
  async latest(caller: Principal, name: string): Promise<string> {
    const { uid } = await this.sessionOf(caller, name);
    const report = await this.audits.findLatestReport(uid);
    if (report === null) throw new DomainError('not_found', 'No audit report found for this session');
    return report;
  }

  async status(caller: Principal, name: string): Promise<AuditStatus> {
    const session = await this.sessionOf(caller, name);
    return { session, audit: await this.audits.findNewest(session.uid) };
  }

  /** Completed audits, newest first; those before one of them, if given. */
  async history(caller: Principal, name: string, before: string | null, limit: number): Promise<AuditResult[]> {
    const session = await this.sessionOf(caller, name);
    return this.audits.list(session.uid, before, limit);
  }

  /** Errors: `not_found`. */
  async find(caller: Principal, id: string): Promise<StoredAudit> {
    const row = isAuditId(id) ? await this.audits.findResult(id) : null;
    if (!row) throw auditNotFound();
    const { findings, warnings, ...result } = row;
    try {
      // By its id a session is the caller's own, or one of the same account that is shown to it: never another's.
      const session = await this.sessions.get(caller, result.sessionId);
      if (session.uid !== result.sessionUid) throw auditNotFound();
      return { result, findings, warnings };
    } catch (error) {
      if (error instanceof DomainError && error.code === 'not_found') throw auditNotFound();
      throw error;
    }
  }

  /** Dismisses a finding of the newest report, or takes that back. Errors: `not_found`, `bad_request`. */
  async dismiss(
    caller: Principal,
    name: string,
    {
      finding,
      isDismissed,
      reason,
    }: { readonly finding: number; readonly isDismissed: boolean; readonly reason: string },
  ): Promise<void> {
    await this.db.transaction(async () => {
      const session = await this.ownSessionOf(caller, name);
      // An audit that ends now must see it, or be seen.
      await this.rows.lock(session.uid);
      const mark = { isDismissed, by: isDismissed ? caller.userId : null, reason: isDismissed ? reason : null };
      const id = finding >= 0 ? await this.audits.dismiss(session.uid, finding, mark) : null;
      if (id === null) throw await this.noFinding(session, finding);
      await this.journal.record(
        caller,
        session,
        { event: SESSION_AUDIT_CHANGED, action: 'session.dismiss_finding' },
        { audit_id: id, finding, dismissed: isDismissed },
      );
    });
  }

  private async noFinding({ uid }: CapturedSession, finding: number): Promise<DomainError> {
    return (await this.audits.findLatestReport(uid)) === null
      ? new DomainError('not_found', 'No audit report found')
      : new DomainError('bad_request', `Invalid finding index: ${finding}`);
  }
}

const auditNotFound = (): DomainError => new DomainError('not_found', 'Audit report not found');
