import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiProduces, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { DomainError } from '#kernel';
import { ApiFailures, contentRange, parseByteRange, RequireScopes } from '#platform';
import { FilesService, type FoundBlob, MAX_WHOLE_BLOB } from '../files.service.js';
import type { Repo } from '../repo.js';
import { RepoGuard, TheRepo } from './repo.guard.js';
import { V1BatchBody, V1BatchResult, V1Blob, V1Tree } from './v1-files.dto.js';

const joined = (rest: string | string[] | undefined): string => (Array.isArray(rest) ? rest.join('/') : (rest ?? ''));

const BYTES = { type: 'string', format: 'binary' };
const NOT_MODIFIED = { status: 304, description: 'The ETag of If-None-Match still holds' };
const BAD_RANGE = 'The range lies outside the file; Content-Range tells its size';

@ApiTags('Files')
@Controller('v1/repos/:slug')
@UseGuards(RepoGuard)
export class V1FilesController {
  constructor(private readonly files: FilesService) {}

  /** Entries of a directory; `<ref>/<path>`, the default branch when empty. Names with slashes work. */
  @Get(['tree', 'tree/*rest'])
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getTree', summary: 'List a directory' })
  @ApiParam({ name: 'rest', description: '<ref>/<path>', required: false })
  @ApiQuery({ name: 'recursive', required: false, enum: ['true'] })
  @ApiOkResponse({ type: V1Tree })
  @ApiResponse(NOT_MODIFIED)
  async tree(
    @TheRepo() repo: Repo,
    @Param('rest') rest: string | string[] | undefined,
    @Query('recursive') recursive: string | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<V1Tree | undefined> {
    const isRecursive = recursive === 'true';
    const { target, listing } = await this.files.tree(repo, joined(rest), isRecursive);
    cacheFor(response, repo, target.isImmutable);
    const etag = `"${listing.treeSha}${isRecursive ? '-r' : ''}"`;
    response.setHeader('ETag', etag);
    return isFresh(request, etag) ? notModified(response) : V1Tree.from(target, listing, isRecursive);
  }

  /** A file as JSON; base64 when it is not text. One byte range is understood. */
  @Get(['blob', 'blob/*rest'])
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getBlob', summary: 'Read a file as JSON' })
  @ApiParam({ name: 'rest', description: '<ref>/<path>' })
  @ApiOkResponse({ type: V1Blob })
  @ApiResponse({ status: 206, type: V1Blob, description: 'One byte range, with Content-Range' })
  @ApiResponse(NOT_MODIFIED)
  @ApiFailures({ 416: BAD_RANGE })
  async blob(
    @TheRepo() repo: Repo,
    @Param('rest') rest: string | string[] | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<V1Blob | undefined> {
    const blob = await this.files.findBlob(repo, joined(rest));
    const isCurrent = isFresh(request, `"${blob.sha}"`);
    const range = isCurrent ? null : parseByteRange(rangeOf(request, blob), blob.size, false);
    if (!range && !isCurrent) assertServable(blob, 'File exceeds 50 MB size limit. Use Range header to fetch a slice.');
    blobHeaders(response, repo, blob);
    if (isCurrent) return notModified(response);
    const text = await this.files.readText(repo, blob, range);
    if (range) response.status(206).setHeader('Content-Range', contentRange(range, blob.size));
    return V1Blob.from(blob.target.path, blob.sha, text, range);
  }

  /** A file's bytes, streamed; ranges `a-b`, `a-` and `-n`. */
  @Get(['raw', 'raw/*rest'])
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getRaw', summary: "Read a file's bytes" })
  @ApiParam({ name: 'rest', description: '<ref>/<path>' })
  @ApiProduces('text/plain', 'application/octet-stream')
  @ApiOkResponse({ schema: BYTES })
  @ApiResponse({ status: 206, description: 'One byte range, with Content-Range', schema: BYTES })
  @ApiResponse(NOT_MODIFIED)
  @ApiFailures({ 416: BAD_RANGE })
  async raw(
    @TheRepo() repo: Repo,
    @Param('rest') rest: string | string[] | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const blob = await this.files.findBlob(repo, joined(rest));
    const isCurrent = isFresh(request, `"${blob.sha}"`);
    const range = isCurrent ? null : parseByteRange(rangeOf(request, blob), blob.size, true);
    if (!range && !isCurrent) assertServable(blob, 'File exceeds 50 MB. Use Range header.');
    const isBinary = !isCurrent && (await this.files.isBinary(repo, blob));
    const content = isCurrent || request.method === 'HEAD' ? null : await this.files.readRaw(repo, blob, range);
    blobHeaders(response, repo, blob);
    response.setHeader('X-Content-Sha', blob.sha);
    if (isCurrent) return void response.status(304).end();
    if (range) response.status(206).setHeader('Content-Range', contentRange(range, blob.size));
    response.setHeader('Content-Type', isBinary ? 'application/octet-stream' : 'text/plain; charset=utf-8');
    response.setHeader('Content-Length', String(range ? range.end - range.start : blob.size));
    await send(response, content);
  }

  /** Up to 100 files of one ref in one call. */
  @Post('blobs/batch')
  @HttpCode(200)
  @RequireScopes('repos:read')
  @ApiOperation({ operationId: 'getBlobs', summary: 'Read many files' })
  @ApiOkResponse({ type: V1BatchResult })
  @ApiResponse(NOT_MODIFIED)
  async batch(
    @TheRepo() repo: Repo,
    @Body() body: V1BatchBody,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<V1BatchResult | undefined> {
    const batch = await this.files.batch(repo, V1BatchBody.toQuery(body));
    if (batch.etag !== null) {
      response.setHeader('Cache-Control', 'private, max-age=60');
      response.setHeader('ETag', batch.etag);
      if (isFresh(request, batch.etag)) return notModified(response);
    }
    return V1BatchResult.from(batch);
  }
}

/** True when the client's copy is the same. */
function isFresh(request: Request, etag: string): boolean {
  const wanted = request.headers['if-none-match'];
  const tags = wanted?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
  return tags.includes('*') || tags.includes(etag.replace(/^W\//, ''));
}

function notModified(response: Response): undefined {
  response.status(304);
}

/** The Range header, unless If-Range says that the client has a part of another content. */
function rangeOf(request: Request, blob: FoundBlob): string | undefined {
  const condition = request.headers['if-range'];
  return typeof condition === 'string' && condition !== `"${blob.sha}"` ? undefined : request.headers.range;
}

/** Only what a full sha names never changes; private content is for the caller's cache alone (coregit.md §8.3). */
function cacheFor(response: Response, repo: Repo, isImmutable: boolean): void {
  const scope = repo.visibility === 'public' ? 'public' : 'private';
  response.setHeader(
    'Cache-Control',
    isImmutable ? `${scope}, max-age=31536000, immutable` : `${scope}, max-age=0, must-revalidate`,
  );
  response.vary('x-api-key');
  response.vary('Authorization');
  response.vary('x-session-id');
}

function blobHeaders(response: Response, repo: Repo, blob: FoundBlob): void {
  cacheFor(response, repo, blob.target.isImmutable);
  response.setHeader('ETag', `"${blob.sha}"`);
  response.setHeader('Accept-Ranges', 'bytes');
  response.vary('Range');
}

function assertServable(blob: FoundBlob, message: string): void {
  if (blob.size > MAX_WHOLE_BLOB) throw new DomainError('bad_request', message, { details: { size: blob.size } });
}

async function send(response: Response, content: Buffer | Readable | null): Promise<void> {
  if (content === null || Buffer.isBuffer(content)) return void response.end(content ?? undefined);
  try {
    await pipeline(content, response);
  } catch (error) {
    // The client has left: nobody is there to be answered, and nothing went wrong here.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
