import { InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job, Queue } from 'bullmq';
import { StorageQuota } from '#accounts';
import { AppConfig } from '#platform';
import { GitRunner } from './runner/git-runner.js';
import { RefProjector } from './ref-projector.js';
import { type Repo, storedItemOf } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { ReposRepository } from './repos.repository.js';
import { sweepLeftovers } from './runner/leftovers.js';
import { sweepQuarantines } from './runner/quarantine.js';

export const MAINTENANCE_QUEUE = 'repos.maintain';
const QUARANTINE_AGE_MS = 24 * 3_600_000;

export interface MaintainRepo {
  readonly repoId: string;
}

/** Asks for maintenance of a repository; a request that is already waiting is not doubled. */
@Injectable()
export class MaintenanceQueue {
  private readonly log = new Logger(MaintenanceQueue.name);

  constructor(@InjectQueue(MAINTENANCE_QUEUE) private readonly queue: Queue<MaintainRepo>) {}

  request(repo: Repo): void {
    // Maintenance is an optimisation: a queue that cannot be reached must not fail the commit that asked.
    this.queue
      .add('repos.maintain', { repoId: repo.id }, { deduplication: { id: repo.id }, removeOnComplete: true })
      .catch((error: unknown) => this.log.warn({ msg: 'maintenance could not be queued', repo: repo.id, err: error }));
  }
}

/** Rolls a repository's packs up (git-engine §6) and removes what crashed pushes left. Idempotent. */
@Processor(MAINTENANCE_QUEUE, { concurrency: 1, autorun: false })
export class MaintenanceJobs extends WorkerHost implements OnApplicationBootstrap {
  private readonly log = new Logger(MaintenanceJobs.name);

  constructor(
    private readonly repos: ReposRepository,
    private readonly storage: RepoStorage,
    private readonly projector: RefProjector,
    private readonly runner: GitRunner,
    private readonly quota: StorageQuota,
    private readonly config: AppConfig,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    if (this.config.APP_MODE === 'api') return;
    this.worker.run().catch((error: unknown) => this.log.error({ msg: 'the job worker stopped', err: error }));
  }

  async process(job: Job<MaintainRepo>): Promise<void> {
    const repo = await this.repos.findById(job.data.repoId);
    if (!repo) return;
    // Repacking decides by the refs on disk what is reachable.
    await this.projector.rewrite(repo.id);
    const directory = this.storage.directoryOf(repo);
    // First, because a lock of a killed git would make this one fail.
    const swept = await sweepLeftovers(directory, Date.now());
    const result = await this.runner.maintenance({ repo: directory, kind: 'geometric' });
    const { packBytes } = await this.runner.countObjects({ repo: directory });
    // Repacking makes it smaller than the sum of what was written.
    await this.quota.measure(repo.accountId, storedItemOf(repo), packBytes);
    const quarantines = await sweepQuarantines(directory, QUARANTINE_AGE_MS, Date.now());
    this.log.log({ msg: 'repository maintained', repo: repo.id, swept: swept + quarantines, result });
  }
}
