import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequireAdmin } from '../access/access-rule.js';
import { Caller } from '../access/caller.js';
import type { Principal } from '../access/principal.js';
import { ApiFailures } from '../http/api-failures.js';
import { ApiPageQuery } from '../http/keyset.js';
import {
  ApiAdminFailedJobs,
  ApiAdminFailedJobsQuery,
  ApiAdminQueues,
  ApiAdminRetriedJob,
} from './api-admin-operations.dto.js';
import { JobQueues } from './job-queues.js';
import { type MaintenanceReport, MaintenanceReports } from './maintenance-reports.js';

/** What a running server has to do, and what it could not do. */
@ApiTags('Administration')
@Controller('api/v1/admin')
export class ApiAdminOperationsController {
  constructor(
    private readonly jobs: JobQueues,
    private readonly maintenance: MaintenanceReports,
  ) {}

  /** Every queue with its jobs by state, and when its repeating jobs run. */
  @Get('jobs')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListQueues', summary: 'Job queues' })
  @ApiOkResponse({ type: ApiAdminQueues })
  async listQueues(): Promise<ApiAdminQueues> {
    return ApiAdminQueues.from(await this.jobs.list());
  }

  /** Jobs that failed for good, the latest first; kept for 30 days. Paged by number. */
  @Get('jobs/failed')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListFailedJobs', summary: 'Failed jobs' })
  @ApiOkResponse({ type: ApiAdminFailedJobs })
  async listFailed(@Query() query: ApiAdminFailedJobsQuery): Promise<ApiAdminFailedJobs> {
    const page = ApiPageQuery.toPage(query, []);
    return ApiAdminFailedJobs.from(await this.jobs.listFailed(query.queue ?? null, page.offset, page.size), page);
  }

  /** Puts a failed job back in line. */
  @Post('jobs/:queue/:job_id/retry')
  @RequireAdmin()
  @HttpCode(200)
  @ApiOperation({ operationId: 'adminRetryJob', summary: 'Try a failed job again' })
  @ApiOkResponse({ type: ApiAdminRetriedJob })
  @ApiFailures({ 409: 'The job has not failed' })
  async retry(
    @Caller() caller: Principal,
    @Param('queue') queue: string,
    @Param('job_id') id: string,
  ): Promise<ApiAdminRetriedJob> {
    await this.jobs.retry(caller, queue, id);
    return { queue, id, status: 'retrying' };
  }

  /** What each part of the server has yet to catch up with. */
  @Get('maintenance')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminGetMaintenance', summary: 'What is behind' })
  @ApiOkResponse({
    schema: {
      type: 'object',
      description: 'By part (`audit`, `mail`, `repositories`, …): counts and times',
      additionalProperties: { type: 'object', additionalProperties: true },
    },
  })
  report(): Promise<Record<string, MaintenanceReport>> {
    return this.maintenance.collect();
  }
}
