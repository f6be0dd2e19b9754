import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { RequireAdmin, SessionCounts } from '#platform';
import { AdminUsersRepository } from './admin-users.repository.js';

const COUNTS = { type: 'object', additionalProperties: { type: 'integer' } } as const;

class ApiUserStats {
  @ApiProperty() total!: number;
  @ApiProperty() verified!: number;
  @ApiProperty(COUNTS) by_tier!: Record<string, number>;
}

class ApiSessionStats {
  @ApiProperty() total!: number;
  @ApiProperty() total_size_bytes!: number;
  @ApiProperty(COUNTS) by_tool!: Record<string, number>;
}

class ApiHandoffStats {
  @ApiProperty() total!: number;
  @ApiProperty() pending!: number;
  @ApiProperty() claimed!: number;
}

class ApiStorageStats {
  @ApiProperty() total_bytes!: number;
  @ApiProperty() blob_count!: number;
}

export class ApiAdminStats {
  @ApiProperty() users!: ApiUserStats;
  @ApiProperty() sessions!: ApiSessionStats;
  @ApiProperty() handoffs!: ApiHandoffStats;
  @ApiProperty() storage!: ApiStorageStats;
}

/** Numbers about the whole server (sessionfs-2.md §15). */
@ApiTags('Administration')
@Controller('api/v1/admin/stats')
export class ApiAdminStatsController {
  constructor(
    private readonly users: AdminUsersRepository,
    private readonly sessions: SessionCounts,
  ) {}

  /** Active users count, and sessions outside of the trash. */
  @Get()
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminGetStats', summary: 'Statistics' })
  @ApiOkResponse({ type: ApiAdminStats })
  async get(): Promise<ApiAdminStats> {
    const { total, verified, byTier, storedBytes, storedItems } = await this.users.stats();
    const sessions = await this.sessions.totals();
    return {
      users: { total, verified, by_tier: byTier },
      sessions: { total: sessions.total, total_size_bytes: sessions.bytes, by_tool: { ...sessions.byTool } },
      handoffs: await this.sessions.handoffs(),
      storage: { total_bytes: storedBytes, blob_count: storedItems },
    };
  }
}
