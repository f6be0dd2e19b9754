import { InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job, Queue } from 'bullmq';
import { AppConfig } from '../config/app-config.js';
import { Metrics } from '../telemetry/metrics.js';
import { PERIODIC_QUEUE, PeriodicTasks } from './periodic-tasks.js';

/** So that a sweep of an hour does not hold up what is done every minute. */
const CONCURRENCY = 3;

/** Runs the rounds of periodic tasks in processes that run jobs: at most one round of a task at a time. */
@Processor(PERIODIC_QUEUE, { concurrency: CONCURRENCY, autorun: false })
export class PeriodicJobs extends WorkerHost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(PeriodicJobs.name);
  private readonly stopping = new AbortController();
  /** Commands that work without a server build the application and never start it. */
  private isStarted = false;

  constructor(
    @InjectQueue(PERIODIC_QUEUE) private readonly queue: Queue,
    private readonly tasks: PeriodicTasks,
    private readonly metrics: Metrics,
    private readonly config: AppConfig,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.isStarted = true;
    if (this.config.APP_MODE === 'api') return;
    this.worker.run().catch((error: unknown) => this.log.error({ msg: 'the job worker stopped', err: error }));
  }

  /** Before queues are closed: a round that begins asks its queue, and would wait for a closed one for ever. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    if (this.isStarted) await this.worker.close();
  }

  async process(job: Job): Promise<void> {
    const task = this.tasks.get(job.name);
    if (!task) throw new Error(`This version knows no periodic task called ${job.name}`);
    if (await this.isRunningElsewhere(job)) return this.count(task.name, 'skipped');
    try {
      await task.run(this.stopping.signal);
    } catch (error) {
      this.count(task.name, 'failed');
      this.log.error({ msg: 'periodic task failed', task: task.name, err: error });
      throw error;
    }
    this.count(task.name, 'done');
  }

  /** A round that lasts longer than its interval is not overtaken. Jobs of dead processes do not stay active. */
  private async isRunningElsewhere(job: Job): Promise<boolean> {
    const active = await this.queue.getActive();
    return active.some(({ name, id }) => name === job.name && id !== job.id);
  }

  private count(task: string, outcome: 'done' | 'failed' | 'skipped'): void {
    this.metrics.periodicRounds.inc({ task, outcome });
  }
}
