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
  allowSilence,
  ApiFailures,
  Caller,
  clientGone,
  OwnIdempotency,
  type Principal,
  RequireScopes,
  sendEventStream,
  toIdempotencyKey,
} from '#platform';
import type { StoredEvent } from '../agent/agent-event.js';
import { AgentRuns } from '../agent/agent-runs.service.js';
import { StatelessResponsesService } from '../agent/stateless-responses.service.js';
import { agentFrames } from './agent-event-frames.js';
import { AgentCancelled, lastEventId } from './agent-messages.dto.js';
import { AgentResponse, AgentResponseBody } from './agent-responses.dto.js';

const REPLAYED = 'The response was made more than a day ago; what it told is gone';

/** Responses without a session (sandbox-sessions.md §B7); their events are kept for a day. */
@ApiTags('Agent responses')
@Controller('v1/responses')
export class AgentResponsesController {
  constructor(
    private readonly responses: StatelessResponsesService,
    private readonly runs: AgentRuns,
  ) {}

  /** In whole, or as the events of `/v1/sessions/{id}/messages` with `stream`. The id is in `X-Response-Id`, too. */
  @Post()
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @OwnIdempotency()
  @ApiOperation({ operationId: 'createAgentResponse', summary: 'Ask the model without a session' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'Repeats are the same response, for 24 hours' })
  @ApiProduces('application/json', 'text/event-stream')
  @ApiOkResponse({ type: AgentResponse })
  @ApiFailures({
    422: '`idempotency_key_reused`: the key was used for another request',
    502: '`llm_request_failed`, with `response_id`',
    503: '`llm_not_configured`',
  })
  async create(
    @Caller() caller: Principal,
    @Req() request: Request,
    @Res() response: Response,
    @Body() body: AgentResponseBody,
  ): Promise<void> {
    const key = toIdempotencyKey(request.headers['idempotency-key']);
    const begun = await this.responses.respond(caller, AgentResponseBody.toRequest(body), key);
    if (begun.isReplay) response.setHeader('Idempotency-Replayed', 'true');
    if (begun.isGone) response.json({ response_id: begun.id, status: 'replayed', note: REPLAYED });
    else if (body.stream) await this.stream(begun.id, -1, response);
    else await this.whole(begun.id, response);
  }

  @Get(':response_id/events')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'resumeStatelessResponse', summary: 'Read a response from an event on' })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The last event the client has' })
  @ApiQuery({ name: 'last_event_id', required: false, type: Number, description: 'In place of the header' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ content: { 'text/event-stream': { schema: { type: 'string' } } } })
  async events(
    @Caller() caller: Principal,
    @Param('response_id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const after = lastEventId(request);
    await this.stream((await this.responses.get(caller, id)).id, after, response);
  }

  @Post(':response_id/cancel')
  @RequireScopes('sandboxes:write')
  @HttpCode(202)
  @ApiOperation({ operationId: 'cancelStatelessResponse', summary: 'Cancel a response' })
  @ApiAcceptedResponse({ type: AgentCancelled })
  @ApiOkResponse({ type: AgentCancelled, description: 'It had ended before' })
  async cancel(
    @Caller() caller: Principal,
    @Param('response_id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentCancelled> {
    if (await this.responses.cancel(caller, id)) return { response_id: id, status: 'cancelling' };
    response.status(200);
    return { status: 'already_complete' };
  }

  private stream(id: string, after: number, response: Response): Promise<void> {
    response.setHeader('X-Response-Id', id);
    const run = { id, sandboxId: null };
    return sendEventStream(response, (signal) => agentFrames(run, this.runs.follow(id, after, signal)));
  }

  private async whole(id: string, response: Response): Promise<void> {
    const gone = clientGone(response);
    allowSilence(response);
    const events: StoredEvent[] = [];
    for await (const batch of this.runs.follow(id, -1, gone)) events.push(...batch);
    response.setHeader('X-Response-Id', id);
    if (!gone.aborted) response.json(AgentResponse.from(id, events));
  }
}
