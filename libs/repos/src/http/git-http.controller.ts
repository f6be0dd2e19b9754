import { Controller, Get, Headers, Post, Req, Res, UseGuards } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiQuery,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import {
  ApiFailures,
  AppConfig,
  bodyStream,
  Caller,
  type Principal,
  RequireScopes,
  RequireScopesUnlessPublic,
  StreamBody,
  Usage,
} from '#platform';
import { FetchService } from '../git-http/fetch.service.js';
import { PushService } from '../git-http/push.service.js';
import type { Repo } from '../repo.js';
import { type GitService, protocolVersion } from '../smart-http/git-protocol.js';
import { GitRepo, GitRepoGuard, TheGitService } from './git-repo.guard.js';
import { pushBody, streamReply } from './git-stream.js';

const BYTES = { schema: { type: 'string', format: 'binary' } };

/** git smart HTTP at `/{account}/[{namespace}/]{slug}.git` (coregit.md §15); errors are plain text. */
@ApiTags('Git')
@ApiSecurity('basic')
@Controller(':account/:slug.git')
@UseGuards(GitRepoGuard)
export class GitHttpController {
  constructor(
    private readonly fetches: FetchService,
    private readonly pushes: PushService,
    private readonly usage: Usage,
    private readonly config: AppConfig,
  ) {}

  /** What git asks first: versions, capabilities and, before version 2, the refs. Pushing needs `repos:write`. */
  @Get('info/refs')
  @RequireScopesUnlessPublic('repos:read')
  @ApiOperation({ operationId: 'gitInfoRefs', summary: 'Advertise refs to a git client' })
  @ApiQuery({ name: 'service', enum: ['git-upload-pack', 'git-receive-pack'] })
  @ApiProduces('application/x-git-upload-pack-advertisement', 'application/x-git-receive-pack-advertisement')
  @ApiOkResponse(BYTES)
  async advertise(
    @GitRepo() repo: Repo,
    @TheGitService() service: GitService,
    @Headers('git-protocol') protocol: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    const refs = await this.fetches.advertise(repo, service, protocolVersion(protocol));
    response.setHeader('Content-Type', `application/x-${service}-advertisement`).setHeader('Cache-Control', 'no-cache');
    response.send(refs);
  }

  /** Clone and fetch: negotiation in, a pack out. */
  @Post('git-upload-pack')
  @RequireScopesUnlessPublic('repos:read')
  @StreamBody()
  @ApiOperation({ operationId: 'gitUploadPack', summary: 'Serve a fetch' })
  @ApiConsumes('application/x-git-upload-pack-request')
  @ApiBody(BYTES)
  @ApiProduces('application/x-git-upload-pack-result')
  @ApiOkResponse(BYTES)
  async fetch(
    @GitRepo() repo: Repo,
    @Headers('git-protocol') protocol: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const type = 'application/x-git-upload-pack-result';
    const sent = await streamReply(response, type, bodyStream(request), (body, signal) =>
      this.fetches.serve(repo, body, protocolVersion(protocol), signal),
    );
    this.usage.count(repo.accountId, 'git_transfer_bytes', sent);
  }

  /** Push: commands and a pack in, a report per ref out. */
  @Post('git-receive-pack')
  @RequireScopes('repos:write')
  @StreamBody()
  @ApiOperation({ operationId: 'gitReceivePack', summary: 'Take a push' })
  @ApiConsumes('application/x-git-receive-pack-request')
  @ApiBody(BYTES)
  @ApiProduces('application/x-git-receive-pack-result')
  @ApiOkResponse(BYTES)
  @ApiFailures({ 413: 'The push is larger than MAX_PUSH_BYTES' })
  async push(
    @Caller() caller: Principal,
    @GitRepo() repo: Repo,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const type = 'application/x-git-receive-pack-result';
    await streamReply(response, type, pushBody(request, this.config.MAX_PUSH_BYTES), (body, signal) =>
      this.pushes.receive(caller, repo, body, signal),
    );
  }
}
