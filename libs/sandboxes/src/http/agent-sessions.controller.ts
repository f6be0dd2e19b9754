import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Caller, type Principal, RequireScopes } from '#platform';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import {
  AgentBulkDeleteQuery,
  AgentCreateSessionBody,
  AgentDeleted,
  AgentSessionListQuery,
  AgentSessionRecord,
} from './agent-sessions.dto.js';

@ApiTags('Agent sessions')
@Controller('v1/sessions')
export class AgentSessionsController {
  constructor(private readonly sessions: AgentSessionsService) {}

  /** A session in the account's workspace, ready at once. Every field is optional, and so is the body. */
  @Post()
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'createAgentSession', summary: 'Create an agent session' })
  @ApiCreatedResponse({ type: AgentSessionRecord })
  async create(@Caller() caller: Principal, @Body() body?: AgentCreateSessionBody): Promise<AgentSessionRecord> {
    return AgentSessionRecord.from(await this.sessions.create(caller, AgentCreateSessionBody.toNew(body)));
  }

  /** The account's sessions, newest first. A page that is not the last one names the next in `X-Next-After`. */
  @Get()
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listAgentSessions', summary: 'List agent sessions' })
  @ApiOkResponse({ type: [AgentSessionRecord] })
  async list(
    @Caller() caller: Principal,
    @Query() query: AgentSessionListQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentSessionRecord[]> {
    const { limit, after } = AgentSessionListQuery.toPage(query);
    const { sessions, hasMore } = await this.sessions.list(caller, limit, after);
    const last = sessions.at(-1);
    if (hasMore && last) response.setHeader('X-Next-After', AgentSessionListQuery.positionOf(last));
    return sessions.map((session) => AgentSessionRecord.from(session));
  }

  @Get(':session_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getAgentSession', summary: 'Get an agent session' })
  @ApiOkResponse({ type: AgentSessionRecord })
  async get(@Caller() caller: Principal, @Param('session_id') id: string): Promise<AgentSessionRecord> {
    return AgentSessionRecord.from(await this.sessions.get(caller, id));
  }

  /** Ends the session with all it runs. The files of the workspace stay. A second call is 404. */
  @Delete(':session_id')
  @RequireScopes('sandboxes:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'destroyAgentSession', summary: 'Destroy an agent session' })
  @ApiNoContentResponse()
  async destroy(@Caller() caller: Principal, @Param('session_id') id: string): Promise<void> {
    await this.sessions.destroy(caller, id);
  }

  /** Destroys what meets every given condition; without one it is refused. */
  @Delete()
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'destroyAgentSessions', summary: 'Destroy agent sessions by age or idleness' })
  @ApiOkResponse({ type: AgentDeleted })
  async destroyWhere(@Caller() caller: Principal, @Query() query: AgentBulkDeleteQuery): Promise<AgentDeleted> {
    return { deleted: await this.sessions.destroyWhere(caller, AgentBulkDeleteQuery.toCondition(query)) };
  }
}
