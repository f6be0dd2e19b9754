import { Injectable } from '@nestjs/common';
import { AuditSealsRepository } from '../audit/audit-seals.repository.js';
import { MailOutboxRepository } from '../mail/mail-outbox.repository.js';
import { MaintenanceReports } from './maintenance-reports.js';

/** What the platform itself may be behind with. */
@Injectable()
export class OwnReports {
  constructor(reports: MaintenanceReports, seals: AuditSealsRepository, outbox: MailOutboxRepository) {
    reports.add('audit', async () => {
      const { sealed, unsealed, oldestUnsealedAt } = await seals.lag();
      return { sealed, unsealed, oldest_unsealed_at: oldestUnsealedAt?.toISOString() ?? null };
    });
    reports.add('mail', async () => {
      const { waiting, failed, oldestSeconds } = await outbox.counts();
      return { waiting, failed, oldest_waiting_seconds: Math.round(oldestSeconds) };
    });
  }
}
