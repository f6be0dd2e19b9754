import { Body, Controller, Get, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, BufferBody, Caller, type Principal, RequireScopes, SelfSettled } from '#platform';
import { CommitsService } from '../commits.service.js';
import type { Repo } from '../repo.js';
import { pageLimit } from './page-query.js';
import { RepoGuard, TheRepo } from './repo.guard.js';
import {
  V1Commit,
  V1CommitList,
  V1CommitListQuery,
  V1CreateCommitBody,
  V1CreatedCommit,
  V1ListedCommit,
} from './v1-commits.dto.js';

const SHA = /^[0-9a-f]{40}$/i;

@ApiTags('Commits')
@Controller('v1/repos/:slug/commits')
@UseGuards(RepoGuard)
export class V1CommitsController {
  constructor(private readonly commits: CommitsService) {}

  /** Commits up to 1,000 file changes in one step; durable when answered. */
  @Post()
  @RequireScopes('repos:write')
  @BufferBody((config) => config.MAX_COMMIT_BODY)
  @SelfSettled()
  @ApiOperation({ operationId: 'createCommit', summary: 'Commit files' })
  @ApiBody({ type: V1CreateCommitBody })
  @ApiCreatedResponse({ type: V1CreatedCommit })
  @ApiFailures({
    402: 'lazy_edit needs a paid tier',
    422: 'An edit does not fit the file (`context`), or a file and a directory clash',
    503: 'lazy_edit is not configured, or the disk is full',
  })
  create(@Caller() caller: Principal, @TheRepo() repo: Repo, @Body() body: Buffer): Promise<V1CreatedCommit> {
    return this.commits.create(caller, repo, body, (commit) => V1CreatedCommit.from(commit));
  }

  /** First-parent history, newest first. */
  @Get()
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'listCommits', summary: 'List commits' })
  @ApiOkResponse({ type: V1CommitList })
  async list(@TheRepo() repo: Repo, @Query() query: V1CommitListQuery): Promise<V1CommitList> {
    const cursor = query.cursor && SHA.test(query.cursor) ? query.cursor.toLowerCase() : null;
    const page = await this.commits.list(repo, {
      ref: query.ref || query.branch || null,
      limit: pageLimit(query.limit, 20, 100),
      cursor,
    });
    const last = page.commits.at(-1);
    return {
      commits: page.commits.map((commit) => V1ListedCommit.from(commit)),
      ref: page.ref,
      has_more: page.hasMore,
      next_cursor: page.hasMore && last ? last.sha : null,
    };
  }

  /** One commit by full sha or unambiguous prefix. */
  @Get(':sha')
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getCommit', summary: 'Get a commit' })
  @ApiOkResponse({ type: V1Commit })
  async get(@TheRepo() repo: Repo, @Param('sha') sha: string): Promise<V1Commit> {
    return V1Commit.from(await this.commits.get(repo, sha));
  }
}
