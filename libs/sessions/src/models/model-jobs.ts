import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { Database, Sealed, type SealedFor } from '#platform';
import type { ModelJob, ModelJobHandler, ModelJobRequest } from './model-job.js';
import { ModelJobsRepository } from './model-jobs.repository.js';

export const MODEL_QUEUE = 'sessions.model';

/** What the queue carries; the row is the truth. */
export interface ModelJobTicket {
  readonly jobId: string;
}

/** One try each: tries are counted in the row. */
const JOB_OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: true };

const keyOf = (sessionUid: string): SealedFor => ({ purpose: 'model job key', owner: sessionUid });

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
    private readonly sealed: Sealed,
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
    const sealedKey = request.apiKey ? this.sealed.seal(request.apiKey, keyOf(request.sessionUid)) : null;
    const job = await this.repository.insert(request, sealedKey);
    await this.db.afterCommit(() => this.send(job.id));
    return job;
  }

  /** The newest of a session; null when there was none within 30 days. */
  latest(sessionUid: string, kind: string): Promise<ModelJob | null> {
    return this.repository.findLatest(sessionUid, kind);
  }

  /** The key that came with the request. Errors: `conflict` (`secret_unreadable`). */
  keyOf({ sealedKey, sessionUid }: ModelJob): string | null {
    return sealedKey && this.sealed.open(sealedKey, keyOf(sessionUid));
  }

  /** Wakes a worker. What cannot be sent now is sent by the next sweep. */
  async send(jobId: string): Promise<void> {
    try {
      await this.queue.add('sessions.ask-model', { jobId }, { ...JOB_OPTIONS, jobId });
    } catch (error) {
      this.log.warn({ msg: 'a model job could not be queued; it will be', job: jobId, err: error });
    }
  }
}
