import { Injectable } from '@nestjs/common';
import { InjectQueue } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { Database, type MaintenanceReport, MaintenanceReports } from '#platform';
import { MAINTENANCE_QUEUE } from './maintenance.jobs.js';

/** Tells administrators what repositories wait for. */
@Injectable()
export class ReposReport {
  constructor(
    reports: MaintenanceReports,
    private readonly db: Database,
    @InjectQueue(MAINTENANCE_QUEUE) private readonly queue: Queue,
  ) {
    reports.add('repositories', () => this.report());
  }

  private async report(): Promise<MaintenanceReport> {
    const [refs] = await this.db.query<{ behind: number; oldest: Date | null }>(
      'select count(*)::integer as behind, min(enqueued_at) as oldest from ref_sync',
    );
    return {
      waiting_for_repack: await this.queue.getJobCountByTypes('waiting', 'active', 'delayed'),
      refs_not_on_disk: refs?.behind ?? 0,
      oldest_ref_change_at: refs?.oldest?.toISOString() ?? null,
    };
  }
}
