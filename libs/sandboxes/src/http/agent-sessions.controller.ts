import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiFailures, Caller, type Principal, RequireScopes } from '#platform';
import { AgentSessionCreation } from '../agent-sessions/agent-session-creation.js';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import { SandboxHealth } from '../sandbox-health.js';
import {
  AgentBulkDeleteQuery,
  AgentChangeSessionBody,
  AgentCreateSessionBody,
  AgentDeleted,
  AgentSessionListQuery,
  AgentSessionRecord,
} from './agent-sessions.dto.js';

@ApiTags('Agent sessions')
@Controller('v1/sessions')
export class AgentSessionsController {
  constructor(
    private readonly sessions: AgentSessionsService,
    private readonly creation: AgentSessionCreation,
    private readonly health: SandboxHealth,
  ) {}

  /** A session in the account's workspace, ready at once. Every field is optional, and so is the body. */
  @Post()
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'createAgentSession', summary: 'Create an agent session' })
  @ApiCreatedResponse({ type: AgentSessionRecord })
  @ApiFailures({ 429: '`session.limit`: as many exist as the plan allows; or too many requests' })
  async create(@Caller() caller: Principal, @Body() body?: AgentCreateSessionBody): Promise<AgentSessionRecord> {
    const session = await this.creation.create(caller, AgentCreateSessionBody.toNew(body));
    return AgentSessionRecord.from(session, await this.health.level());
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
    const level = await this.health.level();
    return sessions.map((session) => AgentSessionRecord.from(session, level));
  }

  @Get(':session_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getAgentSession', summary: 'Get an agent session' })
  @ApiOkResponse({ type: AgentSessionRecord })
  async get(@Caller() caller: Principal, @Param('session_id') id: string): Promise<AgentSessionRecord> {
    return AgentSessionRecord.from(await this.sessions.get(caller, id), await this.health.level());
  }

  /** Sets members of the metadata; others stay. Its agent and its tools do the same. */
  @Patch(':session_id')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'changeAgentSession', summary: "Change an agent session's metadata" })
  @ApiOkResponse({ type: AgentSessionRecord })
  async change(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Body() body: AgentChangeSessionBody,
  ): Promise<AgentSessionRecord> {
    const change = AgentChangeSessionBody.toChange(body);
    const session = await this.sessions.changeMetadata(caller, id, change);
    return AgentSessionRecord.from(session, await this.health.level());
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
  @ApiQuery({ name: 'status', required: false, enum: ['idle'] })
  @ApiQuery({ name: 'older_than', required: false, type: String, example: '1h30m' })
  @ApiOkResponse({ type: AgentDeleted })
  async destroyWhere(@Caller() caller: Principal, @Query() query: Record<string, unknown>): Promise<AgentDeleted> {
    return { deleted: await this.sessions.destroyWhere(caller, AgentBulkDeleteQuery.toCondition(query)) };
  }
}
