import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { RequiresFeature } from '#accounts';
import { Caller, type Principal, RequireScopes, UserOnly } from '#platform';
import { NarrativesService } from '../summaries/narratives.service.js';
import { SummariesService } from '../summaries/summaries.service.js';
import {
  CapturedNarrativeBody,
  CapturedSummariesQuery,
  CapturedSummary,
  CapturedSummaryItem,
  nextCursor,
} from './captured-summaries.dto.js';

/** What happened in sessions: counted from their messages, and told by a model (sessionfs-1.md §7.12). */
@ApiTags('Session summaries')
@Controller('api/v1')
export class CapturedSummariesController {
  constructor(
    private readonly summaries: SummariesService,
    private readonly narratives: NarrativesService,
  ) {}

  /** Newest first. What follows is at `cursor`, from the header `X-Next-Cursor`. */
  @Get('summaries')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'listSummaries', summary: 'List sessions with what happened in them' })
  @ApiOkResponse({
    type: [CapturedSummaryItem],
    headers: { 'X-Next-Cursor': { schema: { type: 'string' }, description: 'Absent on the last page' } },
  })
  async list(
    @Caller() caller: Principal,
    @Query() query: CapturedSummariesQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CapturedSummaryItem[]> {
    const { items, hasMore } = await this.summaries.list(caller, CapturedSummariesQuery.toList(query));
    const cursor = nextCursor(items, hasMore);
    if (cursor !== null) response.setHeader('X-Next-Cursor', cursor);
    return items.map((item) => CapturedSummaryItem.from(item));
  }

  /** Of the session's current version; made when there is none yet. */
  @Get('sessions/:session_id/summary')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getSessionSummary', summary: 'Get what happened in a session' })
  @ApiOkResponse({ type: CapturedSummary })
  async get(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedSummary> {
    return CapturedSummary.from(await this.summaries.get(caller, name));
  }

  @Post('sessions/:session_id/summary')
  @UserOnly()
  @HttpCode(200)
  @RequiresFeature('summary_deterministic')
  @ApiOperation({ operationId: 'summarizeSession', summary: 'Summarise a session anew' })
  @ApiOkResponse({ type: CapturedSummary })
  async refresh(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedSummary> {
    return CapturedSummary.from(await this.summaries.refresh(caller, name));
  }

  /** When the model fails, the narrative's members are null and `narrative_error` says why; what was told before stays. */
  @Post('sessions/:session_id/summary/narrative')
  @UserOnly()
  @HttpCode(200)
  @RequiresFeature('summary_narrative')
  @ApiOperation({ operationId: 'narrateSession', summary: 'Have a model tell what happened in a session' })
  @ApiOkResponse({ type: CapturedSummary })
  async narrate(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Body() body: CapturedNarrativeBody,
  ): Promise<CapturedSummary> {
    return CapturedSummary.from(await this.narratives.narrate(caller, name, CapturedNarrativeBody.toWish(body)));
  }
}
