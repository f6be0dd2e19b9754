import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { RequireAdmin } from '../access/access-rule.js';
import { Caller } from '../access/caller.js';
import type { Principal } from '../access/principal.js';
import { ApiPageQuery, BIGINT_SHAPE } from '../http/keyset.js';
import { ApiAdminAuditExportQuery, ApiAdminAuditLog, ApiAdminAuditQuery, exportLine } from './api-admin-audit.dto.js';
import { Audit } from './audit.js';
import { type AuditFilter, AuditLogRepository } from './audit-log.repository.js';

const PIECE = 500;

/** The audit log of the whole server (sessionfs-2.md §15). */
@ApiTags('Administration')
@Controller('api/v1/admin/audit-log')
export class ApiAdminAuditController {
  constructor(
    private readonly log: AuditLogRepository,
    private readonly audit: Audit,
  ) {}

  /** Newest first: everything that was changed, refused or looked at, by anybody. */
  @Get()
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListAudit', summary: 'Audit log' })
  @ApiOkResponse({ type: ApiAdminAuditLog })
  async list(@Query() query: ApiAdminAuditQuery): Promise<ApiAdminAuditLog> {
    const page = ApiPageQuery.toPage(query, [BIGINT_SHAPE]);
    const filter = ApiAdminAuditQuery.toFilter(query);
    const total = page.after ? null : await this.log.count(filter);
    return ApiAdminAuditLog.from(await this.log.list(filter, page), total, page);
  }

  /** Oldest first, one JSON object per line, each with its seal; up to the row that was the last when it began. */
  @Get('export')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminExportAudit', summary: 'Export the audit log' })
  @ApiOkResponse({ content: { 'application/x-ndjson': { schema: { type: 'string' } } } })
  async export(
    @Caller() caller: Principal,
    @Query() query: ApiAdminAuditExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    const filter = ApiAdminAuditQuery.toFilter(query);
    const upTo = await this.log.lastId();
    await this.audit.record(caller, 'audit_export', { accountId: null, kind: 'audit', id: upTo }, { ...filter });
    response.type('application/x-ndjson');
    try {
      await pipeline(Readable.from(this.lines(filter, upTo)), response);
    } catch (error) {
      // A client that hangs up has had enough; nobody is left to tell.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
  }

  /** A piece is read when the client has taken the one before, so a slow one costs no memory. */
  private async *lines(filter: AuditFilter, upTo: string): AsyncGenerator<string> {
    for (let after = '0'; ;) {
      const rows = await this.log.listForExport(filter, after, upTo, PIECE);
      for (const row of rows) yield exportLine(row);
      const last = rows.at(-1);
      if (!last || rows.length < PIECE) return;
      after = last.id;
    }
  }
}
