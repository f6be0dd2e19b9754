import { Controller, Get, Headers, HttpStatus, Param, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { RequiresFeature } from '#accounts';
import { ApiFailures, Blobs, Caller, type Principal, RequireScopes, sendStream, StreamBody, UserOnly } from '#platform';
import { renamedArchive } from '../archive/renamed-archive.js';
import { SessionsService } from '../sessions.service.js';
import { PushService } from '../sync/push.service.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { etagOf, type SessionVersion } from '../sync/version.js';
import { deliveryOf, FILE_FORM } from './delivery.js';
import { CapturedPushed, CapturedVersionList, CapturedVersionListQuery } from './captured-sync.dto.js';

const ARCHIVE = 'application/gzip';

@ApiTags('Captured sessions')
@Controller('api/v1/sessions/:session_id')
export class CapturedSyncController {
  constructor(
    private readonly pushes: PushService,
    private readonly sessions: SessionsService,
    private readonly versions: SessionVersionsService,
    private readonly blobs: Blobs,
  ) {}

  /**
   * Pushes an archive (sessionfs-1.md §7.5): 201 for a new session, 200 for a further version. `If-Match` makes it
   * conditional; `X-SessionFS-Undelete: true` brings a deleted session back. Content that is there already is not stored
   * again. What a push overwrites without having known it is kept and named in `branch_etag`.
   */
  @Put('sync')
  @UserOnly()
  @RequiresFeature('cloud_sync')
  @StreamBody()
  @ApiOperation({ operationId: 'pushSession', summary: 'Push a captured session' })
  @ApiConsumes('multipart/form-data')
  @ApiBody(FILE_FORM)
  @ApiOkResponse({ type: CapturedPushed })
  @ApiCreatedResponse({ type: CapturedPushed })
  @ApiFailures({
    409: 'etag_mismatch, with current_etag',
    410: 'The session is deleted',
    413: 'The archive is too large',
  })
  async push(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Headers('x-sessionfs-undelete') undelete: string | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CapturedPushed> {
    const terms = CapturedPushed.termsOf(request, undelete);
    const result = await this.pushes.push(caller, id, terms, deliveryOf(request));
    response.status(result.isNew ? HttpStatus.CREATED : HttpStatus.OK);
    return CapturedPushed.from(result);
  }

  /** The archive as it was pushed; `?etag=` names an older version. 304 when `If-None-Match` is the current ETag. */
  @Get('sync')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'pullSession', summary: 'Pull a captured session' })
  @ApiProduces(ARCHIVE)
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async pull(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Query('etag') etag: string | undefined,
    @Headers('if-none-match') known: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    const session = await this.sessions.get(caller, name);
    if (!etag && etagOf(known) === session.etag) return void response.status(HttpStatus.NOT_MODIFIED).end();
    await this.send(response, await (etag ? this.versions.byEtag(session, etag) : this.versions.current(session)));
  }

  @Get('download')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'downloadSession', summary: 'Download a captured session' })
  @ApiProduces(ARCHIVE)
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async download(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Res() response: Response,
  ): Promise<void> {
    await this.send(response, await this.versions.current(await this.sessions.get(caller, name)));
  }

  /** Every accepted push, newest first, branches included; any of them can be pulled by its ETag. */
  @Get('versions')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'listSessionVersions', summary: "List a captured session's versions" })
  @ApiOkResponse({ type: CapturedVersionList })
  async list(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Query() query: CapturedVersionListQuery,
  ): Promise<CapturedVersionList> {
    const session = await this.sessions.get(caller, name);
    const { before, limit } = CapturedVersionListQuery.toPage(query);
    return CapturedVersionList.from(await this.versions.list(session, before, limit), session);
  }

  private async send(response: Response, version: SessionVersion): Promise<void> {
    const { archiveDigest, archiveBytes, etag, manifestSessionId } = version;
    const archive = await this.blobs.open(archiveDigest);
    response.setHeader('Content-Type', ARCHIVE).setHeader('ETag', `"${etag}"`);
    if (manifestSessionId === null) response.setHeader('Content-Length', archiveBytes);
    await sendStream(manifestSessionId === null ? archive : renamedArchive(archive, manifestSessionId), response);
  }
}
