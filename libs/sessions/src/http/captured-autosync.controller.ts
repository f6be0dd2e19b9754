import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Caller, type Principal, UserOnly } from '#platform';
import { AutosyncService } from '../autosync/autosync.service.js';
import {
  CapturedSyncOverview,
  CapturedSyncSettings,
  CapturedSyncSettingsBody,
  CapturedWatchAnswer,
  CapturedWatchlist,
  CapturedWatchlistQuery,
} from './captured-autosync.dto.js';

@ApiTags('Autosync')
@Controller('api/v1/sync')
export class CapturedAutosyncController {
  constructor(private readonly autosync: AutosyncService) {}

  @Get('settings')
  @UserOnly()
  @ApiOperation({ operationId: 'getSyncSettings', summary: 'What clients push by themselves' })
  @ApiOkResponse({ type: CapturedSyncSettings })
  async settings(@Caller() caller: Principal): Promise<CapturedSyncSettings> {
    return CapturedSyncSettings.from(await this.autosync.settings(caller));
  }

  /** Every mode but `off` belongs to the feature autosync. */
  @Put('settings')
  @UserOnly()
  @ApiOperation({ operationId: 'setSyncSettings', summary: 'Set what clients push by themselves' })
  @ApiOkResponse({ type: CapturedSyncSettings })
  async configure(@Caller() caller: Principal, @Body() body: CapturedSyncSettingsBody): Promise<CapturedSyncSettings> {
    const { mode, debounce_seconds: seconds } = body;
    return CapturedSyncSettings.from(await this.autosync.configure(caller, mode, seconds ?? null));
  }

  /** Last watched first. Sessions that were never pushed have no title yet. */
  @Get('watchlist')
  @UserOnly()
  @ApiOperation({ operationId: 'listWatchedSessions', summary: 'List the sessions that selective mode pushes' })
  @ApiOkResponse({ type: CapturedWatchlist })
  async watchlist(@Caller() caller: Principal, @Query() query: CapturedWatchlistQuery): Promise<CapturedWatchlist> {
    const { before, limit } = CapturedWatchlistQuery.toPage(query);
    return CapturedWatchlist.from(await this.autosync.watchlist(caller, before, limit));
  }

  /** Any well-formed id: a session may be watched before its first push. */
  @Post('watch/:session_id')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'watchSession', summary: 'Watch a session' })
  @ApiOkResponse({ type: CapturedWatchAnswer })
  async watch(@Caller() caller: Principal, @Param('session_id') id: string): Promise<CapturedWatchAnswer> {
    await this.autosync.watch(caller, id);
    return { status: 'watching', session_id: id };
  }

  @Delete('watch/:session_id')
  @UserOnly()
  @ApiOperation({ operationId: 'unwatchSession', summary: 'Watch a session no more' })
  @ApiOkResponse({ type: CapturedWatchAnswer })
  async unwatch(@Caller() caller: Principal, @Param('session_id') id: string): Promise<CapturedWatchAnswer> {
    await this.autosync.unwatch(caller, id);
    return { status: 'unwatched', session_id: id };
  }

  /** For clients; a session that is not watched is no error (sessionfs-1.md §10). */
  @Put('watch/:session_id/:status')
  @UserOnly()
  @ApiOperation({ operationId: 'reportWatchedSession', summary: 'Say how far a client is with a watched session' })
  @ApiOkResponse({ type: CapturedWatchAnswer })
  async report(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Param('status') status: string,
  ): Promise<CapturedWatchAnswer> {
    const isWatched = await this.autosync.report(caller, id, status);
    return { status: isWatched ? status : 'not_watched', session_id: id };
  }

  @Get('status')
  @UserOnly()
  @ApiOperation({ operationId: 'getSyncStatus', summary: 'Counts and storage of captured sessions' })
  @ApiOkResponse({ type: CapturedSyncOverview })
  async overview(@Caller() caller: Principal): Promise<CapturedSyncOverview> {
    return CapturedSyncOverview.from(await this.autosync.overview(caller));
  }
}
