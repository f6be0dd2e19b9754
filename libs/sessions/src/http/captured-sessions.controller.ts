import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { EffectiveTier, RequiresFeature } from '#accounts';
import { DomainError } from '#kernel';
import { Caller, type Principal, RequireScopes, UserOnly } from '#platform';
import { SessionsService } from '../sessions.service.js';
import {
  CapturedAliasBody,
  CapturedEditSessionBody,
  CapturedProvenance,
  CapturedRestoredSession,
  CapturedSessionDetail,
  CapturedSessionList,
  CapturedSessionListQuery,
} from './captured-sessions.dto.js';

const SCOPE_WARNING = 'DELETE without ?scope is deprecated: it will be required in v1.0; taken as scope=cloud';

@ApiTags('Captured sessions')
@Controller('api/v1/sessions')
export class CapturedSessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly tiers: EffectiveTier,
  ) {}

  /** The caller's sessions, last changed first; page by number or by cursor (sessionfs-1.md §7.7). */
  @Get()
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'listSessions', summary: 'List captured sessions' })
  @ApiOkResponse({ type: CapturedSessionList })
  async list(@Caller() caller: Principal, @Query() query: CapturedSessionListQuery): Promise<CapturedSessionList> {
    const { page, list } = CapturedSessionListQuery.toList(query);
    return CapturedSessionList.from(await this.sessions.list(caller, list), page, list.limit);
  }

  @Get(':session_id')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getSession', summary: 'Get a captured session by id or alias' })
  @ApiOkResponse({ type: CapturedSessionDetail })
  async get(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedSessionDetail> {
    return CapturedSessionDetail.from(await this.sessions.get(caller, name));
  }

  /** Title, alias, tags or visibility. What is set here outlives later pushes; the etag does not move. */
  @Patch(':session_id')
  @UserOnly()
  @ApiOperation({ operationId: 'editSession', summary: 'Edit a captured session' })
  @ApiOkResponse({ type: CapturedSessionDetail })
  async edit(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Body() body: CapturedEditSessionBody,
  ): Promise<CapturedSessionDetail> {
    const edit = CapturedEditSessionBody.toEdit(body);
    if (edit.alias !== undefined) await this.tiers.assertFeature(caller, 'aliases_cloud');
    return CapturedSessionDetail.from(await this.sessions.edit(caller, name, edit));
  }

  @Put(':session_id/alias')
  @UserOnly()
  @RequiresFeature('aliases_cloud')
  @ApiOperation({ operationId: 'setSessionAlias', summary: 'Name a captured session' })
  @ApiOkResponse({ type: CapturedSessionDetail })
  async setAlias(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Body() body: CapturedAliasBody,
  ): Promise<CapturedSessionDetail> {
    return CapturedSessionDetail.from(await this.sessions.edit(caller, name, { alias: body.alias }));
  }

  @Delete(':session_id/alias')
  @UserOnly()
  @ApiOperation({ operationId: 'clearSessionAlias', summary: "Take a captured session's alias away" })
  @ApiOkResponse({ type: CapturedSessionDetail })
  async clearAlias(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedSessionDetail> {
    return CapturedSessionDetail.from(await this.sessions.edit(caller, name, { alias: null }));
  }

  @Get(':session_id/provenance')
  @UserOnly()
  @ApiOperation({ operationId: 'getSessionProvenance', summary: 'Which rules a captured session ran under' })
  @ApiOkResponse({ type: CapturedProvenance })
  async provenance(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedProvenance> {
    return CapturedProvenance.from(await this.sessions.get(caller, name));
  }

  /** Into the trash, from where it can be restored for 30 days (sessionfs-1.md §7.9). */
  @Delete(':session_id')
  @UserOnly()
  @ApiOperation({ operationId: 'deleteSession', summary: 'Move a captured session to the trash' })
  @ApiOkResponse({ type: CapturedSessionDetail })
  async trash(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Query('scope') scope: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CapturedSessionDetail> {
    if (scope === undefined) response.setHeader('X-Deprecation-Warning', SCOPE_WARNING);
    return CapturedSessionDetail.from(await this.sessions.trash(caller, name, deleteScope(scope)));
  }

  @Post(':session_id/restore')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'restoreSession', summary: 'Take a captured session out of the trash' })
  @ApiOkResponse({ type: CapturedRestoredSession })
  async restore(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedRestoredSession> {
    const { session, restoredFrom } = await this.sessions.restore(caller, name);
    return CapturedRestoredSession.fromRestored(session, restoredFrom);
  }
}

function deleteScope(scope: string | undefined): 'cloud' | 'both' {
  if (scope === undefined || scope === 'cloud') return 'cloud';
  if (scope === 'everywhere') return 'both';
  throw new DomainError('bad_request', "scope must be 'cloud' or 'everywhere'", { field: 'scope' });
}
