import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Clock } from '#kernel';
import { AppConfig, Caller, HoldsSecret, type Principal, UserOnly } from '#platform';
import { ShareLinksService } from '../sharing/share-links.service.js';
import {
  CapturedShareBody,
  CapturedShared,
  CapturedShareLinkList,
  CapturedShareLinkListQuery,
} from './captured-share-links.dto.js';

@ApiTags('Captured sessions')
@Controller('api/v1/sessions/:session_id/share')
export class CapturedShareLinksController {
  constructor(
    private readonly links: ShareLinksService,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  /** Makes a link under which everybody who has it can read the session, without its secrets (sessionfs-1.md §7.10). */
  @Post()
  @UserOnly()
  @HoldsSecret()
  @ApiOperation({ operationId: 'shareSession', summary: 'Share a captured session by a link' })
  @ApiCreatedResponse({ type: CapturedShared })
  async create(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Body() body: CapturedShareBody,
  ): Promise<CapturedShared> {
    const made = await this.links.create(caller, name, CapturedShareBody.toShare(body));
    return CapturedShared.from(made, this.config.publicUrl);
  }

  /** Newest first, with how often and when each was used; those that are over stay listed. */
  @Get()
  @UserOnly()
  @ApiOperation({ operationId: 'listShareLinks', summary: "List a captured session's share links" })
  @ApiOkResponse({ type: CapturedShareLinkList })
  async list(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Query() query: CapturedShareLinkListQuery,
  ): Promise<CapturedShareLinkList> {
    const { after, limit } = CapturedShareLinkListQuery.toPage(query);
    return CapturedShareLinkList.from(await this.links.list(caller, name, after, limit), this.clock.date());
  }

  /** The link opens nothing from now on; revoking it again changes nothing. */
  @Delete(':link_id')
  @UserOnly()
  @HttpCode(204)
  @ApiOperation({ operationId: 'revokeShareLink', summary: 'Revoke a share link' })
  @ApiNoContentResponse()
  async revoke(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Param('link_id') linkId: string,
  ): Promise<void> {
    await this.links.revoke(caller, name, linkId);
  }
}
