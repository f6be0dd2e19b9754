import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { DomainError } from '#kernel';
import { ApiPageQuery, encodeKeyset } from '#platform';
import { toolFamily } from '../captured-session.js';
import {
  ADMIN_SESSION_SORTS,
  type AdminSessionFilter,
  type AdminSessionSort,
  type ListedSession,
} from '../upkeep/admin-sessions.repository.js';
import type { ListedSessions } from '../upkeep/admin-sessions.service.js';
import type { PurgeResult } from '../upkeep/purge.service.js';

const NO_NUL = /^[^\0]*$/;

export class ApiAdminSessionsQuery extends ApiPageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Only this user’s' }) @IsOptional() @IsUUID() user_id?: string;
  @ApiPropertyOptional({ description: 'A tool; gemini and copilot stand for their command lines too' })
  @IsOptional()
  @MaxLength(50)
  @Matches(NO_NUL)
  @IsString()
  source_tool?: string;
  @ApiPropertyOptional({ description: 'A session id, or part of a title in any case', maxLength: 255 })
  @IsOptional()
  @MaxLength(255)
  @Matches(NO_NUL)
  @IsString()
  search?: string;
  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false', description: 'The trash instead of live sessions' })
  @IsOptional()
  @IsIn(['true', 'false', '1', '0'])
  deleted?: string;
  @ApiPropertyOptional({ enum: ADMIN_SESSION_SORTS, default: 'created_at', description: 'Anything else is created_at' })
  @IsOptional()
  @MaxLength(50)
  @IsString()
  sort?: string;

  static toFilter(query: ApiAdminSessionsQuery): AdminSessionFilter {
    return {
      userId: query.user_id ?? null,
      tools: query.source_tool ? toolFamily(query.source_tool) : null,
      search: query.search || null,
      isDeleted: query.deleted === 'true' || query.deleted === '1',
    };
  }

  static toSort({ sort }: ApiAdminSessionsQuery): AdminSessionSort {
    return ADMIN_SESSION_SORTS.find((known) => known === sort) ?? 'created_at';
  }
}

export class ApiAdminSession {
  @ApiProperty() id!: string;
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ format: 'uuid' }) account_id!: string;
  @ApiProperty({ nullable: true, type: String }) title!: string | null;
  @ApiProperty() source_tool!: string;
  @ApiProperty() message_count!: number;
  @ApiProperty() blob_size_bytes!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) deleted_at!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) purge_after!: string | null;

  static from(session: ListedSession): ApiAdminSession {
    return {
      id: session.id,
      user_id: session.userId,
      account_id: session.accountId,
      title: session.title,
      source_tool: session.sourceTool,
      message_count: session.messageCount,
      blob_size_bytes: session.archiveBytes,
      created_at: session.createdAt.toISOString(),
      deleted_at: session.deletedAt?.toISOString() ?? null,
      purge_after: session.purgeAfter?.toISOString() ?? null,
    };
  }
}

export class ApiAdminSessionList {
  @ApiProperty() total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty({ type: [ApiAdminSession] }) sessions!: ApiAdminSession[];
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from(found: ListedSessions, page: { number: number; size: number }): ApiAdminSessionList {
    return {
      total: found.total,
      page: page.number,
      page_size: page.size,
      sessions: found.sessions.map((session) => ApiAdminSession.from(session)),
      next_cursor: found.next && encodeKeyset(found.next),
    };
  }
}

export class ApiAdminDeleteSessionQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Whose, where several have a session of this id' })
  @IsOptional()
  @IsUUID()
  user_id?: string;
}

export class ApiAdminPurgeBody {
  @ApiPropertyOptional({ description: 'This deleted session, due or not, instead of all that are due', maxLength: 50 })
  @IsOptional()
  @IsString()
  session_id?: string | null;
  @ApiPropertyOptional({ format: 'uuid', description: 'Whose, where several have deleted a session of this id' })
  @IsOptional()
  @IsUUID()
  user_id?: string | null;

  /** Null for all that are due. An id that no session can have is 400, as the contract has it. */
  static toOne({ session_id, user_id }: ApiAdminPurgeBody): { id: string; userId: string | null } | null {
    if (session_id === undefined || session_id === null) return null;
    if (session_id.length > 50) {
      throw new DomainError('bad_request', 'Invalid session ID format', { field: 'session_id' });
    }
    return { id: session_id, userId: user_id ?? null };
  }
}

export class ApiAdminPurged {
  @ApiProperty() purged!: number;
  @ApiProperty() bytes_reclaimed!: number;
  @ApiProperty({ description: 'Could not be purged; the log says why, and the next round tries again' })
  failed!: number;

  static from({ purged, bytesReclaimed, failed }: PurgeResult): ApiAdminPurged {
    return { purged, bytes_reclaimed: bytesReclaimed, failed };
  }
}
