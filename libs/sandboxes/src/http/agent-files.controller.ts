import type { IncomingHttpHeaders } from 'node:http';
import { basename, extname } from 'node:path';
import { Controller, Delete, Get, Headers, HttpCode, Param, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import {
  ApiFailures,
  bodyStream,
  Caller,
  contentRange,
  parseByteRange,
  type Principal,
  RequireScopes,
  sendStream,
  StreamBody,
} from '#platform';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import { AccessScope } from '../scope/access-scope.js';
import { Preconditions } from '../workspace/preconditions.js';
import { type FileView, type OpenFile, WorkspaceFiles } from '../workspace/workspace-files.js';
import { AgentFileEntry, AgentWrittenFile, directoryIn } from './agent-files.dto.js';

const BYTES = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } as const;
const LISTING = {
  'application/json': { schema: { type: 'array', items: { $ref: getSchemaPath(AgentFileEntry) } } },
} as const;
const OUT_OF_SCOPE = '`not_in_scope`, whether it is there or not; or the credential lacks a scope';
const PATH = { name: 'path', description: 'Workspace-relative; slashes need no escape', type: String };

/** The workspace as the session's scope shows it; outside of it everything is 403, there or not. */
@ApiTags('Agent files')
@Controller('v1/sessions/:session_id/files')
export class AgentFilesController {
  constructor(
    private readonly sessions: AgentSessionsService,
    private readonly files: WorkspaceFiles,
  ) {}

  /** The entries of a directory by name; those on the way to the scope show only that way. */
  @Get()
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listAgentFiles', summary: 'List a directory' })
  @ApiQuery({ name: 'path', required: false, description: 'The workspace itself when absent', type: String })
  @ApiOkResponse({ type: [AgentFileEntry] })
  @ApiFailures({ 403: OUT_OF_SCOPE, 409: '`not_a_directory` or `too_many_entries`' })
  async list(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Query('path') path: unknown,
  ): Promise<AgentFileEntry[]> {
    const view = await this.viewOf(caller, id);
    const entries = await this.files.list(view, directoryIn(path));
    return entries.map((entry) => AgentFileEntry.from(entry));
  }

  /** A file's bytes, or part of them; of a directory its listing. */
  @Get('*path')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getAgentFile', summary: 'Read a file' })
  @ApiParam(PATH)
  @ApiHeader({ name: 'Range', required: false })
  @ApiHeader({ name: 'If-Match', required: false, description: 'ETags, or *' })
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'ETags, or *' })
  @ApiOkResponse({ content: { ...BYTES, ...LISTING } })
  @ApiResponse({ status: 206, description: 'One byte range, with Content-Range', content: BYTES })
  @ApiResponse({ status: 304, description: 'It has the ETag of If-None-Match' })
  @ApiFailures({
    403: OUT_OF_SCOPE,
    409: '`not_a_file`: neither a file nor a directory',
    412: 'The file is not what If-Match says',
    416: 'No such range',
  })
  async get(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Param('path') names: string[],
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const view = await this.viewOf(caller, id);
    const path = names.join('/');
    const found = await this.files.open(view, path);
    if (found.kind === 'file') return sendFile(found, path, request, response);
    const entries = await this.files.list(view, path);
    response.json(entries.map((entry) => AgentFileEntry.from(entry)));
  }

  /** The whole file at once: readers see the old content or the new. Missing directories are made. */
  @Put('*path')
  @RequireScopes('sandboxes:write')
  @HttpCode(201)
  @StreamBody()
  @ApiOperation({ operationId: 'putAgentFile', summary: 'Write a file' })
  @ApiParam(PATH)
  @ApiHeader({ name: 'If-Match', required: false, description: 'ETags, or *' })
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'ETags, or * to write a new file only' })
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiCreatedResponse({ type: AgentWrittenFile })
  @ApiFailures({
    403: OUT_OF_SCOPE,
    409: '`is_directory`, or `not_a_directory` on the way',
    412: 'The file is not what If-Match or If-None-Match says; `etag` is its own',
    413: 'The file is too large; `workspace.full`: the workspace has no room for it',
  })
  async put(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Param('path') names: string[],
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentWrittenFile> {
    const { 'content-length': length } = request.headers;
    const terms = {
      preconditions: Preconditions.of(request.headers),
      announcedBytes: length === undefined ? null : Number(length),
    };
    const view = await this.viewOf(caller, id);
    const written = await this.files.write(view, names.join('/'), terms, bodyStream(request));
    response.setHeader('ETag', written.etag);
    return AgentWrittenFile.from(written);
  }

  @Delete('*path')
  @RequireScopes('sandboxes:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteAgentFile', summary: 'Delete a file or an empty directory' })
  @ApiParam(PATH)
  @ApiHeader({ name: 'If-Match', required: false, description: 'ETags, or *' })
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'ETags, or *' })
  @ApiNoContentResponse()
  @ApiFailures({
    403: '`not_in_scope`; also for an entry of the scope itself',
    409: '`not_empty`: a directory with entries',
    412: 'The file is not what If-Match or If-None-Match says',
  })
  async remove(
    @Caller() caller: Principal,
    @Param('session_id') id: string,
    @Param('path') names: string[],
    @Headers() headers: IncomingHttpHeaders,
  ): Promise<void> {
    await this.files.remove(await this.viewOf(caller, id), names.join('/'), Preconditions.of(headers));
  }

  private async viewOf(caller: Principal, id: string): Promise<FileView> {
    const session = await this.sessions.get(caller, id);
    return { caller, accountId: session.accountId, scope: new AccessScope(session.id, session.fileAccess) };
  }
}

/** The file is somebody's upload: never shown as a page of this server. */
async function sendFile(file: OpenFile, path: string, request: Request, response: Response): Promise<void> {
  try {
    const preconditions = Preconditions.of(request.headers);
    preconditions.assertMatched(file.etag);
    response.setHeader('ETag', file.etag);
    response.setHeader('Last-Modified', file.modifiedAt.toUTCString());
    response.setHeader('Accept-Ranges', 'bytes');
    response.setHeader('Cache-Control', 'private, no-cache');
    if (preconditions.isRuledOut(file.etag)) {
      response.status(304).end();
      return;
    }
    const condition = request.headers['if-range'];
    const isSame = condition === undefined || condition === file.etag;
    const { range: asked } = request.headers;
    // Several ranges at once may be answered by the whole (RFC 9110 §14.2).
    const range = isSame && !asked?.includes(',') ? parseByteRange(asked, file.size, true) : null;
    if (range) response.status(206).setHeader('Content-Range', contentRange(range, file.size));
    response.type(extname(path) || 'application/octet-stream');
    response.attachment(basename(path));
    const { start, end } = range ?? { start: 0, end: file.size };
    response.setHeader('Content-Length', end - start);
    if (request.method === 'HEAD' || end === start) response.end();
    else await sendStream(file.read({ start, end }), response);
  } finally {
    await file.close();
  }
}
