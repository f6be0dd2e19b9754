import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { createPostgresBackend, setDefaultBackendFactory } from 'bullmq';
import { AppConfig } from '../config/app-config.js';
import { PeriodicJobs } from './periodic.jobs.js';
import { PERIODIC_QUEUE, PeriodicTasks } from './periodic-tasks.js';

/** PostgreSQL schema that holds the queues when no Redis is configured; migrated by `roundhouse migrate`. */
export const JOBS_SCHEMA = 'jobs';

/** Durable jobs on BullMQ: PostgreSQL by default, Redis when REDIS_URL is set. Handlers are idempotent. */
@Global()
@Module({})
export class JobsModule {
  static forRoot(): DynamicModule {
    return {
      module: JobsModule,
      imports: [
        BullModule.forRootAsync({ inject: [AppConfig], useFactory: (config: AppConfig) => queueOptions(config) }),
        BullModule.registerQueue({ name: PERIODIC_QUEUE }),
      ],
      providers: [PeriodicTasks, PeriodicJobs],
      exports: [BullModule, PeriodicTasks],
    };
  }
}

function queueOptions(config: AppConfig) {
  const defaultJobOptions = {
    attempts: 5,
    backoff: { type: 'exponential', delay: 2_000 },
    removeOnComplete: { age: 86_400, count: 1_000 },
    removeOnFail: { age: 30 * 86_400 },
  };
  if (config.REDIS_URL) {
    setDefaultBackendFactory();
    return { connection: { url: config.REDIS_URL }, defaultJobOptions };
  }
  setDefaultBackendFactory(createPostgresBackend as never);
  const connection = { connectionString: config.DATABASE_URL, schema: JOBS_SCHEMA, migrate: false, max: 4 };
  return { connection: connection as never, defaultJobOptions };
}
