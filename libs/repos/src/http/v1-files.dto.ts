import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { type BatchQuery, type BlobBatch, MAX_WHOLE_BLOB } from '../files.service.js';
import type { ResolvedPath } from '../ref-resolver.js';
import type { TreeListing } from '../store/operations/list-tree.js';
import type { BlobText, ByteRange } from '../store/operations/read-blob.js';

export class V1TreeItem {
  @ApiProperty() name!: string;
  @ApiProperty() path!: string;
  @ApiProperty({ enum: ['file', 'folder'] }) type!: string;
  @ApiProperty() sha!: string;
  @ApiProperty({ example: '100644' }) mode!: string;
}

export class V1Tree {
  @ApiProperty({ type: [V1TreeItem] }) items!: V1TreeItem[];
  @ApiProperty() path!: string;
  @ApiProperty() ref!: string;
  @ApiProperty({ description: 'Tree id' }) sha!: string;
  @ApiProperty({ description: 'More than 10,000 entries' }) truncated!: boolean;

  static from(target: ResolvedPath, listing: TreeListing, recursive: boolean): V1Tree {
    return {
      items: recursive ? listing.entries : foldersFirst(listing.entries),
      path: target.path,
      ref: target.name,
      sha: listing.treeSha,
      truncated: listing.truncated,
    };
  }
}

function foldersFirst(entries: readonly V1TreeItem[]): V1TreeItem[] {
  return [...entries.filter((entry) => entry.type === 'folder'), ...entries.filter((entry) => entry.type !== 'folder')];
}

export class V1BlobRange {
  @ApiProperty() start!: number;
  @ApiProperty({ description: 'Last byte, inclusive' }) end!: number;
  @ApiProperty() length!: number;
}

export class V1Blob {
  @ApiProperty() content!: string;
  @ApiProperty({ enum: ['utf-8', 'base64'] }) encoding!: string;
  @ApiProperty() path!: string;
  @ApiProperty() sha!: string;
  @ApiProperty({ description: 'Bytes of the whole file' }) size!: number;
  @ApiPropertyOptional({ type: V1BlobRange }) range?: V1BlobRange;

  static from(path: string, sha: string, text: BlobText, range: ByteRange | null): V1Blob {
    return {
      content: text.content,
      encoding: text.encoding,
      path,
      sha,
      size: text.size,
      ...(range && { range: { start: range.start, end: range.end - 1, length: range.end - range.start } }),
    };
  }
}

export class V1BatchBody {
  @ApiPropertyOptional() @IsOptional() @IsString({ message: 'ref must be a string' }) ref?: string | null;

  @ApiProperty({ type: [String], maxItems: 100 })
  @ArrayMaxSize(100, { message: 'paths array exceeds max 100' })
  @IsArray({ message: 'paths must be an array of strings' })
  paths!: unknown[];

  @ApiPropertyOptional({ enum: ['auto', 'text', 'binary'], default: 'auto' }) @IsOptional() encoding?: unknown;

  @ApiPropertyOptional({ default: MAX_WHOLE_BLOB, maximum: MAX_WHOLE_BLOB })
  @IsOptional()
  @Max(Number.MAX_SAFE_INTEGER)
  @Min(0, { message: 'max_size must not be negative' })
  @IsInt({ message: 'max_size must be an integer' })
  max_size?: number | null;

  static toQuery(body: V1BatchBody): BatchQuery {
    const encoding = body.encoding === 'binary' ? 'base64' : body.encoding === 'text' ? 'utf-8' : 'auto';
    return { ref: body.ref ?? null, paths: body.paths, encoding, maxSize: body.max_size ?? MAX_WHOLE_BLOB };
  }
}

export class V1BatchBlob {
  @ApiProperty() path!: string;
  @ApiProperty() sha!: string;
  @ApiProperty() size!: number;
  @ApiProperty({ enum: ['utf-8', 'base64'] }) encoding!: string;
  @ApiPropertyOptional() content?: string;
  @ApiPropertyOptional({ description: 'Larger than max_size; content left out' }) truncated?: boolean;
}

export class V1BatchResult {
  @ApiProperty({ type: [V1BatchBlob] }) blobs!: V1BatchBlob[];
  @ApiProperty({ type: [String] }) missing!: string[];

  static from(batch: BlobBatch): V1BatchResult {
    const blobs = batch.blobs.map(({ path, sha, size, encoding, content }) =>
      content === null
        ? { path, sha, size, encoding: 'base64', truncated: true }
        : { path, sha, size, encoding, content },
    );
    return { blobs, missing: [...batch.missing] };
  }
}
