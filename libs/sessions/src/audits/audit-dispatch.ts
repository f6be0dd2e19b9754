import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { PeriodicTasks } from '#platform';
import { ModelJobs } from '../models/model-jobs.js';
import type { Audit } from './audit.js';
import { AuditRunner } from './audit-runner.js';
import { AuditsRepository } from './audits.repository.js';

const JOB_KIND = 'audit';
const LOOK_MS = 15_000;
/** Audits that one process takes up by itself: they wait for models nearly all the time. */
const AT_ONCE = 8;

/** Sees to it that audits are run: those in the background, those whose time has come, and those a crash cut off. */
@Injectable()
export class AuditDispatch implements OnModuleInit {
  private readonly log = new Logger(AuditDispatch.name);

  constructor(
    private readonly jobs: ModelJobs,
    private readonly audits: AuditsRepository,
    private readonly runner: AuditRunner,
    private readonly periodic: PeriodicTasks,
  ) {}

  onModuleInit(): void {
    this.periodic.register({ name: 'sessions.resume-audits', everyMs: LOOK_MS, run: () => this.resume() });
    this.jobs.register({
      kind: JOB_KIND,
      run: async ({ input }) => {
        await this.runner.run(String(input.audit_id), false);
        // How it ended is in the audit's own row by now.
        return () => Promise.resolve();
      },
    });
  }

  /** Has a worker run it; joins the open transaction. */
  async send({ id, sessionUid }: Audit, userId: string): Promise<void> {
    await this.jobs.request({ kind: JOB_KIND, sessionUid, userId, input: { audit_id: id } });
  }

  /** Takes up what nobody runs; does not wait for its end, because other periodic tasks want their turn. */
  private async resume(): Promise<void> {
    const room = Math.max(0, AT_ONCE - this.runner.load);
    for (const id of await this.audits.findFree(room)) this.start(id);
  }

  private start(id: string): void {
    this.runner
      .run(id, false)
      .catch((error: unknown) => this.log.error({ msg: 'audit stopped; it is begun again', audit: id, err: error }));
  }
}
