import { Injectable } from '@nestjs/common';
import type { Organisation } from '#accounts';
import { Audit, Events, type Principal, Revocations } from '#platform';

/** What changes of an organisation's sign-in leave behind, in the transaction of the change. */
@Injectable()
export class SsoJournal {
  constructor(
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly revocations: Revocations,
  ) {}

  /** A claim of a domain: it binds nobody yet. */
  async claimed(caller: Principal, org: Organisation, domain: string): Promise<void> {
    await this.audit.record(caller, 'org.domain_claimed', subjectOf(org), { domain });
  }

  /** A change of who signs in how; `type` is `organisation.…`. Nodes forget what they judged by the former settings. */
  async changed(caller: Principal, org: Organisation, type: string, facts: Record<string, unknown>): Promise<void> {
    await this.events.record(type, subjectOf(org), facts);
    await this.audit.record(caller, type.replace(/^organisation\./, 'org.'), subjectOf(org), facts);
    await this.revocations.append('account', org.accountId);
  }
}

const subjectOf = (org: Organisation) => ({ accountId: org.accountId, kind: 'organisation', id: org.id });
