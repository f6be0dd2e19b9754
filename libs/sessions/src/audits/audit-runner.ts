import { randomUUID } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Clock, DomainError, toWireError } from '#kernel';
import { Database, Events } from '#platform';
import type { WrittenReport } from '../conversation/audit/report.js';
import { SessionsRepository } from '../sessions.repository.js';
import { SESSION_AUDIT_FAILED, SESSION_AUDITED } from '../sessions.events.js';
import { type Audit, interrupted, MAX_ATTEMPTS } from './audit.js';
import { AuditsRepository, type ClaimedAudit, LEASE_SECONDS } from './audits.repository.js';
import { AuditWork } from './audit-work.js';

const RENEW_MS = (LEASE_SECONDS * 1_000) / 3;

/** Runs audits: each in one process at a time, to its report or to the reason why there is none. */
@Injectable()
export class AuditRunner implements BeforeApplicationShutdown {
  private readonly log = new Logger(AuditRunner.name);
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<void>>();

  constructor(
    private readonly db: Database,
    private readonly audits: AuditsRepository,
    private readonly sessions: SessionsRepository,
    private readonly work: AuditWork,
    private readonly events: Events,
    private readonly clock: Clock,
  ) {}

  /** Ends when the process is going down. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  get load(): number {
    return this.running.size;
  }

  /**
   * Runs the audit unless it runs already or has ended; before its time if `isUrgent`. How it ended is in its row:
   * nothing is thrown for an audit that failed.
   */
  async run(id: string, isUrgent: boolean): Promise<void> {
    if (this.signal.aborted) return;
    const audit = await this.audits.claim(id, randomUUID(), this.clock.date(), isUrgent);
    if (!audit) return;
    const run = this.toItsEnd(audit);
    this.running.add(run);
    await run.finally(() => this.running.delete(run));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort(new DomainError('unavailable', 'The server is shutting down'));
    await Promise.allSettled(this.running);
  }

  private async toItsEnd(audit: ClaimedAudit): Promise<void> {
    const lost = new AbortController();
    const renewing = setInterval(() => void this.renew(audit, lost), RENEW_MS).unref();
    const signal = AbortSignal.any([this.signal, lost.signal]);
    try {
      if (audit.attempt > MAX_ATTEMPTS) throw interrupted();
      const started = performance.now();
      const report = await this.work.report(audit, signal, (progress) => this.audits.setProgress(audit, progress));
      await this.complete(audit, report, Math.round(performance.now() - started));
    } catch (error) {
      if (signal.aborted) await this.audits.release(audit);
      else await this.fail(audit, error);
    } finally {
      clearInterval(renewing);
    }
  }

  private async complete(audit: ClaimedAudit, report: WrittenReport, tookMs: number): Promise<void> {
    await this.db.transaction(async () => {
      await this.sessions.lock(audit.sessionUid);
      if (!(await this.audits.complete(audit, report, tookMs, this.clock.date()))) return;
      const { hallucinations, trust_score } = report.summary;
      await this.record(SESSION_AUDITED, audit, { hallucinations, trust_score });
    });
  }

  private async fail(audit: ClaimedAudit, error: unknown): Promise<void> {
    const isTold = error instanceof DomainError && error.code !== 'internal';
    if (!isTold) this.log.error({ msg: 'audit failed', audit: audit.id, err: error });
    const failure = isTold ? error : new DomainError('internal', 'Internal server error');
    await this.db.transaction(async () => {
      if (!(await this.audits.fail(audit, toWireError(failure), this.clock.date()))) return;
      await this.record(SESSION_AUDIT_FAILED, audit, { reason: failure.reason ?? failure.code });
    });
  }

  private record(type: string, audit: Audit, facts: Readonly<Record<string, unknown>>): Promise<void> {
    const subject = { accountId: audit.accountId, kind: 'session', id: audit.sessionUid };
    return this.events.record(type, subject, { session_id: audit.sessionId, audit_id: audit.id, ...facts });
  }

  private async renew(audit: ClaimedAudit, lost: AbortController): Promise<void> {
    try {
      if (await this.audits.renew(audit)) return;
      lost.abort(new DomainError('unavailable', 'Another process has taken the audit over'));
    } catch (error) {
      this.log.warn({ msg: 'the lease of an audit could not be renewed', audit: audit.id, err: error });
    }
  }
}
