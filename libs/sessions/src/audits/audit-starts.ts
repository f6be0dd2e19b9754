import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Events, type Principal, Sealed } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_AUDIT_REQUESTED } from '../sessions.events.js';
import { type Audit, newAuditId, sealedForAudit } from './audit.js';
import { AuditDispatch } from './audit-dispatch.js';
import { AuditsRepository, type NewAudit } from './audits.repository.js';
import type { ChosenJudge } from './judge-choice.js';

const TRIES = 3;
/**
 * How long the audit of a push waits: for the next push, and for clients that ask for one themselves after each push,
 * and so get this one.
 */
const SETTLING_SECONDS = 20;

/** Puts audits in line: one at a time for each session. Part of the caller's transaction. */
@Injectable()
export class AuditStarts {
  constructor(
    private readonly audits: AuditsRepository,
    private readonly dispatch: AuditDispatch,
    private readonly journal: SessionJournal,
    private readonly events: Events,
    private readonly sealed: Sealed,
    private readonly clock: Clock,
  ) {}

  /**
   * A new audit of the session's current version, or the one that is at just that; what only waits for its time makes
   * room. In the background it is sent to a worker. Errors: `conflict` (`audit_running`).
   */
  async asked(caller: Principal, session: CapturedSession, judge: ChosenJudge, inBackground: boolean): Promise<Audit> {
    await this.audits.dropWaiting(session.uid);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const id = await this.insert(session, judge, { trigger: 'manual', requestedBy: caller.userId, waitSeconds: 0 });
      const audit = id === null ? await this.audits.findUnfinished(session.uid) : await this.audits.find(id);
      // None: the other one has ended in between.
      if (!audit) continue;
      if (id === null && !isSame(audit, session, judge)) break;
      if (id !== null) {
        const facts = { audit_id: id, model: judge.model, etag: session.etag };
        await this.journal.record(caller, session, { event: SESSION_AUDIT_REQUESTED, action: 'session.audit' }, facts);
        if (inBackground) await this.dispatch.send(audit, caller.userId);
      }
      return audit;
    }
    throw new DomainError('conflict', 'An audit of this session is running, by another judge or of an older version', {
      reason: 'audit_running',
      headers: { 'Retry-After': '10' },
    });
  }

  /**
   * An audit of what is there now, in a moment, and in place of one that waits; none if it had one. While another runs
   * none is begun: the end of that one is the time to look again.
   */
  async triggered(session: CapturedSession, judge: ChosenJudge, trigger: 'on_sync' | 'on_pr'): Promise<void> {
    if (await this.audits.hasBegunFor(session.versionId)) return;
    await this.audits.dropWaiting(session.uid);
    const waitSeconds = SETTLING_SECONDS;
    const id = await this.insert(session, judge, { trigger, requestedBy: session.userId, waitSeconds });
    if (id === null) return;
    const subject = { accountId: session.accountId, kind: 'session', id: session.uid };
    const facts = { session_id: session.id, audit_id: id, model: judge.model, etag: session.etag };
    await this.events.record(SESSION_AUDIT_REQUESTED, subject, facts);
  }

  private async insert(
    session: CapturedSession,
    { apiKey, ...judge }: ChosenJudge,
    asked: Pick<NewAudit, 'trigger' | 'requestedBy' | 'waitSeconds'>,
  ): Promise<string | null> {
    const id = newAuditId();
    const isOurs = await this.audits.insert({
      ...judge,
      ...asked,
      id,
      sessionUid: session.uid,
      versionId: session.versionId,
      etag: session.etag,
      sealedKey: apiKey === null ? null : this.sealed.seal(apiKey, sealedForAudit(id)),
      createdAt: this.clock.date(),
    });
    return isOurs ? id : null;
  }
}

const isSame = (audit: Audit, session: CapturedSession, judge: ChosenJudge): boolean =>
  audit.versionId === session.versionId &&
  audit.kind === judge.kind &&
  audit.model === judge.model &&
  audit.provider === judge.provider &&
  audit.baseUrl === judge.baseUrl;
