import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiFailures, Caller, type Principal, RequireScopes, SelfSettled } from '#platform';
import { PersonalSessionsService } from '../account-sandboxes/personal-sessions.service.js';
import { ChatAgent } from '../chat-runs/chat-agent.js';
import { CloneHosts } from '../coding-sessions/clone-url.js';
import { CodingSessionCreation } from '../coding-sessions/coding-session-creation.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { ApiChat } from './api-chats.dto.js';
import {
  ApiCreatedSession,
  ApiCreateSessionBody,
  ApiEditSessionBody,
  ApiOneSession,
  ApiPersonalSession,
  ApiSession,
  ApiSessionList,
  ApiSessionListQuery,
  ApiSuccess,
  toVersion,
} from './api-sessions.dto.js';

@ApiTags('Sandbox sessions')
@Controller('api/sessions')
export class ApiSessionsController {
  constructor(
    private readonly creation: CodingSessionCreation,
    private readonly sessions: CodingSessionsService,
    private readonly hosts: CloneHosts,
    private readonly agent: ChatAgent,
    private readonly personal: PersonalSessionsService,
  ) {}

  /** A session and its first chat. All fields are optional, and so is the body. Nothing is provisioned yet. */
  @Post()
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'createSandboxSession', summary: 'Create a session' })
  @ApiBody({ type: ApiCreateSessionBody, required: false })
  @ApiOkResponse({ type: ApiCreatedSession })
  async create(@Caller() caller: Principal, @Body() body?: ApiCreateSessionBody): Promise<ApiCreatedSession> {
    const { session, chat } = await this.creation.create(caller, ApiCreateSessionBody.toNew(body, this.hosts));
    return { session: ApiSession.from(session), chat: ApiChat.from(chat, this.agent.defaultModel) };
  }

  /** On the repository of the account's own, which is made with the first such session. For people without an organization. */
  @Post('personal')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @SelfSettled()
  @ApiOperation({ operationId: 'createPersonalSession', summary: 'Create a session on the personal repository' })
  @ApiOkResponse({ type: ApiPersonalSession })
  @ApiFailures({ 409: 'The caller has an organization', 502: 'The repository could not be made' })
  createPersonal(@Caller() caller: Principal): Promise<ApiPersonalSession> {
    return this.personal.create(caller, (made) => ApiPersonalSession.from(made, this.agent.defaultModel));
  }

  /** The account's sessions, newest first. */
  @Get()
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listSandboxSessions', summary: 'List sessions' })
  @ApiOkResponse({ type: ApiSessionList })
  async list(@Caller() caller: Principal, @Query() query: ApiSessionListQuery): Promise<ApiSessionList> {
    const list = ApiSessionListQuery.toList(query);
    return ApiSessionList.from(await this.sessions.list(caller, list), list);
  }

  @Get(':session_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getSandboxSession', summary: 'Get a session' })
  @ApiOkResponse({ type: ApiOneSession })
  async get(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ApiOneSession> {
    const session = await this.sessions.get(caller, id);
    response.setHeader('ETag', `"${session.version}"`);
    return { session: ApiSession.from(session) };
  }

  /** Title, status or line counts. Status `archived` stops the sandbox; `running` takes it out of the archive. */
  @Patch(':session_id')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'editSandboxSession', summary: 'Change, archive or unarchive a session' })
  @ApiBody({ type: ApiEditSessionBody, required: false })
  @ApiFailures({ 412: 'The lifecycleVersion is another by now' })
  @ApiHeader({ name: 'If-Match', required: false, description: 'The lifecycleVersion that is changed' })
  @ApiOkResponse({ type: ApiOneSession })
  async edit(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body?: ApiEditSessionBody,
  ): Promise<ApiOneSession> {
    const edit = ApiEditSessionBody.toEdit(body);
    return { session: ApiSession.from(await this.sessions.edit(caller, id, edit, toVersion(ifMatch))) };
  }

  /** The session with its chats. What runs in it is stopped. A second call is 404. */
  @Delete(':session_id')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'deleteSandboxSession', summary: 'Delete a session' })
  @ApiOkResponse({ type: ApiSuccess })
  async delete(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiSuccess> {
    await this.sessions.delete(caller, id);
    return { success: true };
  }
}
