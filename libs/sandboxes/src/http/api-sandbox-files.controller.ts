import { Controller, Get, Header, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import {
  ApiFailures,
  bodyStream,
  Caller,
  isForm,
  type Principal,
  readUploadedFile,
  RequireScopes,
  StreamBody,
} from '#platform';
import { AccountFilesService } from '../account-sandboxes/account-files.service.js';
import { AccountUploadsService } from '../account-sandboxes/account-uploads.service.js';
import { StagedFiles } from '../account-sandboxes/staged-files.js';
import {
  ApiSandboxFile,
  ApiSandboxFileQuery,
  ApiStagedFile,
  ApiUploadBody,
  ApiUploadedFiles,
} from './api-sandbox-files.dto.js';
import { ApiOwnAccount } from './api-sandboxes.dto.js';
import { receiveUpload } from './sandbox-upload.js';

/** Files in the checkouts of an account's own sandboxes (sandbox-sessions.md §A12.3). */
@ApiTags('Account sandboxes')
@Controller('api/sandboxes')
export class ApiSandboxFilesController {
  constructor(
    private readonly files: AccountFilesService,
    private readonly uploads: AccountUploadsService,
    private readonly staged: StagedFiles,
  ) {}

  /** A file of at most 1 MiB, as it is now, whether the sandbox is up or rests. */
  @Get('file')
  @RequireScopes('sandboxes:read')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ operationId: 'readSandboxFile', summary: 'Read a file' })
  @ApiOkResponse({ type: ApiSandboxFile })
  @ApiFailures({ 404: 'No such sandbox or file', 409: 'Nobody may read it', 413: 'The file is larger than 1 MiB' })
  async read(@Caller() caller: Principal, @Query() query: ApiSandboxFileQuery): Promise<ApiSandboxFile> {
    ApiOwnAccount.assert(query, caller);
    const [id, path] = [ApiSandboxFileQuery.toId(query), ApiSandboxFileQuery.toPath(query)];
    return ApiSandboxFile.from(await this.files.read(caller, id, path));
  }

  /**
   * Up to 100 files: in a form, each called as its file name says, or in JSON. Each is there whole or not at all; those
   * before one that is refused stay. Sent again they are written again.
   */
  @Post('files')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @StreamBody()
  @ApiOperation({ operationId: 'uploadSandboxFiles', summary: 'Upload files' })
  @ApiConsumes('application/json', 'multipart/form-data')
  @ApiBody({ type: ApiUploadBody })
  @ApiOkResponse({ type: ApiUploadedFiles })
  @ApiFailures({ 404: 'No such sandbox, or staged file' })
  async upload(
    @Caller() caller: Principal,
    @Query() query: ApiSandboxFileQuery,
    @Req() request: Request,
  ): Promise<ApiUploadedFiles> {
    ApiOwnAccount.assert(query, caller);
    const { sandboxId, files } = await receiveUpload(caller, query, request, this.uploads);
    return { status: 'success', sandboxId, files: [...files] };
  }

  /** A file that is put into sandboxes later, by its id: the body, or the field `file` of a form. Kept for a day. */
  @Post('staged-file')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @StreamBody()
  @ApiOperation({ operationId: 'stageSandboxFile', summary: 'Stage a file' })
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOkResponse({ type: ApiStagedFile })
  async stage(@Caller() caller: Principal, @Req() request: Request): Promise<ApiStagedFile> {
    const file = isForm(request)
      ? await readUploadedFile(request, 'file', (content) => this.staged.stage(caller, content, 0))
      : await this.staged.stage(caller, bodyStream(request), Number(request.headers['content-length'] ?? 0));
    return ApiStagedFile.from(file);
  }
}
