import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, MinLength, ValidateIf } from 'class-validator';
import { decodeKeyset, encodeKeyset, INSTANT_SHAPE, UUID_SHAPE } from '#platform';
import type { Bookmark, BookmarkedSession, BookmarkFolder, BookmarkPlace } from '../bookmarks/bookmarks.repository.js';
import type { BookmarkFolderChange, BookmarkPage } from '../bookmarks/bookmarks.service.js';
import { CapturedSessionSummary } from './captured-sessions.dto.js';

const COLOR = /^#[0-9a-fA-F]{6}$/;
const MAX_PAGE = 200;
const trimmed = Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));

export class CapturedBookmarkFolderBody {
  @ApiProperty({ minLength: 1, maxLength: 100 })
  @Matches(/^[^\0]*$/, { message: 'Null bytes not allowed in input' })
  @MaxLength(100)
  @MinLength(1)
  @IsString()
  @trimmed
  name!: string;

  @ApiPropertyOptional({ pattern: COLOR.source, nullable: true, type: String })
  @IsOptional()
  @Matches(COLOR)
  @IsString()
  color?: string | null;
}

export class CapturedBookmarkFolderChange {
  @ApiPropertyOptional({ minLength: 1, maxLength: 100 })
  @IsOptional()
  @Matches(/^[^\0]*$/, { message: 'Null bytes not allowed in input' })
  @MaxLength(100)
  @MinLength(1)
  @IsString()
  @trimmed
  name?: string | null;

  @ApiPropertyOptional({ pattern: COLOR.source, nullable: true, type: String, description: 'null takes it away' })
  @ValidateIf(({ color }: CapturedBookmarkFolderChange) => color !== undefined && color !== null)
  @Matches(COLOR)
  @IsString()
  color?: string | null;

  static toChange({ name, color }: CapturedBookmarkFolderChange): BookmarkFolderChange {
    return { ...(typeof name === 'string' && { name }), ...(color !== undefined && { color }) };
  }
}

/** sessionfs-1.md §12. */
export class CapturedBookmarkFolder {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ nullable: true, type: String }) color!: string | null;
  @ApiProperty() bookmark_count!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(folder: BookmarkFolder): CapturedBookmarkFolder {
    return {
      id: folder.id,
      name: folder.name,
      color: folder.color,
      bookmark_count: folder.bookmarkCount,
      created_at: folder.createdAt.toISOString(),
    };
  }
}

export class CapturedBookmarkFolderList {
  @ApiProperty({ type: [CapturedBookmarkFolder] }) folders!: CapturedBookmarkFolder[];

  static from(folders: readonly BookmarkFolder[]): CapturedBookmarkFolderList {
    return { folders: folders.map((folder) => CapturedBookmarkFolder.from(folder)) };
  }
}

export class CapturedBookmarkBody {
  @ApiProperty() @MaxLength(100) @IsString() folder_id!: string;
  @ApiProperty() @MaxLength(100) @IsString() session_id!: string;
}

export class CapturedBookmark {
  @ApiProperty() id!: string;
  @ApiProperty() folder_id!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from({ bookmark, session }: { bookmark: Bookmark; session: { id: string } }): CapturedBookmark {
    return {
      id: bookmark.id,
      folder_id: bookmark.folderId,
      session_id: session.id,
      created_at: bookmark.createdAt.toISOString(),
    };
  }
}

export class CapturedBookmarkedSession extends CapturedSessionSummary {
  @ApiProperty() bookmark_id!: string;
  @ApiProperty({ format: 'date-time' }) bookmarked_at!: string;

  static override from(session: BookmarkedSession): CapturedBookmarkedSession {
    return {
      ...CapturedSessionSummary.from(session),
      bookmark_id: session.bookmarkId,
      bookmarked_at: session.bookmarkedAt.toISOString(),
    };
  }
}

export class CapturedBookmarkedSessionList {
  @ApiProperty({ type: [CapturedBookmarkedSession] }) sessions!: CapturedBookmarkedSession[];
  @ApiProperty({ description: 'Of the whole folder' }) total!: number;
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from({ sessions, total, hasMore }: BookmarkPage): CapturedBookmarkedSessionList {
    const last = sessions.at(-1);
    return {
      sessions: sessions.map((session) => CapturedBookmarkedSession.from(session)),
      total,
      next_cursor: hasMore && last ? encodeKeyset([last.bookmarkedAt.toISOString(), last.bookmarkId]) : null,
    };
  }
}

export class CapturedBookmarkedSessionListQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: MAX_PAGE, default: MAX_PAGE })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  @Max(MAX_PAGE)
  @Min(1)
  @IsInt()
  limit?: number;

  @ApiPropertyOptional() @IsOptional() @MaxLength(200) @IsString() cursor?: string;

  static toPage({ limit, cursor }: CapturedBookmarkedSessionListQuery): { after: BookmarkPlace | null; limit: number } {
    const [bookmarkedAt = '', id = ''] = cursor ? decodeKeyset(cursor, [INSTANT_SHAPE, UUID_SHAPE]) : [];
    return { after: cursor ? { bookmarkedAt, id } : null, limit: limit ?? MAX_PAGE };
  }
}
