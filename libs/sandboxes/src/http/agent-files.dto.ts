import { ApiProperty } from '@nestjs/swagger';
import { DomainError } from '#kernel';
import type { FileEntry } from '../workspace/file-entry.js';
import type { WrittenFile } from '../workspace/workspace-files.js';

export class AgentFileEntry {
  @ApiProperty() name!: string;
  @ApiProperty({ enum: ['file', 'directory'] }) type!: string;
  @ApiProperty({ description: 'Bytes; 0 for a directory' }) size!: number;
  @ApiProperty({ description: 'Seconds since the epoch' }) modified!: number;

  static from({ name, type, size, modifiedAt }: FileEntry): AgentFileEntry {
    return { name, type, size, modified: modifiedAt.getTime() / 1_000 };
  }
}

export class AgentWrittenFile {
  @ApiProperty({ description: 'Workspace-relative' }) path!: string;
  @ApiProperty({ description: 'Bytes' }) size!: number;
  @ApiProperty({ description: 'Seconds since the epoch' }) modified!: number;

  static from({ path, size, modifiedAt }: WrittenFile): AgentWrittenFile {
    return { path, size, modified: modifiedAt.getTime() / 1_000 };
  }
}

/** The parameter `path` of a listing. Errors: `invalid_input` when it is repeated. */
export function directoryIn(path: unknown): string {
  if (path === undefined) return '';
  if (typeof path === 'string') return path;
  throw new DomainError('invalid_input', 'path must be given once', { field: 'path' });
}
