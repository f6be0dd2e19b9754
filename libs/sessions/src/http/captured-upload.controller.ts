import { Controller, Post, Query, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { ApiFailures, Caller, type Principal, StreamBody, UserOnly } from '#platform';
import { UploadService } from '../sync/upload.service.js';
import { CapturedUploaded, CapturedUploadQuery } from './captured-upload.dto.js';
import { deliveryOf, FILE_FORM } from './delivery.js';

@ApiTags('Captured sessions')
@Controller('api/v1/sessions')
export class CapturedUploadController {
  constructor(private readonly uploads: UploadService) {}

  /** Makes a session of an archive, under an id of the server's (sessionfs-1.md §7.7). */
  @Post()
  @UserOnly()
  @StreamBody()
  @ApiOperation({ operationId: 'uploadSession', summary: 'Upload a captured session' })
  @ApiConsumes('multipart/form-data')
  @ApiBody(FILE_FORM)
  @ApiCreatedResponse({ type: CapturedUploaded })
  @ApiFailures({ 400: 'No readable archive, or bad title or tags', 413: 'The archive is too large' })
  async upload(
    @Caller() caller: Principal,
    @Query() query: CapturedUploadQuery,
    @Req() request: Request,
  ): Promise<CapturedUploaded> {
    const facts = CapturedUploadQuery.toFacts(query);
    return CapturedUploaded.from(await this.uploads.upload(caller, facts, deliveryOf(request)));
  }
}
