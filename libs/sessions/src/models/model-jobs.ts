import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger } from '@nestjs/common';
import type { JobsOptions, Queue } from 'bullmq';
import { Database } from '#platform';
import type { ModelJob, ModelJobHandler, ModelJobRequest } from './model-job.js';
import { ModelJobsRepository } from './model-jobs.repository.js';

export const MODEL_QUEUE = 'sessions.model';

/** What the queue carries; the row is the truth. */
export interface ModelJobTicket {
  readonly jobId: string;
}

/** One try each: tries are counted in the row. */
const JOB_OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: true };

/**
 * Jobs that ask language models. For a session one of a kind runs, and one may wait; whoever asks again while it waits
 * gets that one, with the newer input. Kinds register their handlers in `onModuleInit`.
 */
@Injectable()
export class ModelJobs {
  private readonly log = new Logger(ModelJobs.name);
  private readonly handlers = new Map<string, ModelJobHandler>();

  constructor(
    @InjectQueue(MODEL_QUEUE) private readonly queue: Queue<ModelJobTicket>,
    private readonly db: Database,
    private readonly repository: ModelJobsRepository,
  ) {}

  register(handler: ModelJobHandler): void {
    if (this.handlers.has(handler.kind)) throw new Error(`Two handlers of model jobs are for ${handler.kind}`);
    this.handlers.set(handler.kind, handler);
  }

  handlerOf(kind: string): ModelJobHandler | undefined {
    return this.handlers.get(kind);
  }

  /** Puts a job in line; joins the open transaction, and begins after its commit. */
  async request(request: ModelJobRequest): Promise<ModelJob> {
    const job = await this.repository.insert(request);
    await this.db.afterCommit(() => this.send(job.id));
    return job;
  }

  /** Wakes a worker. What cannot be sent now is sent by the next sweep. */
  async send(jobId: string): Promise<void> {
    await this.add(jobId, JOB_OPTIONS);
  }

  /** As `send`, unless the queue has it: sweeps come again and again. */
  async sendOnce(jobId: string): Promise<void> {
    await this.add(jobId, { ...JOB_OPTIONS, jobId });
  }

  private async add(jobId: string, options: JobsOptions): Promise<void> {
    try {
      await this.queue.add('sessions.ask-model', { jobId }, options);
    } catch (error) {
      this.log.warn({ msg: 'a model job could not be queued; it will be', job: jobId, err: error });
    }
  }
}
