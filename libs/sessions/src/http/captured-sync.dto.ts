import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import type { Request } from 'express';
import type { ClientProgram } from '#accounts';
import { BIGINT_SHAPE, decodeKeyset, encodeKeyset } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import type { PushResult, PushTerms } from '../sync/push.service.js';
import type { VersionPage } from '../sync/session-versions.service.js';
import { etagOf, type SessionVersion } from '../sync/version.js';

/** sessionfs-1.md §7.1 SyncPushResponse, and what a push that overwrote something unknown to it left as a branch. */
export class CapturedPushed {
  @ApiProperty() session_id!: string;
  @ApiProperty({ description: 'SHA-256 of the stored archive, hex; of the one that was there if the content is equal' })
  etag!: string;
  @ApiProperty() blob_size_bytes!: number;
  @ApiProperty({ format: 'date-time' }) synced_at!: string;
  @ApiProperty({
    nullable: true,
    type: String,
    description: 'ETag of the overwritten version that the client did not know',
  })
  branch_etag!: string | null;

  static from({ session, branchEtag }: PushResult): CapturedPushed {
    return {
      session_id: session.id,
      etag: session.etag,
      blob_size_bytes: session.archiveBytes,
      synced_at: session.updatedAt.toISOString(),
      branch_etag: branchEtag,
    };
  }

  static termsOf(request: Request, undelete: string | undefined): PushTerms {
    const client = clientOf(request);
    return {
      ifMatch: etagOf(request.headers['if-match']),
      undelete: undelete?.trim().toLowerCase() === 'true',
      clientDevice: client.device,
      client: client.version === null && client.platform === null ? null : client,
    };
  }
}

/** What the client says of itself (sessionfs-1.md §7.5); the command line names its version in User-Agent too. */
function clientOf(request: Request): ClientProgram {
  const said = (name: string, length: number): string | null => {
    const value = request.headers[name];
    return (typeof value === 'string' && value.replaceAll('\0', '').slice(0, length)) || null;
  };
  const agent = /^sessionfs-cli\/(\S{1,20})/.exec(said('user-agent', 200) ?? '');
  return {
    version: said('x-client-version', 20) ?? agent?.[1] ?? null,
    platform: said('x-client-platform', 50),
    device: said('x-client-device', 100),
  };
}

export class CapturedVersion {
  @ApiProperty() etag!: string;
  @ApiProperty() blob_size_bytes!: number;
  @ApiProperty({ description: 'The one the session shows' }) is_current!: boolean;
  @ApiProperty({ description: 'Overwritten by a push that did not know it' }) is_branch!: boolean;
  @ApiProperty({ nullable: true, type: String }) client_device!: string | null;
  @ApiProperty({ description: 'Lines of messages.jsonl that are no messages' }) bad_lines!: number;
  @ApiProperty({ type: [String], description: 'What was wrong with the archive, at most a few' }) problems!: string[];
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(version: SessionVersion, session: CapturedSession): CapturedVersion {
    return {
      etag: version.etag,
      blob_size_bytes: version.archiveBytes,
      is_current: version.id === session.versionId,
      is_branch: version.isBranch,
      client_device: version.clientDevice,
      bad_lines: version.badLineCount,
      problems: [...version.problems],
      created_at: version.createdAt.toISOString(),
    };
  }
}

export class CapturedVersionList {
  @ApiProperty({ type: [CapturedVersion] }) versions!: CapturedVersion[];
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from({ versions, hasMore }: VersionPage, session: CapturedSession): CapturedVersionList {
    const last = versions.at(-1);
    return {
      versions: versions.map((version) => CapturedVersion.from(version, session)),
      next_cursor: hasMore && last ? encodeKeyset([last.id]) : null,
    };
  }
}

export class CapturedVersionListQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 50 })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  @Max(100)
  @Min(1)
  @IsInt()
  limit?: number;

  @ApiPropertyOptional() @IsOptional() @MaxLength(100) @IsString() cursor?: string;

  static toPage({ limit, cursor }: CapturedVersionListQuery): { before: string | null; limit: number } {
    const [before = null] = cursor ? decodeKeyset(cursor, [BIGINT_SHAPE]) : [];
    return { before, limit: limit ?? 50 };
  }
}
