import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, MinLength } from 'class-validator';
import { decodeKeyset, encodeKeyset, INSTANT_SHAPE, UUID_SHAPE } from '#platform';
import { linkState, type ShareLink } from '../sharing/share-link.js';
import type { ShareLinkPlace } from '../sharing/share-links.repository.js';
import type { NewShare, ShareLinkPage } from '../sharing/share-links.service.js';

export const MAX_SHARE_PASSWORD = 200;

export class CapturedShareBody {
  @ApiPropertyOptional({ minimum: 1, maximum: 8760, default: 24 })
  @IsOptional()
  @Max(8760)
  @Min(1)
  @IsInt()
  expires_in_hours?: number | null;

  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: MAX_SHARE_PASSWORD })
  @IsOptional()
  @Matches(/^[^\0]*$/, { message: 'Null bytes not allowed in input' })
  @MaxLength(MAX_SHARE_PASSWORD)
  @MinLength(1)
  @IsString()
  password?: string | null;

  static toShare({ expires_in_hours, password }: CapturedShareBody): NewShare {
    return { expiresInHours: expires_in_hours ?? 24, password: password ?? null };
  }
}

/** sessionfs-1.md §7.10. */
export class CapturedShared {
  @ApiProperty() link_id!: string;
  @ApiProperty({ description: 'What to pass on; it is shown this once' }) url!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
  @ApiProperty() has_password!: boolean;

  static from({ link, token }: { link: ShareLink; token: string }, publicUrl: string): CapturedShared {
    return {
      link_id: link.id,
      url: `${publicUrl}/api/v1/sessions/share/${token}`,
      expires_at: link.expiresAt.toISOString(),
      has_password: link.passwordHash !== null,
    };
  }
}

export class CapturedShareLink {
  @ApiProperty() link_id!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) revoked_at!: string | null;
  @ApiProperty({ enum: ['active', 'expired', 'revoked'] }) status!: string;
  @ApiProperty() has_password!: boolean;
  @ApiProperty({ description: 'Archives given out and conversations opened; turning pages does not count' })
  view_count!: number;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_viewed_at!: string | null;

  static from(link: ShareLink, now: Date): CapturedShareLink {
    return {
      link_id: link.id,
      created_at: link.createdAt.toISOString(),
      expires_at: link.expiresAt.toISOString(),
      revoked_at: link.revokedAt?.toISOString() ?? null,
      status: linkState(link, now),
      has_password: link.passwordHash !== null,
      view_count: link.viewCount,
      last_viewed_at: link.lastViewedAt?.toISOString() ?? null,
    };
  }
}

export class CapturedShareLinkList {
  @ApiProperty({ type: [CapturedShareLink] }) links!: CapturedShareLink[];
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from({ links, hasMore }: ShareLinkPage, now: Date): CapturedShareLinkList {
    const last = links.at(-1);
    return {
      links: links.map((link) => CapturedShareLink.from(link, now)),
      next_cursor: hasMore && last ? encodeKeyset([last.createdAt.toISOString(), last.id]) : null,
    };
  }
}

export class CapturedShareLinkListQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 50 })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  @Max(100)
  @Min(1)
  @IsInt()
  limit?: number;

  @ApiPropertyOptional() @IsOptional() @MaxLength(200) @IsString() cursor?: string;

  static toPage({ limit, cursor }: CapturedShareLinkListQuery): { after: ShareLinkPlace | null; limit: number } {
    const [createdAt = '', id = ''] = cursor ? decodeKeyset(cursor, [INSTANT_SHAPE, UUID_SHAPE]) : [];
    return { after: cursor ? { createdAt, id } : null, limit: limit ?? 50 };
  }
}
