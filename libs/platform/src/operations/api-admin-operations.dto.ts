import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { ApiPageQuery } from '../http/keyset.js';
import type { FailedJob, QueueState } from './job-queues.js';

class ApiAdminSchedule {
  @ApiProperty() name!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_at!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) next_at!: string | null;
}

class ApiAdminQueue {
  @ApiProperty() name!: string;
  @ApiProperty({
    description: 'Jobs by state: waiting, active, delayed, failed, completed, …',
    type: 'object',
    additionalProperties: { type: 'integer' },
  })
  counts!: Record<string, number>;
  @ApiProperty({ type: [ApiAdminSchedule] }) schedules!: ApiAdminSchedule[];
}

export class ApiAdminQueues {
  @ApiProperty({ type: [ApiAdminQueue] }) queues!: ApiAdminQueue[];

  static from(states: readonly QueueState[]): ApiAdminQueues {
    return {
      queues: states.map(({ name, counts, schedules }) => ({
        name,
        counts: { ...counts },
        schedules: schedules.map((schedule) => ({
          name: schedule.name,
          last_at: schedule.lastAt?.toISOString() ?? null,
          next_at: schedule.nextAt?.toISOString() ?? null,
        })),
      })),
    };
  }
}

export class ApiAdminFailedJobsQuery extends ApiPageQuery {
  @ApiPropertyOptional({ description: 'Only this queue' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  queue?: string;
}

class ApiAdminFailedJob {
  @ApiProperty() queue!: string;
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ description: 'What the job was asked: ids and facts', type: 'object', additionalProperties: true })
  data!: unknown;
  @ApiProperty() failed_reason!: string;
  @ApiProperty() attempts!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) failed_at!: string | null;
}

export class ApiAdminFailedJobs {
  @ApiProperty() total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty({ type: [ApiAdminFailedJob] }) jobs!: ApiAdminFailedJob[];

  static from(
    { jobs, total }: { jobs: readonly FailedJob[]; total: number },
    page: { number: number; size: number },
  ): ApiAdminFailedJobs {
    return {
      total,
      page: page.number,
      page_size: page.size,
      jobs: jobs.map(({ queue, id, name, data, reason, attempts, createdAt, failedAt }) => ({
        ...{ queue, id, name, data, failed_reason: reason, attempts },
        created_at: createdAt.toISOString(),
        failed_at: failedAt?.toISOString() ?? null,
      })),
    };
  }
}

export class ApiAdminRetriedJob {
  @ApiProperty() queue!: string;
  @ApiProperty() id!: string;
  @ApiProperty({ enum: ['retrying'] }) status!: string;
}
