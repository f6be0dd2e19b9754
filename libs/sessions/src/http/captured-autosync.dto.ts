import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { BIGINT_SHAPE, decodeKeyset, encodeKeyset } from '#platform';
import { DEBOUNCE, MAX_WATCHED, SYNC_MODES, WATCH_STATUSES, type WatchedSession } from '../autosync/autosync.js';
import type { SyncOverview, SyncTerms, Watchlist } from '../autosync/autosync.service.js';

/** sessionfs-1.md §10. */
export class CapturedSyncSettings {
  @ApiProperty({ enum: SYNC_MODES }) mode!: string;
  @ApiProperty() debounce_seconds!: number;
  @ApiProperty({ description: 'Largest file in an archive that a push takes from this caller' })
  max_member_bytes!: number;

  static from({ mode, debounceSeconds, maxMemberBytes }: SyncTerms): CapturedSyncSettings {
    return { mode, debounce_seconds: debounceSeconds, max_member_bytes: maxMemberBytes };
  }
}

export class CapturedSyncSettingsBody {
  @ApiProperty({ enum: SYNC_MODES }) @MaxLength(50) @IsString() mode!: string;
  @ApiPropertyOptional({
    nullable: true,
    type: 'integer',
    description: `Brought into ${DEBOUNCE.min} to ${DEBOUNCE.max}; null leaves it as it is`,
  })
  @IsOptional()
  @IsInt()
  debounce_seconds?: number | null;
}

export class CapturedWatchedSession {
  @ApiProperty() session_id!: string;
  @ApiProperty({ nullable: true, type: String }) title!: string | null;
  @ApiProperty({ nullable: true, type: String }) source_tool!: string | null;
  @ApiProperty() message_count!: number;
  @ApiProperty({ enum: WATCH_STATUSES }) status!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_synced_at!: string | null;

  static from(watched: WatchedSession): CapturedWatchedSession {
    return {
      session_id: watched.sessionId,
      title: watched.title,
      source_tool: watched.sourceTool,
      message_count: watched.messageCount,
      status: watched.status,
      last_synced_at: watched.lastSyncedAt?.toISOString() ?? null,
    };
  }
}

export class CapturedWatchlist {
  @ApiProperty({ type: [CapturedWatchedSession] }) sessions!: CapturedWatchedSession[];
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from({ sessions, hasMore }: Watchlist): CapturedWatchlist {
    const last = sessions.at(-1);
    return {
      sessions: sessions.map((watched) => CapturedWatchedSession.from(watched)),
      next_cursor: hasMore && last ? encodeKeyset([last.ordinal]) : null,
    };
  }
}

export class CapturedWatchlistQuery {
  @ApiPropertyOptional({
    minimum: 1,
    maximum: MAX_WATCHED,
    default: MAX_WATCHED,
    description: 'All of them by default',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  @Max(MAX_WATCHED)
  @Min(1)
  @IsInt()
  limit?: number;

  @ApiPropertyOptional() @IsOptional() @MaxLength(100) @IsString() cursor?: string;

  static toPage({ limit, cursor }: CapturedWatchlistQuery): { before: string | null; limit: number } {
    const [before = null] = cursor ? decodeKeyset(cursor, [BIGINT_SHAPE]) : [];
    return { before, limit: limit ?? MAX_WATCHED };
  }
}

export class CapturedWatchAnswer {
  @ApiProperty({ description: 'watching, unwatched, not_watched, or the status that was set' }) status!: string;
  @ApiProperty() session_id!: string;
}

export class CapturedSyncOverview {
  @ApiProperty({ enum: SYNC_MODES }) mode!: string;
  @ApiProperty() total_sessions!: number;
  @ApiProperty() synced_sessions!: number;
  @ApiProperty() watched_sessions!: number;
  @ApiProperty() queued!: number;
  @ApiProperty() failed!: number;
  @ApiProperty({ description: "The caller's live sessions as they are now" }) storage_used_bytes!: number;
  @ApiProperty({ description: 'Everything the account stores: versions, trash and repositories too' })
  account_storage_bytes!: number;
  @ApiProperty({ description: 'What the account may store; 0 is not enforced' }) storage_limit_bytes!: number;

  static from(overview: SyncOverview): CapturedSyncOverview {
    return {
      mode: overview.mode,
      total_sessions: overview.sessions,
      synced_sessions: overview.sessions,
      watched_sessions: overview.watched,
      queued: overview.queued,
      failed: overview.failed,
      storage_used_bytes: overview.archiveBytes,
      account_storage_bytes: overview.accountBytes,
      storage_limit_bytes: overview.limitBytes ?? 0,
    };
  }
}
