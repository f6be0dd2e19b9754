import { type DynamicModule, Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { Clock, SystemClock } from '#kernel';
import { AccessModule } from './access/access.module.js';
import { ApiAdminAuditController } from './audit/api-admin-audit.controller.js';
import { Audit } from './audit/audit.js';
import { AuditLogRepository } from './audit/audit-log.repository.js';
import { AuditSealer } from './audit/audit-sealer.js';
import { AuditSealsRepository } from './audit/audit-seals.repository.js';
import { AuditSigningKey } from './audit/signing-key.js';
import type { AppConfig } from './config/app-config.js';
import { BlobsModule } from './blobs/blobs.module.js';
import { ConfigModule } from './config/config.module.js';
import { DatabaseModule } from './database/database.module.js';
import { EventsModule } from './events/events.module.js';
import { HealthModule } from './health/health.module.js';
import { BodyReader } from './http/body-reader.js';
import { BodyInterceptor } from './http/body.interceptor.js';
import { DialectFilter } from './http/dialect.filter.js';
import { NameResolver } from './http/name-resolver.js';
import { Outbound } from './http/outbound.js';
import { validationPipe } from './http/validation.js';
import { untilNone } from './jobs/batches.js';
import { JobsModule } from './jobs/jobs.module.js';
import { Llm } from './llm/llm.js';
import { PeriodicTasks } from './jobs/periodic-tasks.js';
import { MailModule } from './mail/mail.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { RateBuckets } from './limits/rate-buckets.js';
import { RateCountsRepository } from './limits/rate-counts.repository.js';
import { RateLimits } from './limits/rate-limits.js';
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js';
import { IdempotencyRepository } from './idempotency/idempotency.repository.js';
import { Idempotency } from './idempotency/idempotency.js';
import { StreamedRepeats } from './idempotency/streamed-repeats.js';
import { Sealed } from './secrets/sealed.js';
import { CallUsage } from './usage/call-usage.js';
import { StoredBytes } from './usage/stored-bytes.js';
import { Usage } from './usage/usage.js';
import { UsageReports } from './usage/usage-reports.js';
import { V1UsageController } from './usage/v1-usage.controller.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';

const REPEATS = [Idempotency, StreamedRepeats];

/** Everything a feature stands on. Imported once, by the application. */
@Global()
@Module({})
export class PlatformModule {
  constructor(tasks: PeriodicTasks, records: IdempotencyRepository) {
    const run = (signal: AbortSignal): Promise<number> => untilNone(signal, () => records.sweep());
    tasks.register({ name: 'idempotency.sweep', everyMs: 600_000, run });
  }

  static forRoot(config: AppConfig): DynamicModule {
    return {
      module: PlatformModule,
      imports: [
        ConfigModule.forRoot(config),
        DatabaseModule.forRoot(),
        TelemetryModule.forRoot(),
        JobsModule.forRoot(),
        EventsModule,
        HealthModule,
        BlobsModule,
        AccessModule,
        MailModule,
        OperationsModule,
      ],
      controllers: [ApiAdminAuditController, V1UsageController],
      providers: [
        { provide: Clock, useClass: SystemClock },
        Audit,
        AuditLogRepository,
        AuditSealer,
        AuditSealsRepository,
        AuditSigningKey,
        RateBuckets,
        RateCountsRepository,
        RateLimits,
        CallUsage,
        ...REPEATS,
        IdempotencyRepository,
        BodyReader,
        NameResolver,
        Outbound,
        Llm,
        Sealed,
        StoredBytes,
        Usage,
        UsageReports,
        { provide: APP_FILTER, useClass: DialectFilter },
        { provide: APP_INTERCEPTOR, useClass: BodyInterceptor },
        { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
        { provide: APP_PIPE, useFactory: validationPipe },
      ],
      exports: [
        Clock,
        Audit,
        RateLimits,
        BodyReader,
        ...REPEATS,
        NameResolver,
        Outbound,
        Llm,
        Sealed,
        CallUsage,
        StoredBytes,
        Usage,
        UsageReports,
      ],
    };
  }
}
