import { Controller, Get, Res } from '@nestjs/common';
import {
  ApiExcludeEndpoint,
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiServiceUnavailableResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../access/access-rule.js';
import { Health, SERVICE_NAME, VERSION } from './health.js';

export class HealthReport {
  @ApiProperty({ enum: ['healthy', 'degraded'] }) status!: string;
  @ApiProperty({ example: VERSION }) version!: string;
  @ApiProperty({ example: SERVICE_NAME }) service!: string;
  @ApiProperty({ enum: ['ok', 'unreachable'] }) db!: string;
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    example: { available: true, level: 'cgroup-v2', uid: 60800 },
    description:
      'Whether commands can run, and how their limits are kept; `available` is null until that is known. `lacks` says ' +
      'what cannot work on this machine though it is configured, and why the kernel does not keep the limits',
  })
  sandboxes?: object;
}

@ApiTags('Health')
@Controller()
export class HealthController {
  constructor(private readonly health: Health) {}

  /** Liveness, version and whether the database answers. */
  @Get(['health', 'api/v1/health'])
  @Public()
  @ApiOperation({ operationId: 'getHealth', summary: 'State of the server and its database' })
  @ApiOkResponse({ type: HealthReport })
  @ApiServiceUnavailableResponse({ type: HealthReport })
  async report(@Res({ passthrough: true }) response: Response): Promise<HealthReport> {
    const db = (await this.health.isDatabaseUp()) ? 'ok' : 'unreachable';
    response.status(db === 'ok' ? 200 : 503);
    return {
      status: db === 'ok' ? 'healthy' : 'degraded',
      version: VERSION,
      service: SERVICE_NAME,
      db,
      ...this.health.describeParts(),
    };
  }

  /** The process is alive; says nothing about its dependencies. */
  @Get('livez')
  @Public()
  @ApiExcludeEndpoint()
  live(): { status: string } {
    return { status: 'ok' };
  }

  /** The process may receive traffic: every readiness check passes and it is not draining. */
  @Get('readyz')
  @Public()
  @ApiExcludeEndpoint()
  async ready(@Res({ passthrough: true }) response: Response): Promise<{ status: string; failing: string[] }> {
    const failing = await this.health.failingChecks();
    response.status(failing.length === 0 ? 200 : 503);
    return { status: failing.length === 0 ? 'ok' : 'not_ready', failing };
  }
}
