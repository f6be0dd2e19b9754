import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresFeature } from '#accounts';
import { Clock } from '#kernel';
import { ApiFailures, Caller, type Principal, RequireScopes, SelfSettled } from '#platform';
import { HandoffClaimsService } from '../handoffs/handoff-claims.service.js';
import { HandoffCreationService } from '../handoffs/handoff-creation.service.js';
import { HandoffThreadService } from '../handoffs/handoff-thread.service.js';
import { HandoffsService } from '../handoffs/handoffs.service.js';
import {
  CapturedCommentBody,
  CapturedDeclineHandoffBody,
  CapturedHandOffBody,
  CapturedHandoffListQuery,
  CapturedInboxQuery,
  CapturedRevokeHandoffBody,
  CapturedThreadQuery,
} from './captured-handoff-requests.dto.js';
import {
  CapturedHandoff,
  CapturedHandoffComment,
  CapturedHandoffEvent,
  CapturedHandoffList,
} from './captured-handoffs.dto.js';

/** Sessions handed to other people (sessionfs-1.md §9). Whoever is no party to one gets 404, whatever state it is in. */
@ApiTags('Handoffs')
@Controller('api/v1/handoffs')
export class CapturedHandoffsController {
  constructor(
    private readonly creation: HandoffCreationService,
    private readonly handoffs: HandoffsService,
    private readonly claims: HandoffClaimsService,
    private readonly thread: HandoffThreadService,
    private readonly clock: Clock,
  ) {}

  /** Offers a session to one address, person or team. An address counts once its owner has verified it. */
  @Post()
  @RequireScopes('handoffs:write')
  @RequiresFeature('handoff')
  @ApiOperation({ operationId: 'createHandoff', summary: 'Hand a captured session off' })
  @ApiCreatedResponse({ type: CapturedHandoff })
  async create(@Caller() caller: Principal, @Body() body: CapturedHandOffBody): Promise<CapturedHandoff> {
    const handoff = await this.creation.create(caller, CapturedHandOffBody.toWish(body));
    return CapturedHandoff.from(handoff, this.clock.now());
  }

  /** Newest first, in every status. Without `limit` up to 500. */
  @Get('inbox')
  @RequireScopes('handoffs:read')
  @ApiOperation({ operationId: 'listReceivedHandoffs', summary: 'Handoffs to the caller' })
  @ApiOkResponse({ type: CapturedHandoffList })
  async inbox(@Caller() caller: Principal, @Query() query: CapturedInboxQuery): Promise<CapturedHandoffList> {
    const includeTeams = query.include_team !== 'false' && query.include_team !== '0';
    const page = await this.handoffs.inbox(caller, CapturedHandoffListQuery.toList(query), includeTeams);
    return CapturedHandoffList.from(page, this.clock.now());
  }

  /** Newest first, in every status. Without `limit` up to 500. */
  @Get('sent')
  @RequireScopes('handoffs:read')
  @ApiOperation({ operationId: 'listSentHandoffs', summary: 'Handoffs of the caller' })
  @ApiOkResponse({ type: CapturedHandoffList })
  async sent(@Caller() caller: Principal, @Query() query: CapturedHandoffListQuery): Promise<CapturedHandoffList> {
    const page = await this.handoffs.sent(caller, CapturedHandoffListQuery.toList(query));
    return CapturedHandoffList.from(page, this.clock.now());
  }

  /** With comments and events. The first look of a recipient is noted. */
  @Get(':id')
  @RequireScopes('handoffs:read')
  @ApiOperation({ operationId: 'getHandoff', summary: 'A handoff' })
  @ApiOkResponse({ type: CapturedHandoff })
  @ApiFailures({ 410: 'It has expired' })
  async get(@Caller() caller: Principal, @Param('id') id: string): Promise<CapturedHandoff> {
    return CapturedHandoff.fromDetail(await this.handoffs.view(caller, id), this.clock.now());
  }

  /** One of its recipients gets a copy of the session: `recipient_session_id`, to be pulled. */
  @Post(':id/claim')
  @HttpCode(200)
  @RequireScopes('handoffs:write')
  @SelfSettled()
  @ApiOperation({ operationId: 'claimHandoff', summary: 'Take a handed session over' })
  @ApiOkResponse({ type: CapturedHandoff })
  @ApiFailures({
    403: 'storage_limit or dlp_blocked, by the rules of the account acted for',
    409: 'It is decided; claim_race_lost names the winner',
    410: 'It has expired',
  })
  async claim(@Caller() caller: Principal, @Param('id') id: string): Promise<CapturedHandoff> {
    return this.claims.claim(caller, id, (handoff) => CapturedHandoff.from(handoff, this.clock.now()));
  }

  @Post(':id/revoke')
  @HttpCode(200)
  @RequireScopes('handoffs:write')
  @ApiOperation({ operationId: 'revokeHandoff', summary: 'Take an offer back' })
  @ApiOkResponse({ type: CapturedHandoff })
  @ApiFailures({ 409: 'It is decided', 410: 'It has expired' })
  async revoke(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() { reason }: CapturedRevokeHandoffBody,
  ): Promise<CapturedHandoff> {
    return CapturedHandoff.from(await this.handoffs.revoke(caller, id, reason), this.clock.now());
  }

  @Post(':id/decline')
  @HttpCode(200)
  @RequireScopes('handoffs:write')
  @ApiOperation({ operationId: 'declineHandoff', summary: 'Refuse an offer' })
  @ApiOkResponse({ type: CapturedHandoff })
  @ApiFailures({ 409: 'It is decided', 410: 'It has expired' })
  async decline(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() { reason }: CapturedDeclineHandoffBody,
  ): Promise<CapturedHandoff> {
    return CapturedHandoff.from(await this.handoffs.decline(caller, id, reason ?? null), this.clock.now());
  }

  /** In any status. */
  @Post(':id/comments')
  @RequireScopes('handoffs:write')
  @ApiOperation({ operationId: 'commentOnHandoff', summary: 'Comment on a handoff' })
  @ApiCreatedResponse({ type: CapturedHandoffComment })
  async comment(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() { content }: CapturedCommentBody,
  ): Promise<CapturedHandoffComment> {
    return CapturedHandoffComment.from(await this.thread.comment(caller, id, content));
  }

  /** Oldest first. */
  @Get(':id/comments')
  @RequireScopes('handoffs:read')
  @ApiOperation({ operationId: 'listHandoffComments', summary: 'Comments on a handoff' })
  @ApiOkResponse({ type: [CapturedHandoffComment] })
  async comments(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Query() query: CapturedThreadQuery,
  ): Promise<CapturedHandoffComment[]> {
    const limit = CapturedThreadQuery.limitOf(query);
    const comments = await this.thread.comments(caller, id, limit, query.after ?? null);
    return comments.map((comment) => CapturedHandoffComment.from(comment));
  }

  /** What happened to it, oldest first. */
  @Get(':id/events')
  @RequireScopes('handoffs:read')
  @ApiOperation({ operationId: 'listHandoffEvents', summary: 'History of a handoff' })
  @ApiOkResponse({ type: [CapturedHandoffEvent] })
  async events(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Query() query: CapturedThreadQuery,
  ): Promise<CapturedHandoffEvent[]> {
    const [limit, after] = [CapturedThreadQuery.limitOf(query), CapturedThreadQuery.eventOf(query)];
    const events = await this.thread.events(caller, id, limit, after);
    return events.map((event) => CapturedHandoffEvent.from(event));
  }
}
