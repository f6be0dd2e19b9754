import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { AuditSealsRepository } from '../audit/audit-seals.repository.js';
import { MailOutboxRepository } from '../mail/mail-outbox.repository.js';
import { ApiAdminOperationsController } from './api-admin-operations.controller.js';
import { JobQueues } from './job-queues.js';
import { MaintenanceReports } from './maintenance-reports.js';
import { OwnReports } from './own-reports.js';

/** What administrators see of a running server. Global: every lib reports what it may be behind with. */
@Global()
@Module({
  imports: [DiscoveryModule],
  controllers: [ApiAdminOperationsController],
  providers: [AuditSealsRepository, JobQueues, MailOutboxRepository, MaintenanceReports, OwnReports],
  exports: [MaintenanceReports],
})
export class OperationsModule {}
