import { Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { type Job, Queue } from 'bullmq';
import { DomainError } from '#kernel';
import { Audit } from '../audit/audit.js';
import type { Principal } from '../access/principal.js';

export interface QueueState {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  /** Of repeating jobs: when the last round began and the next one will. */
  readonly schedules: readonly { name: string; lastAt: Date | null; nextAt: Date | null }[];
}

export interface FailedJob {
  readonly queue: string;
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  readonly reason: string;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly failedAt: Date | null;
}

/** How far back failures can be paged. */
const MOST_FAILED = 10_000;
const JOB_ID = /^[\x21-\x7e]{1,255}$/;

/** Every queue of the application, as administrators see them. */
@Injectable()
export class JobQueues {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly audit: Audit,
  ) {}

  /** By name. */
  async list(): Promise<QueueState[]> {
    const states: QueueState[] = [];
    for (const queue of this.queues()) {
      const schedules = await queue.getJobSchedulers(0, 99);
      states.push({
        name: queue.name,
        counts: await queue.getJobCounts(),
        schedules: schedules.map(({ key, every, next }) => ({
          name: key,
          lastAt: next && every ? new Date(next - every) : null,
          nextAt: next ? new Date(next) : null,
        })),
      });
    }
    return states;
  }

  /** The latest first, of one queue or of all. Errors: `not_found` for an unknown queue. */
  async listFailed(
    queueName: string | null,
    offset: number,
    size: number,
  ): Promise<{ jobs: FailedJob[]; total: number }> {
    const queues = queueName === null ? this.queues() : [this.queue(queueName)];
    const wanted = Math.min(offset + size, MOST_FAILED);
    const jobs: FailedJob[] = [];
    let total = 0;
    for (const queue of queues) {
      total += await queue.getFailedCount();
      jobs.push(...(await queue.getFailed(0, wanted - 1)).map((job) => describe(queue.name, job)));
    }
    jobs.sort((a, b) => (b.failedAt?.getTime() ?? 0) - (a.failedAt?.getTime() ?? 0));
    return { jobs: jobs.slice(offset, wanted), total };
  }

  /** Puts a failed job back in line. Errors: `not_found`; `conflict` when it has not failed. */
  async retry(caller: Principal, queueName: string, jobId: string): Promise<void> {
    const queue = this.queue(queueName);
    const job = JOB_ID.test(jobId) ? await queue.getJob(jobId) : undefined;
    if (!job) throw new DomainError('not_found', 'Job not found');
    if (!(await job.isFailed())) throw new DomainError('conflict', 'Only a failed job can be tried again');
    // First the row: a retry that could not be recorded does not happen, one that did not happen may be recorded.
    await this.audit.record(caller, 'retry_job', { accountId: null, kind: 'job', id: `${queueName}/${jobId}` });
    await job.retry('failed');
  }

  private queues(): Queue[] {
    const queues = this.discovery
      .getProviders()
      .map(({ instance }) => instance as unknown)
      .filter((instance): instance is Queue => instance instanceof Queue);
    return [...new Set(queues)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private queue(name: string): Queue {
    const queue = this.queues().find((known) => known.name === name);
    if (!queue) throw new DomainError('not_found', 'Queue not found');
    return queue;
  }
}

function describe(queue: string, job: Job): FailedJob {
  return {
    queue,
    id: job.id ?? '',
    name: job.name,
    data: job.data as unknown,
    reason: job.failedReason ?? '',
    attempts: job.attemptsMade,
    createdAt: new Date(job.timestamp),
    failedAt: job.finishedOn === undefined ? null : new Date(job.finishedOn),
  };
}
