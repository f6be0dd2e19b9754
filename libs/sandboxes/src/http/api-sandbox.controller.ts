import { Body, Controller, Delete, Get, Headers, HttpCode, Post, Put, Query } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, Caller, type Principal, RecordedAfterwards, RequireScopes } from '#platform';
import { CodingLifecycleService } from '../lifecycle/coding-lifecycle.service.js';
import { CodingSandboxesService } from '../lifecycle/coding-sandboxes.service.js';
import { EXTENSION_MS } from '../lifecycle/life-times.js';
import {
  ApiActivity,
  ApiExtended,
  ApiPaused,
  ApiProvisionBody,
  ApiProvisioned,
  ApiReconnected,
  ApiResumeBody,
  ApiResumed,
  ApiSandboxBody,
  ApiSandboxQuery,
  ApiSandboxStatus,
  ApiStopped,
} from './api-sandbox.dto.js';
import { toVersion } from './api-sessions.dto.js';

const UNKNOWN = { 404: 'No such session' };
const CHANGED = { ...UNKNOWN, 412: 'The lifecycleVersion is another by now' };
const STOPS = { ...CHANGED, 503: '`sandboxes_unavailable`: what runs cannot be reached' };
const IF_MATCH = { name: 'If-Match', required: false, description: 'The lifecycleVersion that was seen' };

@ApiTags('Sandbox lifecycle')
@Controller('api/sandbox')
export class ApiSandboxController {
  constructor(
    private readonly sandboxes: CodingSandboxesService,
    private readonly lifecycle: CodingLifecycleService,
  ) {}

  /** Answers when the sandbox is ready: cloned, woken up, or running already. Without a session one is made. */
  @Post()
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @RecordedAfterwards()
  @ApiFailures({
    ...STOPS,
    404: 'No such session, or repository',
    502: 'It did not succeed; `lifecycleError` says why',
  })
  @ApiOperation({ operationId: 'provisionSandbox', summary: 'Bring the sandbox of a session up' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: ApiProvisioned })
  async provision(
    @Caller() caller: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body?: ApiProvisionBody,
  ): Promise<ApiProvisioned> {
    const made = await this.sandboxes.provision(caller, ApiProvisionBody.toNew(body), toVersion(ifMatch));
    return ApiProvisioned.from(made.session, made.readyMs, made.now);
  }

  /** From what is stored; may be polled. */
  @Get('status')
  @RequireScopes('sandboxes:read')
  @ApiFailures(UNKNOWN)
  @ApiOperation({ operationId: 'getSandboxStatus', summary: 'Status of a sandbox' })
  @ApiOkResponse({ type: ApiSandboxStatus })
  async status(@Caller() caller: Principal, @Query() query: ApiSandboxQuery): Promise<ApiSandboxStatus> {
    const { session, now } = await this.lifecycle.status(caller, ApiSandboxQuery.idOf(query));
    return ApiSandboxStatus.from(session, now);
  }

  /** Looks whether the sandbox is there. */
  @Get('reconnect')
  @RequireScopes('sandboxes:read')
  @ApiFailures(UNKNOWN)
  @ApiOperation({ operationId: 'reconnectSandbox', summary: 'Look for the sandbox of a session' })
  @ApiOkResponse({ type: ApiReconnected })
  async reconnect(@Caller() caller: Principal, @Query() query: ApiSandboxQuery): Promise<ApiReconnected> {
    const { session, now } = await this.lifecycle.reconnect(caller, ApiSandboxQuery.idOf(query));
    return ApiReconnected.from(session, now);
  }

  /** Ends what runs in the sandbox; its files stay. */
  @Delete()
  @RequireScopes('sandboxes:write')
  @RecordedAfterwards()
  @ApiFailures(STOPS)
  @ApiOperation({ operationId: 'stopSandbox', summary: 'Stop a sandbox' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: ApiStopped })
  async stop(
    @Caller() caller: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body?: ApiSandboxBody,
  ): Promise<ApiStopped> {
    const hasRun = await this.lifecycle.stop(caller, ApiSandboxBody.idOf(body), toVersion(ifMatch));
    return { success: true, ...(!hasRun && { alreadyStopped: true }) };
  }

  /** Twenty minutes more before the sandbox is stopped. */
  @Post('extend')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiFailures(CHANGED)
  @ApiOperation({ operationId: 'extendSandbox', summary: 'Give a sandbox more time' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: ApiExtended })
  async extend(
    @Caller() caller: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body?: ApiSandboxBody,
  ): Promise<ApiExtended> {
    const expiresAt = await this.lifecycle.extend(caller, ApiSandboxBody.idOf(body), toVersion(ifMatch));
    return { success: true, expiresAt: expiresAt.getTime(), extendedBy: EXTENSION_MS };
  }

  /** A sign of life: postpones hibernation. */
  @Post('activity')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiFailures(UNKNOWN)
  @ApiOperation({ operationId: 'pingSandbox', summary: 'Tell that a sandbox is used' })
  @ApiOkResponse({ type: ApiActivity })
  async activity(@Caller() caller: Principal, @Body() body?: ApiSandboxBody): Promise<ApiActivity> {
    const counts = await this.lifecycle.ping(caller, ApiSandboxBody.idOf(body));
    return counts ? { success: true } : { success: false, reason: 'not-active' };
  }

  /** Stops the sandbox and keeps what it has. */
  @Post('snapshot')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @RecordedAfterwards()
  @ApiFailures(STOPS)
  @ApiOperation({ operationId: 'pauseSandbox', summary: 'Pause a sandbox with a snapshot' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: ApiPaused })
  async pause(
    @Caller() caller: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body?: ApiSandboxBody,
  ): Promise<ApiPaused> {
    return ApiPaused.from(await this.lifecycle.pause(caller, ApiSandboxBody.idOf(body), toVersion(ifMatch)));
  }

  /** Wakes a paused sandbox up as it was left, or puts a snapshot in the place of what it has. */
  @Put('snapshot')
  @RequireScopes('sandboxes:write')
  @RecordedAfterwards()
  @ApiFailures({ ...STOPS, 404: 'No such session, nothing to resume, or another snapshot' })
  @ApiOperation({ operationId: 'resumeSandbox', summary: 'Resume a paused sandbox' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: ApiResumed })
  async resume(
    @Caller() caller: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body?: ApiResumeBody,
  ): Promise<ApiResumed> {
    const id = ApiSandboxBody.idOf(body);
    return ApiResumed.of(id, await this.lifecycle.resume(caller, id, body?.snapshotId ?? null, toVersion(ifMatch)));
  }
}
