import { Injectable, type Provider } from '@nestjs/common';
import { PeriodicTasks } from '#platform';
import { AdminSessionsRepository } from './admin-sessions.repository.js';
import { AdminSessionsService } from './admin-sessions.service.js';
import { PurgeService } from './purge.service.js';
import { PurgesRepository } from './purges.repository.js';
import { RetentionRepository } from './retention.repository.js';
import { RetentionService } from './retention.service.js';

const HOUR_MS = 3_600_000;

@Injectable()
class UpkeepTasks {
  constructor(tasks: PeriodicTasks, purges: PurgeService, retention: RetentionService) {
    tasks.register({ name: 'sessions.purge', everyMs: HOUR_MS, run: (signal) => purges.purgeAsJob(signal) });
    tasks.register({ name: 'sessions.prune', everyMs: 6 * HOUR_MS, run: (signal) => retention.prune(signal) });
  }
}

/** What keeps captured sessions in bounds: purging, retention, administration. */
export const UPKEEP_PROVIDERS: Provider[] = [
  AdminSessionsRepository,
  AdminSessionsService,
  PurgeService,
  PurgesRepository,
  RetentionRepository,
  RetentionService,
  UpkeepTasks,
];
