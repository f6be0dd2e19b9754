import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, PeriodicTasks, untilNone } from '#platform';
import { TurnKeysRepository } from './turn-keys.repository.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BATCH = 500;

/** Forgets what no session keeps: responses without one, keys and counters whose time is over. */
@Injectable()
export class AgentRunSweep implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly keys: TurnKeysRepository,
    private readonly tasks: PeriodicTasks,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const run = (signal: AbortSignal): Promise<number> => untilNone(signal, () => this.sweep());
    this.tasks.register({ name: 'agent-runs.sweep', everyMs: HOUR_MS, run });
  }

  private async sweep(): Promise<number> {
    const now = this.clock.now();
    const runs = await this.db.query(
      `delete from agent_run where id in (
         select id from agent_run where sandbox_id is null and ended_at is not null and created_at < $1 limit $2)
       returning 1`,
      [new Date(now - DAY_MS), BATCH],
    );
    await this.db.query('delete from agent_usage where hour < $1', [new Date(now - 2 * DAY_MS)]);
    return runs.length + (await this.keys.sweep(new Date(now)));
  }
}
