import { Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { Job } from 'bullmq';
import { AppConfig, Database, PeriodicTasks } from '#platform';
import { type ModelJob, type ModelJobEffect, problemOf } from './model-job.js';
import { LEASE_SECONDS, ModelJobsRepository } from './model-jobs.repository.js';
import { MODEL_QUEUE, ModelJobs, type ModelJobTicket } from './model-jobs.js';

/** They wait for others nearly all the time. */
const CONCURRENCY = 8;
const SWEEP_MS = 60_000;
const LOST = { code: 'job_lost', message: 'The server stopped several times while it was at work on this' };

/** Runs model jobs in processes that run jobs, and puts in line again what queue or nodes have lost. */
@Processor(MODEL_QUEUE, { concurrency: CONCURRENCY, autorun: false })
export class ModelJobRunner
  extends WorkerHost
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown
{
  private readonly log = new Logger(ModelJobRunner.name);
  private readonly stopping = new AbortController();

  constructor(
    private readonly db: Database,
    private readonly jobs: ModelJobs,
    private readonly repository: ModelJobsRepository,
    private readonly periodic: PeriodicTasks,
    private readonly config: AppConfig,
  ) {
    super();
  }

  onModuleInit(): void {
    this.periodic.register({ name: 'sessions.requeue-model-jobs', everyMs: SWEEP_MS, run: () => this.requeue(false) });
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.config.APP_MODE === 'api') return;
    this.worker.run().catch((error: unknown) => this.log.error({ msg: 'the job worker stopped', err: error }));
    await this.requeue(true);
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort(new Error('The server is shutting down'));
  }

  async process({ data }: Job<ModelJobTicket>): Promise<void> {
    const job = this.stopping.signal.aborted ? null : await this.repository.claim(data.jobId);
    if (!job) return;
    const renewing = setInterval(() => void this.renew(job), (LEASE_SECONDS * 1_000) / 3).unref();
    try {
      await this.settle(job, await this.run(job));
    } catch (error) {
      await this.settleFailure(job, error);
    } finally {
      clearInterval(renewing);
    }
    const next = await this.repository.findWaitingOf(job);
    if (next !== null) await this.jobs.send(next);
  }

  /** Sends jobs that nobody has taken; all of them when the queue may have been lost. */
  private async requeue(every: boolean): Promise<void> {
    await this.repository.reclaim(LOST);
    for (const id of await this.repository.findWaiting(every)) await this.jobs.sendOnce(id);
    await this.repository.sweep();
  }

  private run(job: ModelJob): Promise<ModelJobEffect> {
    const handler = this.jobs.handlerOf(job.kind);
    if (!handler) throw new Error(`This version knows no model job called ${job.kind}`);
    return handler.run(job, this.stopping.signal);
  }

  private settle(job: ModelJob, effect: ModelJobEffect): Promise<void> {
    return this.db.transaction(async () => {
      if (await this.repository.finish(job)) await effect();
      else this.log.warn({ msg: 'a model job was lost to another node', job: job.id, kind: job.kind });
    });
  }

  private async settleFailure(job: ModelJob, error: unknown): Promise<void> {
    if (this.stopping.signal.aborted) return this.repository.giveBack(job);
    const problem = problemOf(error);
    const facts = { job: job.id, kind: job.kind, code: problem.code };
    if (problem.code === 'internal') this.log.error({ msg: 'model job failed', ...facts, err: error });
    else this.log.warn({ msg: 'model job failed', ...facts });
    await this.repository.fail(job, problem);
  }

  private async renew(job: ModelJob): Promise<void> {
    try {
      await this.repository.renew(job);
    } catch (error) {
      this.log.warn({ msg: 'the lease of a model job could not be renewed', job: job.id, err: error });
    }
  }
}
