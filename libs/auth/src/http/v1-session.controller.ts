import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  AuthenticatedOrCapability,
  Caller,
  HoldsSecret,
  KeyOnly,
  LenientBody,
  MaybeCaller,
  type Principal,
} from '#platform';
import { PinnedSessionsService } from '../pinned-sessions/pinned-sessions.service.js';
import { PresentedSessionId } from './session-header.js';
import {
  V1ClosedSession,
  V1FlushedSession,
  V1OpenedSession,
  V1OpenSessionBody,
  V1SessionStatus,
} from './v1-session.dto.js';

/** Pinned sessions (seed 000). Managing one takes a key of its account, or its id alone in X-Session-Id. */
@ApiTags('Pinned sessions')
@Controller('v1/session')
export class V1SessionController {
  constructor(private readonly sessions: PinnedSessionsService) {}

  /** Pins the key's identity. X-Session-Id is not looked at here, and a body that cannot be parsed counts as empty. */
  @Post()
  @KeyOnly()
  @LenientBody()
  @HoldsSecret()
  @ApiOperation({ operationId: 'openSession', summary: 'Open a pinned session' })
  @ApiCreatedResponse({ type: V1OpenedSession })
  async open(@Caller() caller: Principal, @Body() body: V1OpenSessionBody): Promise<V1OpenedSession> {
    const input = { ttlSeconds: body.ttl_seconds, idleExtend: body.idle_extend };
    return V1OpenedSession.from(await this.sessions.open(caller, input));
  }

  /** Works after the end too, for at least a day. */
  @Get(':id/status')
  @AuthenticatedOrCapability()
  @ApiOperation({ operationId: 'getSessionStatus', summary: 'State of a pinned session' })
  @ApiOkResponse({ type: V1SessionStatus })
  async status(
    @MaybeCaller() caller: Principal | null,
    @PresentedSessionId() presentedId: string | null,
    @Param('id') rawId: string,
  ): Promise<V1SessionStatus> {
    return V1SessionStatus.from(await this.sessions.status({ rawId, caller, presentedId }));
  }

  /** Writes are durable and visible once acknowledged; this waits until programs reading the ref files see them too. */
  @Post(':id/flush')
  @AuthenticatedOrCapability()
  @HttpCode(200)
  @ApiOperation({ operationId: 'flushSession', summary: 'Wait for what a pinned session wrote' })
  @ApiOkResponse({ type: V1FlushedSession })
  async flush(
    @MaybeCaller() caller: Principal | null,
    @PresentedSessionId() presentedId: string | null,
    @Param('id') rawId: string,
  ): Promise<V1FlushedSession> {
    return V1FlushedSession.from(await this.sessions.flush({ rawId, caller, presentedId }));
  }

  /** Ends the session on every node within a second. Repeating it answers the same with zeros. */
  @Delete(':id')
  @AuthenticatedOrCapability()
  @ApiOperation({ operationId: 'closeSession', summary: 'Close a pinned session' })
  @ApiOkResponse({ type: V1ClosedSession })
  async close(
    @MaybeCaller() caller: Principal | null,
    @PresentedSessionId() presentedId: string | null,
    @Param('id') rawId: string,
  ): Promise<V1ClosedSession> {
    return V1ClosedSession.fromFlushed(await this.sessions.close({ rawId, caller, presentedId }));
  }
}
