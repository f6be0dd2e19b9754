import { Body, Controller, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import {
  ApiFailures,
  Caller,
  OwnIdempotency,
  type Principal,
  RequireScopes,
  sendEventStream,
  toIdempotencyKey,
} from '#platform';
import { AgentResponsesService } from '../agent/agent-responses.service.js';
import { AgentRuns } from '../agent/agent-runs.service.js';
import { AgentTurnsService } from '../agent/agent-turns.service.js';
import { agentFrames } from './agent-event-frames.js';
import {
  AgentCancelled,
  AgentMessageBody,
  AgentResultsTaken,
  AgentToolResultsBody,
  lastEventId,
} from './agent-messages.dto.js';

const STREAM = { 'text/event-stream': { schema: { type: 'string' } } };
const KEY = {
  name: 'Idempotency-Key',
  required: false,
  description: 'Repeats of the same message with the same key are the same response, for 24 hours',
};
const REPLAYED = 'The response was made before; what it told went with its session';

/** Messages to the agent of a session, and its responses (sandbox-sessions.md §B6). */
@ApiTags('Agent sessions')
@Controller('v1/sessions/:session_id')
export class AgentMessagesController {
  constructor(
    private readonly turns: AgentTurnsService,
    private readonly responses: AgentResponsesService,
    private readonly runs: AgentRuns,
  ) {}

  /**
   * The agent's response as it is made. It goes on when the client leaves, which then reads it at
   * `/responses/{response_id}/events`; the id is in the header `X-Response-Id`.
   */
  @Post('messages')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @OwnIdempotency()
  @ApiOperation({ operationId: 'sendAgentMessage', summary: 'Send a message and read the response' })
  @ApiHeader(KEY)
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ content: STREAM })
  @ApiFailures({
    409: '`session.busy`: it makes a response',
    422: '`idempotency_key_reused`: the key was used for another message',
    503: '`llm_not_configured`',
  })
  async send(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Req() request: Request,
    @Res() response: Response,
    @Body() { message }: AgentMessageBody,
  ): Promise<void> {
    const idempotencyKey = toIdempotencyKey(request.headers['idempotency-key']);
    const { id, isReplay, isGone } = await this.turns.respond(caller, sessionId, { message, idempotencyKey });
    if (isReplay) response.setHeader('Idempotency-Replayed', 'true');
    if (isGone) response.json({ response_id: id, status: 'replayed', note: REPLAYED });
    else await this.stream({ id, sandboxId: sessionId }, -1, response);
  }

  /** A response from any event on, while it is made and as long as its session exists. */
  @Get('responses/:response_id/events')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'resumeAgentResponse', summary: 'Read a response from an event on' })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The last event the client has' })
  @ApiQuery({ name: 'last_event_id', required: false, type: Number, description: 'In place of the header' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ content: STREAM })
  async events(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('response_id') responseId: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const after = lastEventId(request);
    await this.stream(await this.responses.get(caller, sessionId, responseId), after, response);
  }

  /** Ends a response; its last event says so. 200 when it had ended before. */
  @Post('responses/:response_id/cancel')
  @RequireScopes('sandboxes:write')
  @HttpCode(202)
  @ApiOperation({ operationId: 'cancelAgentResponse', summary: 'Cancel a response' })
  @ApiAcceptedResponse({ type: AgentCancelled })
  @ApiOkResponse({ type: AgentCancelled, description: 'It had ended before' })
  async cancel(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('response_id') responseId: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentCancelled> {
    if (await this.responses.cancel(caller, sessionId, responseId))
      return { response_id: responseId, status: 'cancelling' };
    response.status(200);
    return { status: 'already_complete' };
  }

  /** Results of the calls in `tool_call.requested` events: all are taken, or none. */
  @Post('tool_results')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'sendAgentToolResults', summary: "Answer the agent's calls of client tools" })
  @ApiOkResponse({ type: AgentResultsTaken })
  @ApiFailures({ 409: '`tool_call.answered` or `response.ended`' })
  async results(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Body() body: AgentToolResultsBody,
  ): Promise<AgentResultsTaken> {
    const results = AgentToolResultsBody.toResults(body);
    const of = { responseId: body.response_id ?? null, results };
    return { response_id: await this.responses.answer(caller, sessionId, of), accepted: results.length };
  }

  private stream(run: { id: string; sandboxId: string | null }, after: number, response: Response): Promise<void> {
    response.setHeader('X-Response-Id', run.id);
    return sendEventStream(response, (signal) => agentFrames(run, this.runs.follow(run.id, after, signal)));
  }
}
