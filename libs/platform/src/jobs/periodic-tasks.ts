import { setTimeout } from 'node:timers/promises';
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { AppConfig } from '../config/app-config.js';

export const PERIODIC_QUEUE = 'platform.periodic';
/** Its round is its next try, so none is repeated sooner; what failed is kept for administrators to see. */
const JOB_OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: { age: 30 * 86_400, count: 1_000 } };
const TRIES = 3;

/** Work that comes again and again in a deployment. */
export interface PeriodicTask {
  /** `resource.do-thing`, as administrators see it. */
  readonly name: string;
  readonly everyMs: number;
  /** Idempotent: a crash, or an administrator, may have it run twice. Long work looks at `signal` between its steps. */
  run(signal: AbortSignal): Promise<unknown>;
}

/**
 * What repeats, and when. Each lib registers its tasks while it is built; processes that run jobs schedule them once
 * the application starts, and each round of a task runs on one of them.
 */
@Injectable()
export class PeriodicTasks implements OnApplicationBootstrap {
  private readonly log = new Logger(PeriodicTasks.name);
  private readonly tasks = new Map<string, PeriodicTask>();

  constructor(
    @InjectQueue(PERIODIC_QUEUE) private readonly queue: Queue,
    private readonly config: AppConfig,
  ) {}

  register(task: PeriodicTask): void {
    if (this.tasks.has(task.name)) throw new Error(`Two periodic tasks are called ${task.name}`);
    this.tasks.set(task.name, task);
  }

  get(name: string): PeriodicTask | undefined {
    return this.tasks.get(name);
  }

  /** One round here and now, whatever the schedule says; for tests. Answers what the task answers. */
  async runNow(name: string): Promise<unknown> {
    const task = this.tasks.get(name);
    if (!task) throw new Error(`No periodic task is called ${name}`);
    return task.run(new AbortController().signal);
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.config.APP_MODE === 'api') return;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.schedule();
      } catch (error) {
        // Two processes that start on an empty store may write the same row; the second then finds it.
        if (attempt === TRIES) throw error;
        this.log.debug({ msg: 'periodic tasks could not be scheduled; trying again', err: error });
        await setTimeout(100 * attempt);
      }
    }
  }

  /** Only what differs is written, so that a start costs one read and shifts no round. */
  private async schedule(): Promise<void> {
    const known = new Map((await this.queue.getJobSchedulers()).map((scheduler) => [scheduler.key, scheduler]));
    for (const { name, everyMs } of this.tasks.values()) {
      if (known.get(name)?.every === everyMs) continue;
      await this.queue.upsertJobScheduler(name, { every: everyMs }, { name, opts: JOB_OPTIONS });
    }
    for (const name of known.keys()) if (!this.tasks.has(name)) await this.queue.removeJobScheduler(name);
  }
}
