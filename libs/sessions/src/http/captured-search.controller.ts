import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresFeature } from '#accounts';
import { Clock } from '#kernel';
import { Caller, type Principal, RequireScopes, UserOnly } from '#platform';
import { ReindexService } from '../search/reindex.service.js';
import { SearchService } from '../search/search.service.js';
import { CapturedReindexed, CapturedSearchPage, CapturedSearchQuery } from './captured-search.dto.js';

@ApiTags('Captured sessions')
@Controller('api/v1/sessions')
export class CapturedSearchController {
  constructor(
    private readonly search: SearchService,
    private readonly reindexing: ReindexService,
    private readonly clock: Clock,
  ) {}

  /**
   * Sessions that have every word of the query in their conversation, title, alias or tags: the caller's own and those
   * their organisation sees. `"…"` is a phrase, `foo*` a beginning; identifiers and paths are found whole and in parts.
   * Words of a text longer than 32 are not looked for (sessionfs-1.md §7.11).
   */
  @Get('search')
  @RequireScopes('sessions:read')
  @RequiresFeature('cloud_sync')
  @ApiOperation({ operationId: 'searchSessions', summary: 'Search captured sessions' })
  @ApiOkResponse({ type: CapturedSearchPage })
  async find(@Caller() caller: Principal, @Query() query: CapturedSearchQuery): Promise<CapturedSearchPage> {
    const { page, filters, place } = CapturedSearchQuery.toSearch(query, this.clock.date());
    return CapturedSearchPage.from(await this.search.find(caller, query.q, filters, place), query.q, page, place.limit);
  }

  /** Reads the caller's stored archives again and indexes their conversations anew; answers when it is done. */
  @Post('admin/reindex')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'reindexSessions', summary: "Read one's stored sessions again" })
  @ApiOkResponse({ type: CapturedReindexed })
  async reindex(@Caller() caller: Principal): Promise<CapturedReindexed> {
    return CapturedReindexed.from(await this.reindexing.reindex(caller));
  }
}
