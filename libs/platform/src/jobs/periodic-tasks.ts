import { setTimeout as pause } from 'node:timers/promises';
import { InjectQueue } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { AppConfig } from '../config/app-config.js';

export const PERIODIC_QUEUE = 'platform.periodic';
/** Its round is its next try, so none is repeated sooner; what failed is kept for administrators to see. */
const JOB_OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: { age: 30 * 86_400, count: 1_000 } };
const TRIES = 3;
const CHECK_MS = 600_000;
/** The next round stands in the future from the moment one begins; one so far in the past was lost. */
const LATE_MS = 60_000;

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
export class PeriodicTasks implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(PeriodicTasks.name);
  private readonly tasks = new Map<string, PeriodicTask>();
  private timer: NodeJS.Timeout | undefined;

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
        await this.schedule();
        await this.forgetUnknown();
        break;
      } catch (error) {
        // Two processes that start on an empty store may write the same row; the second then finds it.
        if (attempt === TRIES) throw error;
        this.log.debug({ msg: 'periodic tasks could not be scheduled; trying again', err: error });
        await pause(100 * attempt);
      }
    }
    // A round is scheduled by the one before: one whose process died twice would be the last.
    this.timer = setInterval(() => {
      this.schedule().catch((error: unknown) => this.log.warn({ msg: 'schedules could not be checked', err: error }));
    }, CHECK_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Schedules what is not, or has stopped. What is in order is left alone: a start only reads and shifts no round. */
  async schedule(): Promise<void> {
    const late = Date.now() - LATE_MS;
    const known = new Map((await this.queue.getJobSchedulers()).map((scheduler) => [scheduler.key, scheduler]));
    for (const { name, everyMs } of this.tasks.values()) {
      const scheduled = known.get(name);
      if (scheduled?.every === everyMs && (scheduled.next ?? 0) > late) continue;
      await this.queue.upsertJobScheduler(name, { every: everyMs }, { name, opts: JOB_OPTIONS });
    }
  }

  /** Only at start: an old process beside new ones does not know their tasks. */
  private async forgetUnknown(): Promise<void> {
    for (const { key } of await this.queue.getJobSchedulers()) {
      if (!this.tasks.has(key)) await this.queue.removeJobScheduler(key);
    }
  }
}
