import { Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Caller, type Principal, RequireScopes } from '#platform';
import { Previews } from '../workbench/previews.js';
import { ApiCodeEditor, ApiStoppedCodeEditor, ApiStoppedDevServer } from './api-workbench.dto.js';

const NOT_OFFERED = {
  status: 501,
  description: '`preview_not_available`: sandboxes have no network a browser reaches',
};

const STARTED = { description: 'Never from this server' };

/** Dev servers and browser editors, which this server does not offer: what would start one says so. */
@ApiTags('Sandbox checkouts')
@Controller('api/sessions/:session_id')
export class ApiPreviewsController {
  constructor(private readonly previews: Previews) {}

  @Post('dev-server')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'startDevServer', summary: 'Start a dev server (not offered)' })
  @ApiOkResponse(STARTED)
  @ApiResponse(NOT_OFFERED)
  startDevServer(@Caller() caller: Principal, @Param('session_id') id: string): Promise<never> {
    return this.previews.start(caller, id, 'dev server');
  }

  @Delete('dev-server')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'stopDevServer', summary: 'Stop the dev server' })
  @ApiOkResponse({ type: ApiStoppedDevServer })
  async stopDevServer(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiStoppedDevServer> {
    await this.previews.assertKnown(caller, id);
    return { stopped: false, packagePath: null, port: null };
  }

  @Get('code-editor')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getCodeEditor', summary: 'Whether a browser editor runs' })
  @ApiOkResponse({ type: ApiCodeEditor })
  async codeEditor(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiCodeEditor> {
    await this.previews.assertKnown(caller, id);
    return { running: false, url: null, port: null };
  }

  @Post('code-editor')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'startCodeEditor', summary: 'Start a browser editor (not offered)' })
  @ApiOkResponse(STARTED)
  @ApiResponse(NOT_OFFERED)
  startCodeEditor(@Caller() caller: Principal, @Param('session_id') id: string): Promise<never> {
    return this.previews.start(caller, id, 'code editor');
  }

  @Delete('code-editor')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'stopCodeEditor', summary: 'Stop the browser editor' })
  @ApiOkResponse({ type: ApiStoppedCodeEditor })
  async stopCodeEditor(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiStoppedCodeEditor> {
    await this.previews.assertKnown(caller, id);
    return { stopped: false };
  }
}
