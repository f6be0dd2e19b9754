import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { SettingsJournal } from './settings-journal.js';
import { SettingsRepository, type Trigger, type TriggerName, TRIGGERS } from './settings.repository.js';

/** When a person's sessions are audited and narrated by themselves. */
@Injectable()
export class TriggersService {
  constructor(
    private readonly db: Database,
    private readonly settings: SettingsRepository,
    private readonly journal: SettingsJournal,
  ) {}

  get(userId: string, name: TriggerName): Promise<Trigger> {
    return this.settings.findTrigger(userId, name);
  }

  /** Errors: `bad_request` for what is no trigger. */
  async set(caller: Principal, name: TriggerName, text: string): Promise<Trigger> {
    const trigger = TRIGGERS.find((known) => known === text);
    if (trigger === undefined) {
      throw new DomainError('bad_request', "Trigger must be 'manual', 'on_sync', or 'on_pr'", { field: 'trigger' });
    }
    await this.db.transaction(async () => {
      await this.settings.saveTrigger(caller.userId, name, trigger);
      await this.journal.record(caller, `${name}_trigger`, { trigger });
    });
    return trigger;
  }
}
