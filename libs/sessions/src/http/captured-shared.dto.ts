import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { dialectOf } from '#platform';
import { isJsonObject, parseJson } from '../conversation/json.js';
import type { SharedSession } from '../sharing/shared-access.service.js';
import type { SharedPage } from '../sharing/shared-conversation.service.js';
import { CapturedMessagesQuery } from './captured-content.dto.js';
import { MAX_SHARE_PASSWORD } from './captured-share-links.dto.js';
import { sharedTitle } from './shared-page.js';

export const SHARED_FORMS = ['archive', 'html', 'json'] as const;
export type SharedForm = (typeof SHARED_FORMS)[number];

const TYPES = { 'application/gzip': 'archive', 'text/html': 'html', 'application/json': 'json' } as const;

/** A page for a browser, JSON for who asks for it, the archive for everybody else. `?format=` says it outright. */
export function formOf(request: Request): SharedForm {
  const asked = SHARED_FORMS.find((form) => form === request.query['format']);
  const accepted = request.accepts(Object.keys(TYPES)) as keyof typeof TYPES | false;
  return asked ?? (accepted ? TYPES[accepted] : 'archive');
}

export class CapturedSharedQuery extends CapturedMessagesQuery {
  @ApiPropertyOptional({ enum: SHARED_FORMS, description: 'Instead of what `Accept` asks for' })
  @IsOptional()
  @IsIn(SHARED_FORMS)
  format?: SharedForm;
}

/** A page of a shared conversation for programs: secrets are redacted. */
export class CapturedSharedConversation {
  @ApiProperty() title!: string;
  @ApiProperty() source_tool!: string;
  @ApiProperty({ nullable: true, type: String }) model_id!: string | null;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
  @ApiProperty({ format: 'date-time', description: 'When the link ends' }) expires_at!: string;
  @ApiProperty({ description: 'Messages that are shown' }) total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } })
  messages!: Record<string, unknown>[];

  /** The answer's JSON piece by piece. */
  static async *stream(
    { link, session, rules }: SharedSession,
    { page, pageSize }: SharedPage,
    { total, pieces }: { readonly total: number; readonly pieces: AsyncIterable<string> },
  ): AsyncGenerator<Buffer> {
    const head: Omit<CapturedSharedConversation, 'messages'> = {
      title: sharedTitle(session.title, rules),
      source_tool: session.sourceTool,
      model_id: session.modelId,
      updated_at: session.updatedAt.toISOString(),
      expires_at: link.expiresAt.toISOString(),
      total,
      page,
      page_size: pageSize,
      has_more: page * pageSize < total,
    };
    yield Buffer.from(`${JSON.stringify(head).slice(0, -1)},"messages":[`);
    let separator = '';
    for await (const piece of pieces) {
      yield Buffer.from(separator + piece);
      separator = ',';
    }
    yield Buffer.from(']}');
  }
}

/** A password, as a program's JSON or as the form of our page. */
export class CapturedSharePasswordBody {
  @ApiPropertyOptional({ nullable: true, type: String, maxLength: MAX_SHARE_PASSWORD }) password?: string | null;

  static passwordOf(request: Request): string | null {
    const text = (request.body as Buffer).toString('utf8');
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '');
    const password = isForm ? new URLSearchParams(text).get('password') : passwordIn(request, text);
    if (password !== null && password.length > MAX_SHARE_PASSWORD) {
      throw invalid('string_too_long', 'password', `password must be at most ${MAX_SHARE_PASSWORD} characters`);
    }
    return password || null;
  }
}

function passwordIn(request: Request, text: string): string | null {
  if (text === '') throw invalid('missing', null, 'Field required');
  const body = parseJson(text);
  if (!isJsonObject(body)) throw dialectOf(request).malformedJson(0);
  const password = body['password'] ?? null;
  if (password === null || typeof password === 'string') return password;
  throw invalid('string_type', 'password', 'password must be a string');
}

function invalid(type: string, field: string | null, msg: string): DomainError {
  const loc = ['body', ...(field === null ? [] : [field])];
  return new DomainError('invalid_input', msg, {
    ...(field !== null && { field }),
    details: { errors: [{ type, loc, msg }] },
  });
}
