import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { DomainError } from '#kernel';
import type { UploadedFile } from '#platform';
import type { ReadFile } from '../account-sandboxes/account-files.service.js';
import type { IncomingFile } from '../account-sandboxes/account-uploads.service.js';
import type { StagedFile } from '../account-sandboxes/staged-files.js';
import { isOpaqueId, sessionNotFound } from '../sandbox.js';
import { toCheckoutPath } from '../workbench/checkout-files.service.js';
import { ApiOwnAccount, ApiSucceeded } from './api-sandboxes.dto.js';

export const MAX_FILES = 100;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const refused = (field: string, message: string): DomainError => new DomainError('invalid_input', message, { field });

export class ApiSandboxFileQuery extends ApiOwnAccount {
  @ApiPropertyOptional({ description: 'The current one when left out' })
  @IsOptional()
  @IsString({ message: 'sandbox_id must be a string' })
  sandbox_id?: string;

  @ApiPropertyOptional({ description: 'In the checkout; of uploads the directory that they are put into' })
  @IsOptional()
  @IsString({ message: 'path must be a string' })
  path?: string;

  static toId({ sandbox_id: id }: ApiSandboxFileQuery): string | null {
    return toSandboxId(id);
  }

  static toPath({ path }: ApiSandboxFileQuery): string {
    if (path === undefined || path === '') throw refused('path', 'path is required');
    return toCheckoutPath(path);
  }
}

/** What cannot be an id is that of no sandbox. */
function toSandboxId(id: string | undefined): string | null {
  if (id === undefined || id === '') return null;
  if (!isOpaqueId(id)) throw sessionNotFound();
  return id;
}

/** What is asked of an upload besides its files. */
export interface UploadPlace {
  readonly sandboxId: string | null;
  /** Where paths begin; empty for the checkout. */
  readonly folder: string;
}

/** In the query, or in the texts of the form that come before the file. */
export function toUploadPlace(query: ApiSandboxFileQuery, texts: Readonly<Record<string, string>> = {}): UploadPlace {
  const folder = texts['path'] ?? query.path ?? '';
  const trimmed = folder.replace(/\/+$/, '');
  return {
    sandboxId: toSandboxId(texts['sandbox_id'] ?? query.sandbox_id),
    folder: trimmed === '' && !folder.startsWith('/') ? '' : toCheckoutPath(trimmed),
  };
}

export function pathIn({ folder }: UploadPlace, name: string, field: string): string {
  return toCheckoutPath(folder === '' ? name : `${folder}/${name}`, field);
}

/** A file of a form is called as its sender calls it. */
export function toIncoming({ content, name, field }: UploadedFile, place: UploadPlace): IncomingFile {
  return { path: pathIn(place, name, field), content };
}

/** `{files: [{path, content, encoding} or {path, staged_file}]}`; all of it is looked at before anything is written. */
export function toListed(body: object, place: UploadPlace): readonly IncomingFile[] {
  const { files } = body as { files?: unknown };
  if (!Array.isArray(files) || files.length === 0 || files.length > MAX_FILES)
    throw refused('files', `files must be a list of 1 to ${MAX_FILES} files`);
  return files.map((file: unknown, index) => toFile(file, `files.${index}`, place));
}

function toFile(file: unknown, field: string, place: UploadPlace): IncomingFile {
  if (typeof file !== 'object' || file === null) throw refused(field, 'A file must be an object');
  const { path, content, encoding = 'utf-8', staged_file: staged } = file as Record<string, unknown>;
  if (typeof path !== 'string') throw refused(`${field}.path`, 'path must be a string');
  const at = pathIn(place, path, `${field}.path`);
  if ((content === undefined) === (staged === undefined))
    throw refused(`${field}.content`, 'A file has either content or staged_file');
  if (staged !== undefined) {
    if (typeof staged !== 'string') throw refused(`${field}.staged_file`, 'staged_file must be a string');
    return { path: at, content: staged };
  }
  if (typeof content !== 'string') throw refused(`${field}.content`, 'content must be a string');
  if (encoding !== 'utf-8' && encoding !== 'base64')
    throw refused(`${field}.encoding`, 'encoding must be utf-8 or base64');
  if (encoding === 'base64' && !BASE64.test(content)) throw refused(`${field}.content`, 'content must be base64');
  return { path: at, content: Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8') };
}

export class ApiSandboxFile extends ApiSucceeded {
  @ApiProperty() sandboxId!: string;
  @ApiProperty() path!: string;
  @ApiProperty() content!: string;
  @ApiProperty({ enum: ['utf-8', 'base64'], description: 'base64 for what is no text' }) encoding!: string;
  @ApiProperty({ description: 'Bytes' }) size!: number;

  static from(file: ReadFile): ApiSandboxFile {
    return { status: 'success', ...file };
  }
}

export function noFiles(): DomainError {
  return refused('files', 'files are required');
}

class ApiUploadedFile {
  @ApiProperty() path!: string;
  @ApiProperty({ description: 'Bytes' }) size!: number;
}

export class ApiUploadedFiles extends ApiSucceeded {
  @ApiProperty() sandboxId!: string;
  @ApiProperty({ type: [ApiUploadedFile] }) files!: ApiUploadedFile[];
}

class ApiListedFile {
  @ApiProperty({ description: 'Below `path` of the query' }) path!: string;
  @ApiPropertyOptional() content?: string;
  @ApiPropertyOptional({ enum: ['utf-8', 'base64'], default: 'utf-8' }) encoding?: string;
  @ApiPropertyOptional({ description: 'In place of content: the id of a staged file' }) staged_file?: string;
}

/** The JSON form of an upload. */
export class ApiUploadBody {
  @ApiProperty({ type: [ApiListedFile], maxItems: MAX_FILES }) files!: ApiListedFile[];
}

export class ApiStagedFile extends ApiSucceeded {
  @ApiProperty({ description: 'For `staged_file` of an upload, any number of times' }) staged_file!: string;
  @ApiProperty({ description: 'Bytes' }) size!: number;
  @ApiProperty({ description: 'Milliseconds since the Unix epoch' }) expiresAt!: number;

  static from({ id, bytes, expiresAt }: StagedFile): ApiStagedFile {
    return { status: 'success', staged_file: id, size: bytes, expiresAt: expiresAt.getTime() };
  }
}
