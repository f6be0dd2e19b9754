import { Injectable } from '@nestjs/common';
import { Audit, Events, type Principal } from '#platform';
import { SETTINGS_CHANGED } from '../sessions.events.js';

/** Event and audit row of what a person sets, in the transaction of the effect. */
@Injectable()
export class SettingsJournal {
  constructor(
    private readonly events: Events,
    private readonly audit: Audit,
  ) {}

  /** `what` is the setting, e.g. `judge`; facts hold no keys. */
  async record(caller: Principal, what: string, facts: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const subject = { accountId: caller.accountId, kind: 'user', id: caller.userId };
    await this.events.record(SETTINGS_CHANGED, subject, { what });
    await this.audit.record(caller, `settings.${what}`, subject, facts);
  }
}
