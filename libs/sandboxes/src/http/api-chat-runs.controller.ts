import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiFailures, Caller, JsonBody, OwnIdempotency, type Principal, RequireScopes } from '#platform';
import { ChatRuns } from '../chat-runs/chat-runs.service.js';
import { ChatStartsService } from '../chat-runs/chat-starts.service.js';
import { ChatsService } from '../chats/chats.service.js';
import {
  ApiChatBody,
  ApiChatRunBody,
  ApiChatStreamQuery,
  ApiRunStatus,
  ApiStartedRun,
  ApiStoppedRun,
} from './api-chat-runs.dto.js';
import { UiStreamSender } from './ui-stream-sender.js';

/** Clients send the whole chat; sending its last message is enough. */
const MAX_BODY_BYTES = 4_194_304;
const STREAM = { schema: { type: 'string', description: 'UI message stream of the AI SDK, version 1' } };

@ApiTags('Sandbox chats')
@Controller('api/chat')
export class ApiChatRunsController {
  constructor(
    private readonly starts: ChatStartsService,
    private readonly runs: ChatRuns,
    private readonly chats: ChatsService,
    private readonly streams: UiStreamSender,
  ) {}

  /**
   * Answers the last message and streams the answer, which goes on when nobody listens. Sent again while it is being
   * answered, a message gets the same run.
   */
  @Post()
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @JsonBody(MAX_BODY_BYTES)
  @OwnIdempotency()
  @ApiOperation({ operationId: 'chat', summary: 'Answer a message as a stream' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse(STREAM)
  @ApiFailures({
    404: 'No such session or chat',
    409: 'Another message is being answered',
    503: 'llm_not_configured',
  })
  async respond(@Caller() caller: Principal, @Res() response: Response, @Body() body?: ApiChatBody): Promise<void> {
    const runId = await this.starts.start(caller, ApiChatBody.toRequest(body));
    await this.streams.send(response, runId, 0);
  }

  /** A session with a chat in which the prompt is answered, without anybody listening. */
  @Post('runs')
  @RequireScopes('sandboxes:write')
  @HttpCode(202)
  @ApiOperation({ operationId: 'startChatRun', summary: 'Answer a prompt in a new session' })
  @ApiAcceptedResponse({ type: ApiStartedRun })
  @ApiFailures({ 503: 'llm_not_configured' })
  async startRun(
    @Caller() caller: Principal,
    @Res({ passthrough: true }) response: Response,
    @Body() body?: ApiChatRunBody,
  ): Promise<ApiStartedRun> {
    const run = await this.starts.startHeadless(caller, ApiChatRunBody.toRequest(body, caller));
    response.setHeader('Location', `/api/chat/runs/${run.runId}`);
    return ApiStartedRun.from(run);
  }

  /** Of any chat of the account. */
  @Get('runs/:run_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getChatRun', summary: 'Get the status of a run' })
  @ApiOkResponse({ type: ApiRunStatus })
  async getRun(@Caller() caller: Principal, @Param('run_id') runId: string): Promise<ApiRunStatus> {
    return ApiRunStatus.from(await this.runs.get(caller, runId));
  }

  /** The chat's live run from a chunk on; 204 when there is none. `x-workflow-stream-tail-index` is the newest chunk's number. */
  @Get(':chat_id/stream')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'followChat', summary: 'Follow the answer that is being given' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse(STREAM)
  @ApiNoContentResponse()
  async follow(
    @Caller() caller: Principal,
    @Param('chat_id') chatId: string,
    @Query() query: ApiChatStreamQuery,
    @Res() response: Response,
  ): Promise<void> {
    const startIndex = ApiChatStreamQuery.toIndex(query);
    const run = await this.runs.findLive(await this.chats.getOfAccount(caller, chatId));
    if (!run) return void response.status(204).end();
    response.setHeader('x-workflow-stream-tail-index', await this.streams.tailIndex(run.id));
    await this.streams.send(response, run.id, startIndex);
  }

  /** Answers once the run has ended, so in no transaction; a repeat stops nothing. */
  @Post(':chat_id/stop')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @OwnIdempotency()
  @ApiOperation({ operationId: 'stopChat', summary: 'Stop the answer that is being given' })
  @ApiOkResponse({ type: ApiStoppedRun })
  @ApiFailures({ 504: 'It does not end' })
  async stop(@Caller() caller: Principal, @Param('chat_id') chatId: string): Promise<ApiStoppedRun> {
    return { success: true, stopped: await this.runs.stop(await this.chats.getOfAccount(caller, chatId)) };
  }
}
