import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Clock } from '#kernel';
import {
  allowSilence,
  ApiFailures,
  Caller,
  clientGone,
  OwnIdempotency,
  type Principal,
  RecordedAfterwards,
  RequireScopes,
  toIdempotencyKey,
} from '#platform';
import { AccountCommandsService } from '../account-sandboxes/account-commands.service.js';
import { AccountHomesService } from '../account-sandboxes/account-homes.service.js';
import { toCreationKey } from '../account-sandboxes/account-sandbox.js';
import { AccountSandboxListService } from '../account-sandboxes/account-sandbox-list.service.js';
import { AccountSandboxesService } from '../account-sandboxes/account-sandboxes.service.js';
import type { ExecutionRecord } from '../executions/execution.js';
import { AgentExecution } from './agent-executions.dto.js';
import {
  ApiAccountSandbox,
  ApiCreateSandboxBody,
  ApiHomeDropped,
  ApiHomeSet,
  ApiMadeSandbox,
  ApiOneExecution,
  ApiOwnAccount,
  ApiSandboxesQuery,
  ApiSandboxExecution,
  ApiSandboxList,
  ApiSetSnapshotBody,
  ApiSetUp,
} from './api-sandboxes.dto.js';
import { executedWhole } from './execution-frames.js';

/** Sandboxes of an account itself, for those who know no sessions (sandbox-sessions.md §A12.3). */
@ApiTags('Account sandboxes')
@Controller('api/sandboxes')
export class ApiSandboxesController {
  constructor(
    private readonly sandboxes: AccountSandboxesService,
    private readonly overview: AccountSandboxListService,
    private readonly homes: AccountHomesService,
    private readonly commands: AccountCommandsService,
    private readonly clock: Clock,
  ) {}

  /** The account's sandboxes, newest first, what new ones begin with, and the files of the current one. */
  @Get()
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listAccountSandboxes', summary: 'List sandboxes' })
  @ApiOkResponse({ type: ApiSandboxList })
  async list(@Caller() caller: Principal, @Query() query: ApiSandboxesQuery): Promise<ApiSandboxList> {
    ApiOwnAccount.assert(query, caller);
    const page = await this.overview.list(caller, ApiSandboxesQuery.toPage(query));
    return ApiSandboxList.from(page, this.clock.now());
  }

  /**
   * A new sandbox, up when this answers. A command is run in it, and waited for unless `background`; a prompt is answered
   * by a run that brings the sandbox up itself, at `/api/chat/runs/{runId}`.
   */
  @Post()
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @OwnIdempotency()
  @ApiOperation({ operationId: 'createAccountSandbox', summary: 'Create a sandbox' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A repeat gets the sandbox made before' })
  @ApiOkResponse({ type: ApiMadeSandbox })
  @ApiFailures({ 502: 'It was made, and could not be brought up', 503: 'llm_not_configured' })
  async create(
    @Caller() caller: Principal,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) response: Response,
    @Body() body?: ApiCreateSandboxBody,
  ): Promise<ApiMadeSandbox> {
    ApiOwnAccount.assert(body, caller);
    allowSilence(response);
    const [prompt, line, own] = [
      ApiCreateSandboxBody.toPrompt(body),
      ApiCreateSandboxBody.toLine(body),
      toIdempotencyKey(key),
    ];
    const creation = own === null ? null : toCreationKey(caller.keyId, own, body ?? {});
    const made = await this.sandboxes.create(caller, prompt, creation);
    const record = line && (await this.commands.start(caller, made.session, line, own));
    return ApiMadeSandbox.from(made, record && (await this.shown(record, response)), this.clock.now());
  }

  /** A command that was started with a sandbox; what it printed once it has ended. */
  @Get('executions/:execution_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getSandboxExecution', summary: 'Get a command' })
  @ApiOkResponse({ type: ApiOneExecution })
  async execution(
    @Caller() caller: Principal,
    @Param('execution_id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ApiOneExecution> {
    const record = await this.commands.get(caller, id);
    const isRunning = record.endedAt === null && !record.isAbandoned;
    return { status: 'success', execution: await this.shown({ ...record, isBackground: isRunning }, response) };
  }

  /** New sandboxes begin with this snapshot. */
  @Patch()
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'setSandboxSnapshot', summary: 'Set the snapshot that new sandboxes begin with' })
  @ApiOkResponse({ type: ApiHomeSet })
  @ApiFailures({ 404: 'No sandbox of the account has this snapshot' })
  async setSnapshot(@Caller() caller: Principal, @Body() body?: ApiSetSnapshotBody): Promise<ApiHomeSet> {
    ApiOwnAccount.assert(body, caller);
    return ApiHomeSet.from(await this.homes.setSnapshot(caller, ApiSetSnapshotBody.toId(body)));
  }

  /** The account's repository with all that is in it, and the snapshot. There is no undo. Sandboxes stay. */
  @Delete()
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'dropSandboxHome', summary: 'Delete the repository and the snapshot of sandboxes' })
  @ApiOkResponse({ type: ApiHomeDropped })
  async drop(@Caller() caller: Principal, @Body() body?: ApiOwnAccount): Promise<ApiHomeDropped> {
    ApiOwnAccount.assert(body, caller);
    return ApiHomeDropped.from(await this.homes.drop(caller));
  }

  /** A repository for the account and a sandbox on it, unless they are there. May be called any number of times. */
  @Post('setup')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @RecordedAfterwards()
  @ApiOperation({ operationId: 'setUpSandboxes', summary: 'Make the repository and the first sandbox' })
  @ApiOkResponse({ type: ApiSetUp })
  async setUp(@Caller() caller: Principal, @Body() body?: ApiOwnAccount): Promise<ApiSetUp> {
    ApiOwnAccount.assert(body, caller);
    const session = await this.sandboxes.setUp(caller);
    const sandboxes = [ApiAccountSandbox.from(session, this.clock.now())];
    return { ...ApiHomeSet.from(await this.homes.get(caller)), sandboxes };
  }

  /** With its output once it has ended; one in the background, or that its client leaves, as it is now. */
  private async shown(record: ExecutionRecord, response: Response): Promise<ApiSandboxExecution> {
    const whole = record.isBackground ? null : await executedWhole(this.commands.follow(record, clientGone(response)));
    return ApiSandboxExecution.from(whole ?? AgentExecution.from(record));
  }
}
