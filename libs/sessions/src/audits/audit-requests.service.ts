import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DomainError, fromWireError } from '#kernel';
import { currentContext, Database, Idempotency, type Principal } from '#platform';
import { countMessages } from '../archive/message-log.js';
import type { ModelWish } from '../models/judge-settings.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { type Audit, MANY_MESSAGES } from './audit.js';
import { AuditRunner } from './audit-runner.js';
import { AuditStarts } from './audit-starts.js';
import { AuditsRepository } from './audits.repository.js';
import { AuditsService } from './audits.service.js';
import { JudgeChoice } from './judge-choice.js';

/** An audit that goes on in the background. */
export interface AcceptedAudit {
  readonly sessionId: string;
  readonly auditId: string;
  readonly messages: number;
}

const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1_000;

/** Takes requests for audits (sessionfs-1.md §8): small conversations are answered with their report, others later. */
@Injectable()
export class AuditRequests {
  constructor(
    private readonly db: Database,
    private readonly sessions: AuditsService,
    private readonly versions: SessionVersionsService,
    private readonly choice: JudgeChoice,
    private readonly starts: AuditStarts,
    private readonly audits: AuditsRepository,
    private readonly runner: AuditRunner,
    private readonly idempotency: Idempotency,
  ) {}

  /**
   * Audits the current version of the caller's session. Asked for again while it runs, the same audit answers both; who
   * wants another judge or a newer version meanwhile has to wait. The audit goes on whatever becomes of the request.
   * Answers the report as JSON text, or what `accepted` makes of an audit in the background. Errors: `not_found`,
   * `bad_request` for a conversation without messages, `conflict` (`audit_running`), and what the audit failed with.
   */
  async audit<Body>(
    caller: Principal,
    name: string,
    wish: ModelWish,
    accepted: (audit: AcceptedAudit) => Body,
  ): Promise<{ readonly report: string } | { readonly accepted: Body }> {
    const session = await this.sessions.ownSessionOf(caller, name);
    const messages = countMessages((await this.versions.current(session)).messagesIndex);
    if (messages === 0) throw new DomainError('bad_request', 'No messages found in session archive');
    const judge = await this.choice.of(caller.userId, wish);
    const isLong = messages >= MANY_MESSAGES;
    const begun = await this.db.transaction(async () => {
      const audit = await this.starts.asked(caller, session, judge, isLong);
      const body = accepted({ sessionId: session.id, auditId: audit.id, messages });
      if (isLong) await this.idempotency.settle(202, body);
      return { audit, body };
    });
    if (isLong) return { accepted: begun.body };
    await this.runner.run(begun.audit.id, true);
    const report = await this.reportOf(begun.audit);
    if (currentContext()?.claim)
      await this.db.transaction(() => this.idempotency.settle(200, JSON.parse(report) as unknown));
    return { report };
  }

  /** Waits for the audit's end, wherever it runs. */
  private async reportOf({ id }: Audit): Promise<string> {
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, LAST_LOOK_MS)) {
      const audit = await this.audits.find(id);
      if (!audit) throw new DomainError('not_found', 'The session was deleted while it was audited');
      if (audit.failure) throw fromWireError(audit.failure);
      const report = audit.state === 'completed' ? await this.audits.findReport(id) : null;
      if (report !== null) return report;
      if (this.runner.signal.aborted) throw goesOn();
      await sleep(pause);
    }
  }
}

function goesOn(): DomainError {
  return new DomainError('unavailable', 'The server is going down; the audit goes on later, see its status', {
    headers: { 'Retry-After': '30' },
  });
}
