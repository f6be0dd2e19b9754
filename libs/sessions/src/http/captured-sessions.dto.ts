import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { decodeKeyset, encodeKeyset, INSTANT_SHAPE, UUID_SHAPE } from '#platform';
import { type CapturedSession, toolFamily } from '../captured-session.js';
import type { SessionEdit, SessionListQuery } from '../sessions.repository.js';
import type { SessionPage } from '../sessions.service.js';
import { CommitFilter } from './commit-filter.js';
import { withoutTags } from './without-tags.js';

const NO_NUL = /^[^\0]*$/;
const toInt = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && value !== '' ? Number(value) : value,
);
const nullable = (type: 'string' | 'integer'): object => ({ nullable: true, type });

/** sessionfs-1.md §7.1 SessionSummary. Times are of receipt, not the archive's. */
export class CapturedSessionSummary {
  @ApiProperty() id!: string;
  @ApiProperty(nullable('string')) title!: string | null;
  @ApiProperty(nullable('string')) alias!: string | null;
  @ApiProperty({ type: [String] }) tags!: string[];
  @ApiProperty() source_tool!: string;
  @ApiProperty(nullable('string')) model_id!: string | null;
  @ApiProperty() message_count!: number;
  @ApiProperty() turn_count!: number;
  @ApiProperty() tool_use_count!: number;
  @ApiProperty() total_input_tokens!: number;
  @ApiProperty() total_output_tokens!: number;
  @ApiProperty({ description: 'Bytes of the stored archive' }) blob_size_bytes!: number;
  @ApiProperty({ description: 'SHA-256 of the uploaded bytes, hex' }) etag!: string;
  @ApiProperty(nullable('string')) parent_session_id!: string | null;
  @ApiProperty({ enum: ['private', 'org'] }) visibility!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
  @ApiProperty() is_deleted!: boolean;
  @ApiProperty({ format: 'date-time', ...nullable('string') }) deleted_at!: string | null;
  @ApiProperty(nullable('string')) deleted_by!: string | null;
  @ApiProperty({ enum: ['cloud', 'both'], ...nullable('string') }) delete_scope!: string | null;
  @ApiProperty({ format: 'date-time', ...nullable('string') }) purge_after!: string | null;

  static from(session: CapturedSession): CapturedSessionSummary {
    return {
      id: session.id,
      title: session.title,
      alias: session.alias,
      tags: [...session.tags],
      source_tool: session.sourceTool,
      model_id: session.modelId,
      message_count: session.messageCount,
      turn_count: session.turnCount,
      tool_use_count: session.toolUseCount,
      total_input_tokens: session.totalInputTokens,
      total_output_tokens: session.totalOutputTokens,
      blob_size_bytes: session.archiveBytes,
      etag: session.etag,
      parent_session_id: session.parentSessionId,
      visibility: session.visibility,
      created_at: session.createdAt.toISOString(),
      updated_at: session.updatedAt.toISOString(),
      is_deleted: session.deletedAt !== null,
      deleted_at: session.deletedAt?.toISOString() ?? null,
      deleted_by: session.deletedBy,
      delete_scope: session.deleteScope,
      purge_after: session.purgeAfter?.toISOString() ?? null,
    };
  }
}

/** sessionfs-1.md §7.1 SessionDetail, with the git and provenance fields today's products leave out. */
export class CapturedSessionDetail extends CapturedSessionSummary {
  @ApiProperty(nullable('string')) original_session_id!: string | null;
  @ApiProperty(nullable('string')) source_tool_version!: string | null;
  @ApiProperty(nullable('string')) model_provider!: string | null;
  @ApiProperty(nullable('integer')) duration_ms!: number | null;
  @ApiProperty({ format: 'date-time' }) uploaded_at!: string;
  @ApiProperty({ description: 'JSON text', ...nullable('string') }) dlp_scan_results!: string | null;
  @ApiProperty(nullable('string')) retrieval_audit_id!: string | null;
  @ApiProperty({ description: '`owner/repo`, lowercase', ...nullable('string') }) git_remote!: string | null;
  @ApiProperty(nullable('string')) git_branch!: string | null;
  @ApiProperty({ description: 'On which the checkout stands', ...nullable('string') }) git_commit!: string | null;
  @ApiProperty({ description: 'Made in the session, newest first', type: [String] }) git_commits!: string[];
  @ApiProperty(nullable('string')) persona_name!: string | null;
  @ApiProperty(nullable('string')) ticket_id!: string | null;

  static override from(session: CapturedSession): CapturedSessionDetail {
    return {
      ...CapturedSessionSummary.from(session),
      original_session_id: session.originalSessionId,
      source_tool_version: session.sourceToolVersion,
      model_provider: session.modelProvider,
      duration_ms: session.durationMs,
      uploaded_at: session.uploadedAt.toISOString(),
      dlp_scan_results: session.dlpScanResults && JSON.stringify(session.dlpScanResults),
      retrieval_audit_id: session.retrievalAuditId,
      git_remote: session.gitRemote,
      git_branch: session.gitBranch,
      git_commit: session.gitCommit,
      git_commits: [...session.gitCommits],
      persona_name: session.personaName,
      ticket_id: session.ticketId,
    };
  }
}

