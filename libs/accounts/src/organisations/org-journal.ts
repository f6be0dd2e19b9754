import { Injectable } from '@nestjs/common';
import { Audit, Events, type Principal } from '#platform';
import type { Organisation } from './organisation.js';

/** What happened to an organisation: its event and its audit row, in the open transaction. */
@Injectable()
export class OrgJournal {
  constructor(
    private readonly events: Events,
    private readonly audit: Audit,
  ) {}

  /** The audit action is the event's name with `org` for its subject, e.g. `org.created`. A null actor is the server. */
  async record(
    actor: Principal | null,
    event: string,
    org: Pick<Organisation, 'id' | 'accountId'>,
    facts: Record<string, unknown> = {},
  ): Promise<void> {
    const subject = { accountId: org.accountId, kind: 'organisation', id: org.id };
    await this.events.record(event, subject, facts);
    await this.audit.record(actor, event.replace(/^organisation\./, 'org.'), subject, facts);
  }
}
