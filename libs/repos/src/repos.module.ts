import { resolve } from 'node:path';
import { BullModule } from '@nestjs/bullmq';
import { Global, Logger, Module, type OnApplicationShutdown, type Provider } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountsModule } from '#accounts';
import { parseFault } from '#kernel';
import { AppConfig, PeriodicTasks, RefFiles } from '#platform';
import { BranchTurns } from './branch-turns.js';
import { CommitGroups } from './commit-groups.js';
import { CommitPublisher } from './commit-publisher.js';
import { CommitWriter } from './commit-request/commit-writer.js';
import { CommitsService } from './commits.service.js';
import { FilesService } from './files.service.js';
import { FetchService } from './git-http/fetch.service.js';
import { GitReposService } from './git-http/git-repos.service.js';
import { PushPublisher } from './git-http/push-publisher.js';
import { PushService } from './git-http/push.service.js';
import { GitHttpController } from './http/git-http.controller.js';
import { RepoUrls } from './http/repo-urls.js';
import { V1CommitsController } from './http/v1-commits.controller.js';
import { V1FilesController } from './http/v1-files.controller.js';
import { V1RefsController } from './http/v1-refs.controller.js';
import { V1ReposController } from './http/v1-repos.controller.js';
import { MaintenanceCounter } from './maintenance-counter.js';
import { MAINTENANCE_QUEUE, MaintenanceJobs, MaintenanceQueue } from './maintenance.jobs.js';
import { RefProjector } from './ref-projector.js';
import { RefResolver } from './ref-resolver.js';
import { RefsRepository } from './refs.repository.js';
import { RefsService } from './refs.service.js';
import { RefWriter } from './ref-writer.js';
import { RepoEntity } from './repo.entity.js';
import { RepoCheckouts } from './repo-checkouts.js';
import { RepoCreation } from './repo-creation.js';
import { RepoHoldings } from './repo-holdings.js';
import { RepoGrowth } from './repo-growth.js';
import { RepoJournal } from './repo-journal.js';
import { RepoQuota } from './repo-quota.js';
import { repoRoot, RepoStorage } from './repo-storage.js';
import { RepoSweeper } from './repo-sweeper.js';
import { ReposReport } from './repos-report.js';
import { ReposRepository } from './repos.repository.js';
import { ReposService } from './repos.service.js';
import { GitRunner } from './runner/git-runner.js';
import { writeTrustedCertificates } from './runner/trusted-certificates.js';
import { GitStore } from './store/git-store.js';
import { StorePool } from './store/store-pool.js';

const ENGINE: Provider[] = [
  {
    provide: StorePool,
    inject: [AppConfig],
    useFactory: (config: AppConfig) => {
      const log = new Logger('ObjectStore');
      return new StorePool({
        ...(config.STORE_WORKERS !== undefined && { workers: config.STORE_WORKERS }),
        ...(config.FAULT_POINT !== undefined && { faultPoint: parseFault(config.FAULT_POINT) }),
        onCrash: (operation, stack) => log.error({ msg: 'store operation failed', operation, stack }),
      });
    },
  },
  { provide: GitStore, inject: [StorePool], useFactory: (pool: StorePool) => new GitStore(pool) },
  { provide: CommitWriter, inject: [StorePool], useFactory: (pool: StorePool) => new CommitWriter(pool) },
  {
    provide: GitRunner,
    inject: [AppConfig],
    useFactory: async (config: AppConfig) => {
      const caFile = await writeTrustedCertificates(config);
      return GitRunner.start({
        root: repoRoot(config),
        workspaces: resolve(config.DATA_DIR, 'workspaces'),
        ...(caFile !== null && { caFile }),
        ...(config.FAULT_POINT !== undefined && { fault: config.FAULT_POINT }),
      });
    },
  },
];

const SWEEP_MS = 6 * 3_600_000;

/** Git: repositories, refs, commits, files, and the two engines below them. Global, because it implements RefFiles. */
@Global()
@Module({
  imports: [
    AccountsModule,
    TypeOrmModule.forFeature([RepoEntity]),
    BullModule.registerQueue({ name: MAINTENANCE_QUEUE }),
  ],
  controllers: [V1ReposController, V1CommitsController, V1RefsController, V1FilesController, GitHttpController],
  providers: [
    ...ENGINE,
    BranchTurns,
    CommitGroups,
    CommitPublisher,
    CommitsService,
    FetchService,
    FilesService,
    GitReposService,
    MaintenanceCounter,
    MaintenanceJobs,
    MaintenanceQueue,
    PushPublisher,
    PushService,
    RefProjector,
    { provide: RefFiles, useExisting: RefProjector },
    RefResolver,
    RefsRepository,
    RefsService,
    RefWriter,
    RepoCheckouts,
    RepoCreation,
    RepoGrowth,
    RepoHoldings,
    RepoJournal,
    ReposReport,
    RepoQuota,
    RepoStorage,
    ReposRepository,
    ReposService,
    RepoUrls,
    RepoSweeper,
  ],
  exports: [RefFiles, RepoCheckouts, RepoCreation, ReposService],
})
export class ReposModule implements OnApplicationShutdown {
  constructor(
    private readonly pool: StorePool,
    private readonly runner: GitRunner,
    tasks: PeriodicTasks,
    sweeper: RepoSweeper,
  ) {
    tasks.register({ name: 'repos.sweep', everyMs: SWEEP_MS, run: (signal) => sweeper.sweep(signal) });
  }

  /** Last of all: whatever still runs may need the engines. */
  async onApplicationShutdown(): Promise<void> {
    await this.runner.close();
    await this.pool.close();
  }
}
