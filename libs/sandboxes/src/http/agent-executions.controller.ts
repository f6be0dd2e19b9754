import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiExtraModels,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import {
  allowSilence,
  ApiFailures,
  bodyStream,
  Caller,
  clientGone,
  JsonBody,
  OwnIdempotency,
  type Principal,
  RequireScopes,
  sendEventStream,
  StreamBody,
  toIdempotencyKey,
} from '#platform';
import type { ExecutionRecord } from '../executions/execution.js';
import { ExecutionsService } from '../executions/executions.service.js';
import {
  AgentExecBody,
  AgentExecuted,
  AgentExecution,
  AgentExecutionCancel,
  AgentExecutionListQuery,
  AgentSignalBody,
  lastEventSeen,
} from './agent-executions.dto.js';
import { executedWhole, executionFrames } from './execution-frames.js';

/** Standard input in base64, and everything else as before. */
const MAX_BODY_BYTES = 4 * 1_048_576;
const OUTPUT = {
  'text/event-stream': { schema: { type: 'string' } },
  'application/json': { schema: { $ref: getSchemaPath(AgentExecuted) } },
} as const;

/** Commands in the sandbox of a session (sandbox-sessions.md §C4). */
@ApiTags('Agent executions')
@ApiExtraModels(AgentExecuted)
@Controller('v1/sessions/:session_id/exec')
export class AgentExecutionsController {
  constructor(private readonly executions: ExecutionsService) {}

  /**
   * Runs a command and streams what it prints, as server-sent events `stdout`, `stderr` and in the end one `exit`; with
   * `Accept: application/json` all of it at once when it has ended. It goes on when the client leaves, which then reads
   * on at `/exec/{execution_id}/events`; the id is in the header `X-Execution-Id`.
   */
  @Post()
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @JsonBody(MAX_BODY_BYTES)
  @OwnIdempotency()
  @ApiOperation({ operationId: 'executeInAgentSession', summary: 'Run a command' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A repeat follows the command started before' })
  @ApiOkResponse({ content: OUTPUT })
  @ApiAcceptedResponse({ type: AgentExecution, description: 'Started in the background' })
  @ApiFailures({
    403: '`not_in_scope`: the working directory; or the credential lacks a scope',
    409: '`scope_changed`: an entry of the scope has become a link',
    422: '`idempotency_key_reused`: the key was used for another command',
    429: '`exec.limit`: as many run in the session as may; or too many requests',
    503: '`sandboxes_unavailable`, with the cause and what to do about it',
  })
  async start(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Req() request: Request,
    @Res() response: Response,
    @Body() body: AgentExecBody,
  ): Promise<void> {
    const input = AgentExecBody.toNew(body, toIdempotencyKey(request.headers['idempotency-key']));
    const { record, isReplay } = await this.executions.start(caller, sessionId, input);
    if (isReplay) response.setHeader('Idempotency-Replayed', 'true');
    if (!record.isBackground) await this.answer(record, 0, request, response);
    else response.setHeader('X-Execution-Id', record.id).status(202).json(AgentExecution.from(record));
  }

  /** Newest first. A page that is not the last one names the next in `X-Next-After`. */
  @Get()
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listAgentExecutions', summary: 'List commands of a session' })
  @ApiOkResponse({ type: [AgentExecution] })
  async list(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Query() query: AgentExecutionListQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentExecution[]> {
    const { limit, after } = AgentExecutionListQuery.toPage(query);
    const { records, hasMore } = await this.executions.list(caller, sessionId, limit, after);
    const last = records.at(-1);
    if (hasMore && last) response.setHeader('X-Next-After', AgentExecutionListQuery.positionOf(last));
    return records.map((record) => AgentExecution.from(record));
  }

  @Get(':execution_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getAgentExecution', summary: 'Get a command' })
  @ApiOkResponse({ type: AgentExecution })
  async get(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('execution_id') id: string,
  ): Promise<AgentExecution> {
    return AgentExecution.from(await this.executions.get(caller, sessionId, id));
  }

  /** What the command printed behind an event, and what it prints, as long as its session exists. */
  @Get(':execution_id/events')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'followAgentExecution', summary: 'Read the output of a command from an event on' })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The last event the client has' })
  @ApiQuery({ name: 'last_event_id', required: false, type: Number, description: 'In place of the header' })
  @ApiOkResponse({ content: OUTPUT })
  async events(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('execution_id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const record = await this.executions.get(caller, sessionId, id);
    await this.answer(
      record,
      lastEventSeen(request.headers['last-event-id'], request.query['last_event_id']),
      request,
      response,
    );
  }

  /** The body's bytes, as they come, become the command's input. */
  @Post(':execution_id/stdin')
  @RequireScopes('sandboxes:write')
  @HttpCode(204)
  @StreamBody()
  @ApiOperation({ operationId: 'feedAgentExecution', summary: 'Give a command input' })
  @ApiQuery({ name: 'end', required: false, enum: ['true', 'false'], description: 'No more input follows' })
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiNoContentResponse()
  async feed(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('execution_id') id: string,
    @Query('end') end: unknown,
    @Req() request: Request,
  ): Promise<void> {
    await this.executions.feed(caller, sessionId, id, bodyStream(request), end === 'true');
  }

  /** To every process of the command. */
  @Post(':execution_id/signal')
  @RequireScopes('sandboxes:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'signalAgentExecution', summary: 'Send a signal to a command' })
  @ApiNoContentResponse()
  async signal(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('execution_id') id: string,
    @Body() { signal }: AgentSignalBody,
  ): Promise<void> {
    await this.executions.signal(caller, sessionId, id, signal);
  }

  /** SIGTERM, two seconds of grace, SIGKILL. 200 when it had ended before. */
  @Post(':execution_id/cancel')
  @RequireScopes('sandboxes:write')
  @HttpCode(202)
  @ApiOperation({ operationId: 'cancelAgentExecution', summary: 'End a command' })
  @ApiAcceptedResponse({ type: AgentExecutionCancel })
  @ApiOkResponse({ type: AgentExecutionCancel })
  async cancel(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('execution_id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentExecutionCancel> {
    const isAsked = await this.executions.cancel(caller, sessionId, id);
    if (!isAsked) response.status(200);
    return { status: isAsked ? 'cancelling' : 'already_complete' };
  }

  private async answer(record: ExecutionRecord, after: number, request: Request, response: Response): Promise<void> {
    response.setHeader('X-Execution-Id', record.id);
    const wanted = request.accepts(['text/event-stream', 'application/json']);
    if (wanted !== 'application/json')
      return sendEventStream(response, (signal) =>
        executionFrames(record, this.executions.follow(record, after, signal)),
      );
    allowSilence(response);
    const executed = await executedWhole(this.executions.follow(record, 0, clientGone(response)));
    if (executed) response.json(executed);
  }
}
