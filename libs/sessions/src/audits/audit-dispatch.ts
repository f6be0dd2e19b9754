import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, PeriodicTasks } from '#platform';
import type { Audit } from './audit.js';
import { AuditRunner } from './audit-runner.js';
import { AuditsRepository } from './audits.repository.js';

const LOOK_MS = 15_000;
/** Audits that one process takes up by itself: they wait for models nearly all the time. */
const AT_ONCE = 8;

/** Sees to it that audits are run: those in the background, those whose time has come, and those a crash cut off. */
@Injectable()
export class AuditDispatch implements OnModuleInit {
  private readonly log = new Logger(AuditDispatch.name);

  constructor(
    private readonly db: Database,
    private readonly audits: AuditsRepository,
    private readonly runner: AuditRunner,
    private readonly periodic: PeriodicTasks,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.periodic.register({ name: 'sessions.resume-audits', everyMs: LOOK_MS, run: () => this.resume() });
  }

  /** Has it run after the commit. */
  async send(audit: Audit): Promise<void> {
    await this.db.transaction(async (tx) => tx.afterCommit(() => this.start(audit.id)));
  }

  /** Takes up what nobody runs; does not wait for its end, because other periodic tasks want their turn. */
  private async resume(): Promise<void> {
    const room = Math.max(0, AT_ONCE - this.runner.load);
    for (const id of await this.audits.findFree(this.clock.date(), room)) this.start(id);
  }

  private start(id: string): void {
    this.runner
      .run(id, false)
      .catch((error: unknown) => this.log.error({ msg: 'audit stopped; it is begun again', audit: id, err: error }));
  }
}