export class CapturedRestoredSession extends CapturedSessionDetail {
  @ApiProperty({ enum: ['cloud', 'both'], ...nullable('string') }) restored_from_scope!: string | null;
  @ApiProperty({ description: 'The local copy was to be deleted too' }) local_copy_may_be_missing!: boolean;

  static fromRestored(session: CapturedSession, scope: 'cloud' | 'both' | null): CapturedRestoredSession {
    return {
      ...CapturedSessionDetail.from(session),
      restored_from_scope: scope,
      local_copy_may_be_missing: scope === 'both',
    };
  }
}

export class CapturedSessionList {
  @ApiProperty({ type: [CapturedSessionSummary] }) sessions!: CapturedSessionSummary[];
  @ApiProperty() total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ description: 'Position after this page, for `cursor`', ...nullable('string') })
  next_cursor!: string | null;

  static from({ sessions, total, hasMore }: SessionPage, page: number, pageSize: number): CapturedSessionList {
    const last = sessions.at(-1);
    return {
      sessions: sessions.map((session) => CapturedSessionSummary.from(session)),
      total,
      page,
      page_size: pageSize,
      has_more: hasMore,
      next_cursor: hasMore && last ? encodeKeyset([last.updatedAt.toISOString(), last.uid]) : null,
    };
  }
}

const CURSOR_SHAPES = [INSTANT_SHAPE, UUID_SHAPE];

export class CapturedSessionListQuery {
  @ApiPropertyOptional({ minimum: 1, default: 1 }) @IsOptional() @Max(1_000_000) @Min(1) @IsInt() @toInt page?: number;
  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 20 })
  @IsOptional()
  @Max(100)
  @Min(1)
  @IsInt()
  @toInt
  page_size?: number;
  @ApiPropertyOptional({ description: 'A tool; gemini and copilot stand for their command lines too' })
  @IsOptional()
  @MaxLength(50)
  @Matches(NO_NUL)
  @IsString()
  source_tool?: string;
  @ApiPropertyOptional({ maxLength: 50 }) @IsOptional() @MaxLength(50) @Matches(NO_NUL) @IsString() tag?: string;
  @CommitFilter() commit?: string;
  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false', description: 'The trash instead of live sessions' })
  @IsOptional()
  @IsIn(['true', 'false', '1', '0'])
  deleted?: string;
  @ApiPropertyOptional({ description: '`next_cursor` of the page before; `page` is ignored then' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  cursor?: string;

  static toList(query: CapturedSessionListQuery): { page: number; list: SessionListQuery } {
    const limit = query.page_size ?? 20;
    const page = query.page ?? 1;
    const [updatedAt = '', uid = ''] = query.cursor ? decodeKeyset(query.cursor, CURSOR_SHAPES) : [];
    return {
      page,
      list: {
        limit,
        offset: query.cursor ? 0 : (page - 1) * limit,
        after: query.cursor ? { updatedAt, uid } : null,
        tools: query.source_tool ? toolFamily(query.source_tool) : null,
        tag: query.tag || null,
        commit: query.commit ?? null,
        isDeleted: query.deleted === 'true' || query.deleted === '1',
      },
    };
  }
}

export class CapturedEditSessionBody {
  @ApiPropertyOptional({ maxLength: 500 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'Null bytes not allowed in input' })
  @MaxLength(500)
  @IsNotEmpty({ message: 'title must hold more than markup' })
  @IsString()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? withoutTags(value) : value))
  title?: string;

  // What is no alias is 400 here, and 422 where nothing but an alias is set (sessionfs-1.md §7.7, §7.8).
  @ApiPropertyOptional({ minLength: 3, maxLength: 100 }) @IsOptional() @IsString() alias?: string;

  @ApiPropertyOptional({ type: [String], maxItems: 20 })
  @IsOptional()
  @Matches(NO_NUL, { each: true, message: 'Null bytes not allowed in input' })
  @MaxLength(50, { each: true })
  @IsString({ each: true })
  @ArrayMaxSize(20)
  @IsArray()
  tags?: string[];

  @ApiPropertyOptional({ enum: ['private', 'org'], description: 'Who of an organization may read it' })
  @IsOptional()
  @IsIn(['private', 'org'])
  visibility?: 'private' | 'org';

  static toEdit({ title, alias, tags, visibility }: CapturedEditSessionBody): SessionEdit {
    return {
      ...(typeof title === 'string' && { title }),
      ...(typeof alias === 'string' && { alias }),
      ...(tags instanceof Array && { tags }),
      ...(typeof visibility === 'string' && { visibility }),
    };
  }
}

export class CapturedAliasBody {
  @ApiProperty({ minLength: 3, maxLength: 100 })
  @MaxLength(100)
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_-]{2,}$/)
  @IsString()
  alias!: string;
}

export class CapturedProvenance {
  @ApiProperty() session_id!: string;
  @ApiProperty(nullable('string')) rules_version!: string | null;
  @ApiProperty(nullable('string')) rules_hash!: string | null;
  @ApiProperty(nullable('string')) rules_source!: string | null;
  @ApiProperty({ type: 'array', items: {} }) instruction_artifacts!: unknown[];

  static from(session: CapturedSession): CapturedProvenance {
    return {
      session_id: session.id,
      rules_version: session.rulesVersion,
      rules_hash: session.rulesHash,
      rules_source: session.rulesSource === 'none' ? null : session.rulesSource,
      instruction_artifacts: [...session.instructionArtifacts],
    };
  }
}
