import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { DomainError } from '#kernel';
import { Caller, type Principal, RequireScopes, sendStream } from '#platform';
import { Archives } from '../archive/archives.js';
import { SessionsService } from '../sessions.service.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import type { SessionVersion } from '../sync/version.js';
import {
  CapturedMessageList,
  CapturedMessagesQuery,
  CapturedTools,
  CapturedWorkspace,
} from './captured-content.dto.js';

/** What is inside a captured session; read from what the push indexed, never from the archive. */
@ApiTags('Captured sessions')
@Controller('api/v1/sessions/:session_id')
export class CapturedContentController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly versions: SessionVersionsService,
    private readonly archives: Archives,
  ) {}

  /** A page of the conversation as it was pushed; side chains and empty messages are left out (sessionfs-1.md §7.7). */
  @Get('messages')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'listSessionMessages', summary: "Page through a captured session's messages" })
  @ApiOkResponse({ type: CapturedMessageList })
  async messages(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Query() query: CapturedMessagesQuery,
    @Res() response: Response,
  ): Promise<void> {
    const { messagesDigest, messagesIndex } = await this.version(caller, name);
    const reader = this.archives.messages(messagesDigest, messagesIndex);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    await sendStream(CapturedMessageList.stream(reader, CapturedMessagesQuery.toPage(query)), response);
  }

  @Get('workspace')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getSessionWorkspace', summary: 'Where a captured session ran' })
  @ApiOkResponse({ type: CapturedWorkspace })
  async workspace(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedWorkspace> {
    const { workspace } = await this.version(caller, name);
    if (!workspace) throw new DomainError('not_found', 'No workspace.json in session archive');
    return { workspace };
  }

  @Get('tools')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getSessionTools', summary: 'The tools a captured session had' })
  @ApiOkResponse({ type: CapturedTools })
  async tools(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedTools> {
    const { tools } = await this.version(caller, name);
    if (!tools) throw new DomainError('not_found', 'No tools.json in session archive');
    return { tools };
  }

  private async version(caller: Principal, name: string): Promise<SessionVersion> {
    return this.versions.current(await this.sessions.get(caller, name));
  }
}
