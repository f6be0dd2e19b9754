import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { UserOnly } from '../access/access-rule.js';
import { Caller } from '../access/caller.js';
import type { Principal } from '../access/principal.js';
import { StoredBytes } from './stored-bytes.js';
import { Usage } from './usage.js';
import { UsageReports } from './usage-reports.js';
import { V1Usage, V1UsageQuery } from './v1-usage.dto.js';

@ApiTags('Usage')
@Controller('v1/usage')
export class V1UsageController {
  constructor(
    private readonly usage: Usage,
    private readonly stored: StoredBytes,
    private readonly reports: UsageReports,
  ) {}

  /** What the account used in a month (coregit.md §22.1), and what it may use now (sandbox-sessions.md §B7). */
  @Get()
  @UserOnly()
  @ApiOperation({ operationId: 'getUsage', summary: 'Usage of a month' })
  @ApiOkResponse({ type: V1Usage })
  async get(@Caller() caller: Principal, @Query() query: V1UsageQuery): Promise<V1Usage> {
    const period = query.period ?? this.usage.currentMonth();
    const isPresent = period === this.usage.currentMonth();
    const stored = isPresent ? await this.stored.usedBy(caller.accountId) : null;
    const usage = V1Usage.from(period, await this.usage.totalsOf(caller.accountId, period), stored);
    return { ...usage, ...(await this.reports.of(caller)) };
  }
}
