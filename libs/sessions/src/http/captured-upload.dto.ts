import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { DomainError } from '#kernel';
import type { CapturedSession } from '../captured-session.js';
import { parseJson } from '../conversation/json.js';
import type { UploadFacts } from '../sync/upload.service.js';
import { withoutTags } from './without-tags.js';

const MAX_TAGS = 20;
const MAX_TAG = 50;

/** sessionfs-1.md §7.7, POST /api/v1/sessions. */
export class CapturedUploadQuery {
  @ApiProperty({ pattern: '^[a-z0-9_-]+$', maxLength: 50, description: 'The tool that recorded the session' })
  @MaxLength(50)
  @Matches(/^[a-z0-9_-]+$/)
  @IsString()
  source_tool!: string;

  @ApiPropertyOptional({ maxLength: 500, description: "The archive's own when empty" })
  @IsOptional()
  @MaxLength(500)
  @IsString()
  title?: string;

  @ApiPropertyOptional({ maxLength: 5000, default: '[]', description: "JSON list; the archive's own when empty" })
  @IsOptional()
  @MaxLength(5000)
  @IsString()
  tags?: string;

  static toFacts({ source_tool, title, tags }: CapturedUploadQuery): UploadFacts {
    const list = tagsOf(tags ?? '[]');
    return {
      sourceTool: source_tool,
      title: withoutTags(withoutNul(title ?? '')) || null,
      tags: list.length === 0 ? null : list,
    };
  }
}

export class CapturedUploaded {
  @ApiProperty() session_id!: string;
  @ApiProperty({ description: 'SHA-256 of the stored archive, hex' }) etag!: string;
  @ApiProperty() blob_size_bytes!: number;
  @ApiProperty({ format: 'date-time' }) uploaded_at!: string;

  static from(session: CapturedSession): CapturedUploaded {
    return {
      session_id: session.id,
      etag: session.etag,
      blob_size_bytes: session.archiveBytes,
      uploaded_at: session.uploadedAt.toISOString(),
    };
  }
}

function tagsOf(text: string): string[] {
  const value = parseJson(text);
  if (value === undefined) throw refused('tags', 'tags must be a valid JSON array of strings');
  if (!Array.isArray(value) || value.some((tag) => typeof tag !== 'string')) {
    throw refused('tags', 'tags must be a JSON array of strings');
  }
  const tags = value as string[];
  if (tags.length > MAX_TAGS) throw refused('tags', `Maximum ${MAX_TAGS} tags allowed`);
  if (tags.some((tag) => tag.length > MAX_TAG))
    throw refused('tags', `Each tag must be ${MAX_TAG} characters or fewer`);
  return [...new Set(tags.map((tag) => withoutNul(tag.toWellFormed(), 'tags').trim()))].filter((tag) => tag !== '');
}

function withoutNul(text: string, field = 'title'): string {
  if (text.includes('\0')) throw refused(field, 'Null bytes not allowed in input');
  return text;
}

const refused = (field: string, message: string): DomainError => new DomainError('bad_request', message, { field });
