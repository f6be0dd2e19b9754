import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, ApiPageQuery, BIGINT_SHAPE, Caller, type Principal, RequireAdmin, UUID_SHAPE } from '#platform';
import { AdminSessionsService } from '../upkeep/admin-sessions.service.js';
import { PurgeService } from '../upkeep/purge.service.js';
import {
  ApiAdminDeleteSessionQuery,
  ApiAdminPurgeBody,
  ApiAdminPurged,
  ApiAdminSessionList,
  ApiAdminSessionsQuery,
} from './api-admin-sessions.dto.js';

/** Longer than this nobody waits for an answer; what is left is the job's. */
const PURGE_MS = 30_000;

/** What platform administrators do with everybody's sessions (sessionfs-2.md §15). */
@ApiTags('Administration')
@Controller('api/v1/admin')
export class ApiAdminSessionsController {
  constructor(
    private readonly sessions: AdminSessionsService,
    private readonly purges: PurgeService,
  ) {}

  /** The look is audited. */
  @Get('sessions')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListSessions', summary: "List and search everybody's captured sessions" })
  @ApiOkResponse({ type: ApiAdminSessionList })
  async list(@Caller() caller: Principal, @Query() query: ApiAdminSessionsQuery): Promise<ApiAdminSessionList> {
    const page = ApiPageQuery.toPage(query, [BIGINT_SHAPE, UUID_SHAPE]);
    const [filter, sort] = [ApiAdminSessionsQuery.toFilter(query), ApiAdminSessionsQuery.toSort(query)];
    return ApiAdminSessionList.from(await this.sessions.list(caller, filter, sort, page), page);
  }

  /** Into its owner's trash. */
  @Delete('sessions/:session_id')
  @RequireAdmin()
  @HttpCode(204)
  @ApiOperation({ operationId: 'adminDeleteSession', summary: "Move anybody's captured session to the trash" })
  @ApiNoContentResponse()
  @ApiFailures({ 409: 'Several users have a session of this id' })
  async trash(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Query() query: ApiAdminDeleteSessionQuery,
  ): Promise<void> {
    await this.sessions.trash(caller, id, query.user_id ?? null);
  }

  /** Deletes for good what has been in the trash for 30 days, or the one session that is named. A job does the same. */
  @Post('purge-deleted')
  @RequireAdmin()
  @HttpCode(200)
  @ApiOperation({ operationId: 'adminPurgeDeleted', summary: 'Purge deleted sessions' })
  @ApiOkResponse({ type: ApiAdminPurged })
  @ApiFailures({ 400: 'No session id', 409: 'Several users have deleted a session of this id' })
  async purge(@Caller() caller: Principal, @Body() body: ApiAdminPurgeBody): Promise<ApiAdminPurged> {
    const one = ApiAdminPurgeBody.toOne(body);
    if (one) return ApiAdminPurged.from(await this.purges.purgeOne(caller, one.id, one.userId));
    return ApiAdminPurged.from(await this.purges.purgeDue(caller, AbortSignal.timeout(PURGE_MS)));
  }
}
