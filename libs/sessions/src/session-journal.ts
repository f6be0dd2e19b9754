import { Injectable } from '@nestjs/common';
import { Audit, Events, type Principal } from '#platform';
import type { CapturedSession } from './captured-session.js';

/** Event and audit row of what happens to a session, in the transaction of the effect. */
@Injectable()
export class SessionJournal {
  constructor(
    private readonly events: Events,
    private readonly audit: Audit,
  ) {}

  /** Facts are ids and small values; the session's own id is added. A null caller is the server itself. */
  async record(
    caller: Principal | null,
    session: Pick<CapturedSession, 'uid' | 'id' | 'accountId'>,
    { event, action }: { readonly event: string; readonly action: string },
    facts: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const subject = { accountId: session.accountId, kind: 'session', id: session.uid };
    const payload = { session_id: session.id, ...facts };
    await this.events.record(event, subject, payload);
    await this.audit.record(caller, action, subject, payload);
  }
}
