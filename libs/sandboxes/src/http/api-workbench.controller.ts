import { Body, Controller, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { DomainError } from '#kernel';
import { ApiFailures, Caller, type Principal, RecordedAfterwards, RequireScopes } from '#platform';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { toFix } from '../workbench/check-fixes.js';
import { CheckoutDiffService } from '../workbench/checkout-diff.service.js';
import { CheckoutFilesService } from '../workbench/checkout-files.service.js';
import { FoundSkillsService } from '../workbench/found-skills.service.js';
import { GitWorkService } from '../workbench/git-work.service.js';
import {
  ApiCachedDiff,
  ApiChecksFix,
  ApiCommitMessage,
  ApiDiff,
  ApiDiscardBody,
  ApiDiscarded,
  ApiFixChecksBody,
  ApiFoundSkills,
  ApiGitStatus,
  ApiGitStatusBody,
  ApiSuggestedPaths,
  ApiTextFile,
} from './api-workbench.dto.js';

const NOT_UP = { 409: 'The sandbox is not up, or has no repository', 503: '`sandboxes_unavailable`' };
const GIT = { ...NOT_UP, 504: 'git took too long' };

/** The checkout of a session: its files, its diff, its uncommitted work (sandbox-sessions.md §A11). */
@ApiTags('Sandbox checkouts')
@Controller('api')
export class ApiWorkbenchController {
  constructor(
    private readonly sessions: CodingSessionsService,
    private readonly files: CheckoutFilesService,
    private readonly diffs: CheckoutDiffService,
    private readonly work: GitWorkService,
    private readonly skills: FoundSkillsService,
  ) {}

  /** What git tracks or would track, with the directories it is in: shallow first, then by name. */
  @Get('sessions/:session_id/files')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'suggestCheckoutPaths', summary: 'List the files of a checkout' })
  @ApiFailures(GIT)
  @ApiOkResponse({ type: ApiSuggestedPaths })
  async list(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiSuggestedPaths> {
    return { files: await this.files.list(caller, id) };
  }

  /** A text file of at most 200 kB, as it is now. */
  @Get('sessions/:session_id/files/content')
  @RequireScopes('sandboxes:read')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ operationId: 'readCheckoutFile', summary: 'Read a text file of a checkout' })
  @ApiFailures({ ...NOT_UP, 413: 'The file has more than 200 kB' })
  @ApiQuery({ name: 'path', description: 'Below the checkout', type: String })
  @ApiOkResponse({ type: ApiTextFile })
  read(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Query('path') path: unknown,
  ): Promise<ApiTextFile> {
    return this.files.read(caller, id, typeof path === 'string' ? path : '');
  }

  /** All work since the default branch was left, committed or not. The answer is stored with the session. */
  @Get('sessions/:session_id/diff')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'diffCheckout', summary: 'What a session has changed' })
  @ApiFailures(GIT)
  @ApiOkResponse({ type: ApiDiff })
  diff(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiDiff> {
    return this.diffs.live(caller, id);
  }

  /** The last answer of `diff`, whether the sandbox is up or not. */
  @Get('sessions/:session_id/diff/cached')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getCachedDiff', summary: 'The last diff of a session' })
  @ApiOkResponse({ type: ApiCachedDiff })
  async cachedDiff(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiCachedDiff> {
    return ApiCachedDiff.from(await this.diffs.cached(caller, id));
  }

  /** Skills that lie in the sandbox. `refresh` is accepted: they are read anew each time. */
  @Get('sessions/:session_id/skills')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listSandboxSkills', summary: 'Skills found in a sandbox' })
  @ApiFailures(NOT_UP)
  @ApiQuery({ name: 'refresh', required: false, type: String })
  @ApiOkResponse({ type: ApiFoundSkills })
  async listSkills(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiFoundSkills> {
    return { skills: await this.skills.list(caller, id) };
  }

  /** Back to the last commit, new files removed: everything, or one path. */
  @Post('sessions/:session_id/discard-uncommitted')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'discardUncommitted', summary: 'Discard uncommitted work' })
  @ApiBody({ type: ApiDiscardBody, required: false })
  @RecordedAfterwards()
  @ApiFailures(GIT)
  @ApiOkResponse({ type: ApiDiscarded })
  async discard(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Body() body?: ApiDiscardBody,
  ): Promise<ApiDiscarded> {
    const isDirty = await this.work.discard(caller, id, ApiDiscardBody.toPaths(body));
    return { discarded: true, hasUncommittedChanges: isDirty };
  }

  @Post('git-status')
  @RequireScopes('sandboxes:read')
  @HttpCode(200)
  @ApiOperation({ operationId: 'getGitStatus', summary: 'Branch and state of a checkout' })
  @ApiFailures({ ...GIT, 404: 'No such session' })
  @ApiOkResponse({ type: ApiGitStatus })
  async status(@Caller() caller: Principal, @Body() body?: ApiGitStatusBody): Promise<ApiGitStatus> {
    return ApiGitStatus.from(await this.work.status(caller, ApiGitStatusBody.idOf(body)));
  }

  /** A model's proposal for the uncommitted work; nothing is committed. */
  @Post('sessions/:session_id/generate-commit-message')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'generateCommitMessage', summary: 'Propose a commit message' })
  @RecordedAfterwards()
  @ApiFailures({ ...GIT, 502: 'The model gave none', 503: '`llm_not_configured`, `sandboxes_unavailable`' })
  @ApiOkResponse({ type: ApiCommitMessage })
  async commitMessage(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiCommitMessage> {
    return { message: await this.work.proposeMessage(caller, id) };
  }

  /** What to tell the agent of checks that failed. Nothing is run and nothing is fetched. */
  @Post('sessions/:session_id/checks/fix')
  @RequireScopes('sandboxes:read')
  @HttpCode(200)
  @ApiOperation({ operationId: 'fixChecks', summary: 'Build a prompt from failed checks' })
  @ApiOkResponse({ type: ApiChecksFix })
  async fixChecks(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Body() body?: ApiFixChecksBody,
  ): Promise<ApiChecksFix> {
    const checks = ApiFixChecksBody.toChecks(body);
    await this.sessions.get(caller, id);
    const fix = toFix(checks);
    if (!fix) throw new DomainError('bad_request', 'No failed checks', { field: 'checkRuns' });
    return fix;
  }
}
