import { Body, Controller, Delete, Get, Param, Post, Put, Query, Req, UseGuards } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { PlanGate } from '#accounts';
import { DomainError } from '#kernel';
import { ApiFailures, Caller, pathOf, type Principal, RequireScopes } from '#platform';
import { RefsService } from '../refs.service.js';
import type { Repo } from '../repo.js';
import { invalidCursor, pageLimit } from './page-query.js';
import { RepoGuard, TheRepo } from './repo.guard.js';
import {
  V1Branch,
  V1BranchList,
  V1CreateBranchBody,
  V1CreatedBranch,
  V1DeletedBranch,
  V1DeletedRef,
  V1PutRefBody,
  V1Ref,
  V1RefList,
  V1RefListQuery,
  V1WrittenRef,
} from './v1-refs.dto.js';

/** A wildcard tail arrives in decoded segments; names with slashes work raw and as %2F. */
const joined = (segments: string | string[]): string => (Array.isArray(segments) ? segments.join('/') : segments);

@ApiTags('Branches and refs')
@Controller('v1/repos/:slug')
@UseGuards(RepoGuard)
export class V1RefsController {
  constructor(
    private readonly refs: RefsService,
    private readonly gate: PlanGate,
  ) {}

  /** A new branch at a commit, at another branch, or at the default branch. */
  @Post('branches')
  @RequireScopes('repos:write')
  @ApiOperation({ operationId: 'createBranch', summary: 'Create a branch' })
  @ApiCreatedResponse({ type: V1CreatedBranch })
  @ApiFailures({ 422: 'from_sha is not a commit' })
  async createBranch(
    @Caller() caller: Principal,
    @TheRepo() repo: Repo,
    @Body() body: V1CreateBranchBody,
  ): Promise<V1CreatedBranch> {
    const input = { name: body.name, from: body.from || null, fromSha: body.from_sha || null };
    return { ...V1Branch.from(await this.refs.createBranch(caller, repo, input)), created: true };
  }

  @Get('branches')
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'listBranches', summary: 'List branches' })
  @ApiOkResponse({ type: V1BranchList })
  async listBranches(@TheRepo() repo: Repo, @Query() query: V1RefListQuery): Promise<V1BranchList> {
    if (query.cursor?.includes('\0')) throw invalidCursor();
    const page = await this.refs.listBranches(repo, query.cursor || null, pageLimit(query.limit, 100, 500));
    return V1BranchList.from(page, repo.defaultBranch);
  }

  @Get('branches/*name')
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getBranch', summary: 'Get a branch' })
  @ApiOkResponse({ type: V1Branch })
  async getBranch(@TheRepo() repo: Repo, @Param('name') name: string | string[]): Promise<V1Branch> {
    return V1Branch.from(await this.refs.getBranch(repo, joined(name)));
  }

  @Delete('branches/*name')
  @RequireScopes('repos:write')
  @ApiOperation({ operationId: 'deleteBranch', summary: 'Delete a branch' })
  @ApiOkResponse({ type: V1DeletedBranch })
  async deleteBranch(
    @Caller() caller: Principal,
    @TheRepo() repo: Repo,
    @Param('name') name: string | string[],
  ): Promise<V1DeletedBranch> {
    await this.refs.deleteBranch(caller, repo, joined(name));
    return { deleted: true, name: joined(name) };
  }

  /** Branches and tags, in two shapes: `branches` + `tags`, and `refs` with full names. */
  @Get('refs')
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'listRefs', summary: 'List refs' })
  @ApiOkResponse({ type: V1RefList })
  async listRefs(@TheRepo() repo: Repo, @Query() query: V1RefListQuery, @Req() request: Request): Promise<V1RefList> {
    if (pathOf(request.originalUrl).endsWith('/'))
      throw new DomainError('bad_request', 'Ref path is required', { field: 'ref' });
    const page = await this.refs.list(repo, fullName(query.cursor), pageLimit(query.limit, 100, 500));
    return V1RefList.from(page, repo.defaultBranch);
  }

  @Get('refs/*ref')
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getRef', summary: 'Get a ref' })
  @ApiOkResponse({ type: V1Ref })
  async getRef(@TheRepo() repo: Repo, @Param('ref') ref: string | string[]): Promise<V1Ref> {
    return V1Ref.from(await this.refs.get(repo, `refs/${joined(ref)}`));
  }

  /** Creates or moves a ref, also backwards, with compare-and-set when `expected_sha` is given. */
  @Put('refs/*ref')
  @RequireScopes('repos:write')
  @ApiOperation({ operationId: 'putRef', summary: 'Create or move a ref' })
  @ApiOkResponse({ type: V1WrittenRef })
  @ApiFailures({ 422: 'A branch must point to a commit' })
  async putRef(
    @Caller() caller: Principal,
    @TheRepo() repo: Repo,
    @Param('ref') ref: string | string[],
    @Body() body: V1PutRefBody,
  ): Promise<V1WrittenRef> {
    await this.gate.assertMayCall(caller);
    const name = `refs/${joined(ref)}`;
    const { previous } = await this.refs.put(caller, repo, name, {
      sha: body.sha,
      expected: body.expected_sha ?? null,
    });
    return { ref: name, sha: body.sha, previous_sha: previous };
  }

  @Delete('refs/*ref')
  @RequireScopes('repos:write')
  @ApiOperation({ operationId: 'deleteRef', summary: 'Delete a ref' })
  @ApiOkResponse({ type: V1DeletedRef })
  async deleteRef(
    @Caller() caller: Principal,
    @TheRepo() repo: Repo,
    @Param('ref') ref: string | string[],
  ): Promise<V1DeletedRef> {
    return { ...V1Ref.from(await this.refs.delete(caller, repo, `refs/${joined(ref)}`)), deleted: true };
  }
}

/** The full ref name a list cursor (`branch:<name>`, `tag:<name>`) stands for. */
function fullName(cursor: string | undefined): string | null {
  if (!cursor) return null;
  const [, kind, name] = /^(branch|tag):([^\0]+)$/.exec(cursor) ?? [];
  if (!kind || !name) throw invalidCursor();
  return `refs/${kind === 'tag' ? 'tags' : 'heads'}/${name}`;
}
