import { Body, Controller, Delete, Get, Patch, Post, Query, Req, UseGuards } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { Caller, type Principal, RequireScopes, SelfSettled } from '#platform';
import { FilesService } from '../files.service.js';
import type { Repo } from '../repo.js';
import { RepoCreation } from '../repo-creation.js';
import { ReposService } from '../repos.service.js';
import { decodeCursor, encodeCursor, pageOffset } from './page-query.js';
import { RepoGuard, TheRepo } from './repo.guard.js';
import { RepoUrls } from './repo-urls.js';
import {
  V1CreatedRepo,
  V1CreateRepoBody,
  V1Deleted,
  V1ListedRepo,
  V1Repo,
  V1RepoList,
  V1RepoListQuery,
  V1UpdatedRepo,
  V1UpdateRepoBody,
} from './v1-repos.dto.js';

@ApiTags('Repositories')
@Controller('v1/repos')
export class V1ReposController {
  constructor(
    private readonly creation: RepoCreation,
    private readonly repos: ReposService,
    private readonly files: FilesService,
    private readonly urls: RepoUrls,
  ) {}

  /** Creates a repository in the caller's account, with one empty commit unless `init` is false. */
  @Post()
  @RequireScopes('repos:write')
  @SelfSettled()
  @ApiOperation({ operationId: 'createRepo', summary: 'Create a repository' })
  @ApiCreatedResponse({ type: V1CreatedRepo })
  async create(
    @Caller() caller: Principal,
    @Body() body: V1CreateRepoBody,
    @Req() request: Request,
  ): Promise<V1CreatedRepo> {
    return this.creation.create(caller, V1CreateRepoBody.toNewRepo(body), (repo) =>
      V1CreatedRepo.from(repo, this.urls.of(request, caller, repo)),
    );
  }

  /** The account's repositories, last updated first. */
  @Get()
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'listRepos', summary: 'List repositories' })
  @ApiOkResponse({ type: V1RepoList })
  async list(@Caller() caller: Principal, @Query() query: V1RepoListQuery): Promise<V1RepoList> {
    const limit = V1RepoListQuery.limitOf(query);
    const after = query.cursor ? decodeCursor(query.cursor) : null;
    const offset = after ? 0 : pageOffset(query.offset);
    const page = await this.repos.list(caller, {
      limit,
      offset,
      after,
      namespace: query.namespace || null,
      templatesOnly: query.is_template === 'true',
    });
    const last = page.repos.at(-1);
    return {
      repos: page.repos.map((repo) => V1ListedRepo.from(repo)),
      limit,
      next_cursor: page.hasMore && last ? encodeCursor(last.updatedAt, last.id) : null,
      ...(after === null && { offset }),
    };
  }

  @Get(':slug')
  @RequireScopes('repos:read')
  @UseGuards(RepoGuard)
  @ApiOperation({ operationId: 'getRepo', summary: 'Get a repository' })
  @ApiOkResponse({ type: V1Repo })
  async get(@Caller() caller: Principal, @TheRepo() repo: Repo, @Req() request: Request): Promise<V1Repo> {
    return V1Repo.fromWhole(repo, this.urls.of(request, caller, repo), await this.files.isEmpty(repo));
  }

  /** Changes description, visibility, default branch or the template mark. */
  @Patch(':slug')
  @RequireScopes('repos:write')
  @UseGuards(RepoGuard)
  @ApiOperation({ operationId: 'updateRepo', summary: 'Change a repository' })
  @ApiOkResponse({ type: V1UpdatedRepo })
  async update(
    @Caller() caller: Principal,
    @TheRepo() repo: Repo,
    @Body() body: V1UpdateRepoBody,
  ): Promise<V1UpdatedRepo> {
    return V1UpdatedRepo.from(await this.repos.update(caller, repo, V1UpdateRepoBody.toChange(body)));
  }

  /** Removes the repository with all its refs and objects. There is no undo. */
  @Delete(':slug')
  @RequireScopes('repos:write')
  @UseGuards(RepoGuard)
  @ApiOperation({ operationId: 'deleteRepo', summary: 'Delete a repository' })
  @ApiOkResponse({ type: V1Deleted })
  async remove(@Caller() caller: Principal, @TheRepo() repo: Repo): Promise<V1Deleted> {
    await this.repos.delete(caller, repo);
    return { deleted: true };
  }
}
