import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '#kernel';
import { Audit, Database, Events } from '#platform';
import { type KeyWithOwner, principalOfKey } from './key.js';
import { KeysRepository } from './keys.repository.js';

const REPORT_EVERY_MS = 3_600_000;

/** Raises the alarm when a replaced key is used after its grace: somebody forgot it, or somebody found it. */
@Injectable()
export class LateKeyUses {
  private readonly log = new Logger(LateKeyUses.name);

  constructor(
    private readonly db: Database,
    private readonly keys: KeysRepository,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Records an event and an audit row, once per key and hour over all nodes. The use is refused whether or not it can. */
  async report(key: KeyWithOwner): Promise<void> {
    if (key.replacedBy === null) return;
    const since = new Date(this.clock.now() - REPORT_EVERY_MS);
    if (key.lateUseAt !== null && key.lateUseAt >= since) return;
    try {
      await this.db.detached(() => this.record(key, since));
    } catch (error) {
      this.log.warn({ msg: 'the use of a replaced key could not be reported', key: key.id, err: error });
    }
  }

  private record(key: KeyWithOwner, since: Date): Promise<void> {
    return this.db.transaction(async () => {
      if (!(await this.keys.claimLateUse(key.id, since, this.clock.date()))) return;
      const subject = { accountId: key.accountId, kind: 'key', id: key.id };
      const facts = { prefix: key.prefix, replaced_by: key.replacedBy };
      await this.events.record('key.used_after_rotation', subject, facts);
      await this.audit.record(principalOfKey(key), 'key.used_after_rotation', subject, facts);
    });
  }
}
