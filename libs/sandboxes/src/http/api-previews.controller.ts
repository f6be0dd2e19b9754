import { Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, Caller, HoldsSecret, type Principal, RecordedAfterwards, RequireScopes } from '#platform';
import { PreviewsService } from '../previews/previews.service.js';
import {
  ApiCodeEditor,
  ApiDevServer,
  ApiStartedCodeEditor,
  ApiStoppedCodeEditor,
  ApiStoppedDevServer,
} from './api-previews.dto.js';

const START = {
  409: '`sandbox_stopped`: it is not up; `port_taken`, `preview_elsewhere`; `preview_failed` with what it said last',
  429: '`exec.limit`: as many commands run in the sandbox as may; or too many requests',
  501: '`preview_not_available`: what the operator has to do is in the message',
  503: '`sandboxes_unavailable`, with the cause and what to do about it',
  504: '`preview_not_answering`: nothing answers at its port',
};

/** Dev servers and browser editors (sandbox-sessions.md §A11.4). */
@ApiTags('Sandbox checkouts')
@Controller('api/sessions/:session_id')
export class ApiPreviewsController {
  constructor(private readonly previews: PreviewsService) {}

  @Post('dev-server')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @RecordedAfterwards()
  @HoldsSecret()
  @ApiOperation({
    operationId: 'startDevServer',
    summary: 'Start the dev server, or get the address of the one that runs',
  })
  @ApiOkResponse({ type: ApiDevServer })
  @ApiFailures({ ...START, 409: `${START[409]}; \`no_dev_script\`` })
  startDevServer(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiDevServer> {
    return this.previews.startDevServer(caller, id);
  }

  @Delete('dev-server')
  @RequireScopes('sandboxes:write')
  @RecordedAfterwards()
  @ApiOperation({ operationId: 'stopDevServer', summary: 'Stop the dev server' })
  @ApiOkResponse({ type: ApiStoppedDevServer })
  async stopDevServer(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiStoppedDevServer> {
    const stopped = await this.previews.stopDevServer(caller, id);
    return { stopped: stopped !== null, packagePath: stopped?.packagePath ?? null, port: stopped?.port ?? null };
  }

  @Get('code-editor')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getCodeEditor', summary: 'Whether a browser editor runs, and its address' })
  @ApiOkResponse({ type: ApiCodeEditor })
  async codeEditor(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiCodeEditor> {
    const editor = await this.previews.findEditor(caller, id);
    return { running: editor !== null, url: editor?.url ?? null, port: editor?.port ?? null };
  }

  @Post('code-editor')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @RecordedAfterwards()
  @HoldsSecret()
  @ApiOperation({
    operationId: 'startCodeEditor',
    summary: 'Start the browser editor, or get the address of the one that runs',
  })
  @ApiOkResponse({ type: ApiStartedCodeEditor })
  @ApiFailures(START)
  startCodeEditor(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiStartedCodeEditor> {
    return this.previews.startEditor(caller, id);
  }

  @Delete('code-editor')
  @RequireScopes('sandboxes:write')
  @RecordedAfterwards()
  @ApiOperation({ operationId: 'stopCodeEditor', summary: 'Stop the browser editor' })
  @ApiOkResponse({ type: ApiStoppedCodeEditor })
  async stopCodeEditor(@Caller() caller: Principal, @Param('session_id') id: string): Promise<ApiStoppedCodeEditor> {
    return { stopped: await this.previews.stopEditor(caller, id) };
  }
}
