import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsDateString, IsOptional, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { DomainError } from '#kernel';
import { ApiPageQuery, encodeKeyset } from '../http/keyset.js';
import type { AuditFilter, AuditRow, ExportedRow } from './audit-log.repository.js';

const NO_NUL = /^[^\0]*$/;

export class ApiAdminAuditQuery extends ApiPageQuery {
  @ApiPropertyOptional({ description: 'E.g. `tier_change`, `access.denied`' })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(100)
  @IsString()
  action?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'The user or the key that acted' })
  @IsOptional()
  @IsUUID('all')
  actor?: string;

  @ApiPropertyOptional({ description: 'Id of what was acted on' })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(500)
  @IsString()
  subject?: string;

  @ApiPropertyOptional({ description: 'Kind of what was acted on, e.g. `user`' })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(100)
  @IsString()
  subject_type?: string;

  @ApiPropertyOptional({ description: 'Id or slug of the account; `platform` for what belongs to none' })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(100)
  @IsString()
  account?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Not earlier than' })
  @IsOptional()
  @MaxLength(40)
  @IsDateString()
  from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Earlier than' })
  @IsOptional()
  @MaxLength(40)
  @IsDateString()
  to?: string;

  static toFilter(query: ApiAdminAuditExportQuery): AuditFilter {
    return {
      action: query.action || null,
      actorId: query.actor || null,
      subjectKind: query.subject_type || null,
      subjectId: query.subject || null,
      account: query.account || null,
      from: toTime('from', query.from),
      to: toTime('to', query.to),
    };
  }
}

/** An export is not paged. */
export class ApiAdminAuditExportQuery extends OmitType(ApiAdminAuditQuery, ['page', 'page_size', 'cursor'] as const) {}

/** Years PostgreSQL and JavaScript write alike. */
function toTime(field: string, text: string | undefined): Date | null {
  if (!text) return null;
  const time = new Date(text);
  const year = time.getUTCFullYear();
  if (year >= 1 && year <= 9999) return time;
  throw new DomainError('invalid_input', `${field} must be a time`, { field });
}

export class ApiAdminAction {
  @ApiProperty() id!: string;
  @ApiProperty({ nullable: true, type: String, description: 'The user who acted; null for the server itself' })
  admin_id!: string | null;
  @ApiProperty() action!: string;
  @ApiProperty() target_type!: string;
  @ApiProperty() target_id!: string;
  @ApiProperty({ type: 'object', additionalProperties: true }) details!: Record<string, unknown>;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ example: 'user_key' }) actor_kind!: string;
  @ApiProperty({ nullable: true, type: String }) actor_key_id!: string | null;
  @ApiProperty({ nullable: true, type: String }) account_id!: string | null;
  @ApiProperty({ nullable: true, type: String }) address!: string | null;
  @ApiProperty({ nullable: true, type: String }) request_id!: string | null;

  static from(row: AuditRow): ApiAdminAction {
    return {
      id: row.id,
      admin_id: row.actorUserId,
      action: row.action,
      target_type: row.subjectKind,
      target_id: row.subjectId,
      details: row.facts,
      created_at: row.at.toISOString(),
      actor_kind: row.actorKind,
      actor_key_id: row.actorKeyId,
      account_id: row.accountId,
      address: row.address,
      request_id: row.requestId,
    };
  }
}

export class ApiAdminAuditLog {
  @ApiProperty({ nullable: true, type: Number, description: 'Not counted again on pages that follow a cursor' })
  total!: number | null;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty({ type: [ApiAdminAction] }) actions!: ApiAdminAction[];
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from(
    found: { rows: readonly AuditRow[]; next: readonly string[] | null },
    total: number | null,
    page: { number: number; size: number },
  ): ApiAdminAuditLog {
    return {
      total,
      page: page.number,
      page_size: page.size,
      actions: found.rows.map((row) => ApiAdminAction.from(row)),
      next_cursor: found.next && encodeKeyset(found.next),
    };
  }
}

/** One line of an export: the row, and what it takes to check its seal (docs/operations.md). */
export function exportLine(row: ExportedRow): string {
  const { entry, chain, seq, hash, signature } = row;
  return `${JSON.stringify({ ...ApiAdminAction.from(row), seal: { chain, seq, hash, signature, entry } })}\n`;
}
