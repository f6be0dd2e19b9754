import { Controller, Get, HttpCode, Param, Post, Query, Req, Res, UseFilters } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { ApiFailures, AppConfig, Blobs, BufferBody, networkOf, Public, sendStream } from '#platform';
import { SharedAccess, type SharedSession } from '../sharing/shared-access.service.js';
import { SharedArchives } from '../sharing/shared-archives.service.js';
import { SharedConversation } from '../sharing/shared-conversation.service.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { etagOf } from '../sync/version.js';
import {
  CapturedSharedConversation,
  CapturedSharedQuery,
  CapturedSharePasswordBody,
  formOf,
} from './captured-shared.dto.js';
import { conversationPage } from './shared-page.js';
import { SHARED_STYLE } from './shared-page-style.js';
import { keepShared, sharedHtml, SharedPageFilter } from './shared-page.filter.js';

const ARCHIVE = 'application/gzip';
const FORMS = [ARCHIVE, 'text/html', 'application/json'] as const;
const FAILURES = {
  401: 'Password required, or wrong',
  410: 'The link is over, or the session deleted',
  429: 'Too many wrong passwords',
};
const MAX_BODY = 4_096;
const PASS_COOKIE = 'rh_share';
const PASS = /(?:^|;\s*)rh_share=([\w.-]{1,100})(?:;|$)/;

/** What a share link opens (sessionfs-1.md §7.10): an archive, a page or JSON, none of which shows a secret. */
@ApiTags('Captured sessions')
@Controller('api/v1/sessions/share')
@UseFilters(SharedPageFilter)
export class CapturedSharedController {
  constructor(
    private readonly access: SharedAccess,
    private readonly archives: SharedArchives,
    private readonly conversation: SharedConversation,
    private readonly versions: SessionVersionsService,
    private readonly blobs: Blobs,
    private readonly config: AppConfig,
  ) {}

  @Get('page.css')
  @Public()
  @ApiOperation({ operationId: 'getSharedPageStyle', summary: 'The stylesheet of shared pages' })
  @ApiProduces('text/css')
  @ApiOkResponse({ schema: { type: 'string' } })
  style(@Res() response: Response): void {
    response.setHeader('Cache-Control', 'public, max-age=31536000, immutable');
    response.type('css').end(SHARED_STYLE);
  }

  /** The archive unless `Accept` (or `format`) asks for a page or for JSON, of which there are pages. */
  @Get(':token')
  @Public()
  @ApiOperation({ operationId: 'openShare', summary: 'Open a shared session' })
  @ApiProduces(...FORMS)
  @ApiOkResponse({ type: CapturedSharedConversation })
  @ApiFailures(FAILURES)
  async open(
    @Param('token') token: string,
    @Query() query: CapturedSharedQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const pass = PASS.exec(request.headers.cookie ?? '')?.[1] ?? null;
    const shared = await this.access.open(token, { password: null, pass, address: networkOf(request) });
    await this.send(shared, query, request, response);
  }

  /** As GET, with a password. A browser's form is sent on to the page, with a cookie that stands for the password. */
  @Post(':token')
  @Public()
  @HttpCode(200)
  @BufferBody(() => MAX_BODY)
  @ApiOperation({ operationId: 'openShareWithPassword', summary: 'Open a session shared with a password' })
  @ApiConsumes('application/json', 'application/x-www-form-urlencoded')
  @ApiBody({ type: CapturedSharePasswordBody })
  @ApiProduces(...FORMS)
  @ApiOkResponse({ type: CapturedSharedConversation })
  @ApiFailures(FAILURES)
  async unlock(
    @Param('token') token: string,
    @Query() query: CapturedSharedQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const password = CapturedSharePasswordBody.passwordOf(request);
    const shared = await this.access.open(token, { password, pass: null, address: networkOf(request) });
    if (formOf(request) !== 'html') return this.send(shared, query, request, response);
    const pass = this.access.passFor(shared);
    const cookie = { path: `/api/v1/sessions/share/${token}`, httpOnly: true, sameSite: 'lax' } as const;
    const secure = this.config.publicUrl.startsWith('https:');
    if (pass) response.cookie(PASS_COOKIE, pass.value, { ...cookie, secure, expires: pass.until });
    keepShared(response).redirect(303, request.originalUrl);
  }

  private async send(
    shared: SharedSession,
    query: CapturedSharedQuery,
    request: Request,
    response: Response,
  ): Promise<void> {
    const form = formOf(request);
    const page = CapturedSharedQuery.toPage(query);
    if (form === 'archive' || page.page === 1) await this.access.countView(shared);
    const version = await this.versions.current(shared.session);
    if (form === 'archive') return this.sendArchive(await this.archives.of(version, shared.rules), request, response);
    const found = this.conversation.read(version, page, form, shared.rules);
    if (form === 'html') return sendStream(conversationPage(shared, page, found), sharedHtml(response));
    keepShared(response).setHeader('Content-Type', 'application/json; charset=utf-8');
    await sendStream(CapturedSharedConversation.stream(shared, page, found), response);
  }

  private async sendArchive(archive: { digest: string; bytes: number }, request: Request, response: Response) {
    keepShared(response).setHeader('ETag', `"${archive.digest}"`);
    if (etagOf(request.headers['if-none-match']) === archive.digest) return void response.status(304).end();
    const content = await this.blobs.open(archive.digest);
    response.setHeader('Content-Type', ARCHIVE).setHeader('Content-Length', archive.bytes);
    response.setHeader('Content-Disposition', 'attachment; filename="session.tar.gz"');
    await sendStream(content, response);
  }
}
