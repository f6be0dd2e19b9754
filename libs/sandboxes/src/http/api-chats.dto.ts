import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { DomainError, isUuid } from '#kernel';
import { decodeKeyset, encodeKeyset, nulAt } from '#platform';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { Transform } from 'class-transformer';
import type { Chat, ChatEdit, ChatMessage, ListedChat } from '../chats/chat.js';
import type { ListedAccountChat } from '../chats/chats.repository.js';
import { isOpaqueId } from '../sandbox.js';

const MAX_TITLE = 500;
const MAX_MODEL = 200;

const text = (): object => ({ nullable: true, type: String });

/** sandbox-sessions.md §A8. */
export class ApiChat {
  @ApiProperty() id!: string;
  @ApiProperty() sessionId!: string;
  @ApiProperty() title!: string;
  @ApiProperty({ ...text(), description: "Null for the server's own choice" }) modelId!: string | null;
  @ApiProperty({ ...text(), description: 'The run that writes to it now' }) activeStreamId!: string | null;
  @ApiProperty({ ...text(), format: 'date-time' }) lastAssistantMessageAt!: string | null;
  @ApiProperty({ ...text(), description: 'The captured session that the chat is recorded as' })
  capturedSessionId!: string | null;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;

  static from(chat: Chat): ApiChat {
    return {
      id: chat.id,
      sessionId: chat.sandboxId,
      title: chat.title,
      modelId: chat.modelId,
      activeStreamId: chat.activeStreamId,
      lastAssistantMessageAt: chat.lastAssistantMessageAt?.toISOString() ?? null,
      capturedSessionId: chat.capturedSessionId,
      createdAt: chat.createdAt.toISOString(),
      updatedAt: chat.updatedAt.toISOString(),
    };
  }
}

export class ApiChatSummary extends ApiChat {
  @ApiProperty({ description: 'An assistant wrote after the caller last read it' }) hasUnread!: boolean;
  @ApiProperty() isStreaming!: boolean;

  static fromListed(chat: ListedChat): ApiChatSummary {
    return { ...ApiChat.from(chat), hasUnread: chat.hasUnread, isStreaming: chat.activeStreamId !== null };
  }
}

export class ApiChatList {
  @ApiProperty({ type: [ApiChatSummary] }) chats!: ApiChatSummary[];
  @ApiProperty({ ...text(), description: 'What a chat without a model of its own speaks to' })
  defaultModelId!: string | null;
}

export class ApiOneChat {
  @ApiProperty({ type: ApiChat }) chat!: ApiChat;
}

export class ApiWholeChat extends ApiOneChat {
  @ApiProperty() isStreaming!: boolean;
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } })
  messages!: Record<string, unknown>[];

  static from(chat: Chat, messages: readonly ChatMessage[]): ApiWholeChat {
    return {
      chat: ApiChat.from(chat),
      isStreaming: chat.activeStreamId !== null,
      messages: messages.map(({ message }) => message),
    };
  }
}

export class ApiAddChatBody {
  @ApiPropertyOptional({ pattern: '^[A-Za-z0-9_-]{1,100}$', description: 'Chosen by the server when absent' })
  @IsOptional()
  @Transform(({ obj }: { obj: { id?: unknown } }) => obj.id)
  id?: unknown;

  static toId({ id }: ApiAddChatBody): string | null {
    if (id === undefined) return null;
    if (typeof id === 'string' && isOpaqueId(id)) return id;
    throw new DomainError('invalid_input', 'Invalid chat id', { field: 'id' });
  }
}

export class ApiEditChatBody {
  @ApiPropertyOptional({ minLength: 1, maxLength: MAX_TITLE }) title?: string;
  @ApiPropertyOptional({ minLength: 1, maxLength: MAX_MODEL }) modelId?: string;

  /** Takes the body as it came: unknown members are refused here (§A10). */
  static toEdit(body: Readonly<Record<string, unknown>> | undefined): ChatEdit {
    const { title, modelId, ...rest } = body ?? {};
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined)
      throw new DomainError('invalid_input', `Unknown field: ${unknown.slice(0, 100)}`, {
        field: unknown.slice(0, 100),
      });
    const edit = {
      ...(title !== undefined && { title: filled(title, 'title', MAX_TITLE) }),
      ...(modelId !== undefined && { modelId: filled(modelId, 'modelId', MAX_MODEL) }),
    };
    if (Object.keys(edit).length === 0) throw new DomainError('invalid_input', 'At least one field is required');
    return edit;
  }
}

function filled(value: unknown, field: string, max: number): string {
  const trimmed = typeof value === 'string' ? value.trim() : null;
  if (trimmed === null) throw new DomainError('invalid_input', `${field} must be a string`, { field });
  if (trimmed === '') throw new DomainError('invalid_input', `${field} cannot be empty`, { field });
  if (trimmed.length > max || nulAt(trimmed))
    throw new DomainError('invalid_input', `${field} must have at most ${max} characters, none of them NUL`, { field });
  return trimmed;
}

export class ApiPutMessageBody {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    properties: {
      id: { type: 'string' },
      role: { type: 'string', enum: ['assistant'] },
      parts: { type: 'array', items: { type: 'object', additionalProperties: true } },
    },
    required: ['id', 'role', 'parts'],
  })
  @Transform(({ obj }: { obj: { message?: unknown } }) => obj.message)
  @IsOptional()
  message?: unknown;

  static toMessage(body: ApiPutMessageBody | undefined): { id: string } & Record<string, unknown> {
    const message = body?.message;
    const refused = new DomainError('invalid_input', 'A valid assistant message is required', { field: 'message' });
    if (typeof message !== 'object' || message === null || nulAt(message)) throw refused;
    const { id, role, parts } = message as { id?: unknown; role?: unknown; parts?: unknown };
    if (typeof id !== 'string' || !isOpaqueId(id) || role !== 'assistant' || !Array.isArray(parts)) throw refused;
    return { ...message, id };
  }
}

export class ApiStoredMessage {
  @ApiProperty({ enum: [true] }) success!: true;
  @ApiProperty({ enum: ['inserted', 'updated'] }) status!: string;
}

export class ApiDeletedMessages {
  @ApiProperty({ enum: [true] }) success!: true;
  @ApiProperty({ type: [String] }) deletedMessageIds!: string[];
}

export class ApiAccountChat {
  @ApiProperty() id!: string;
  @ApiProperty() title!: string;
  @ApiProperty({ format: 'uuid' }) accountId!: string;
  @ApiProperty() sessionId!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;
  @ApiProperty({ ...text(), format: 'uuid' }) artistId!: string | null;
}

export class ApiAccountChatList {
  @ApiProperty({ enum: ['success'] }) status!: 'success';
  @ApiProperty({ type: [ApiAccountChat] }) chats!: ApiAccountChat[];
  @ApiProperty({ ...text(), description: 'Position after this page, for `cursor`' }) nextCursor!: string | null;

  static from({ chats, hasMore }: { chats: ListedAccountChat[]; hasMore: boolean }): ApiAccountChatList {
    const last = chats.at(-1);
    return {
      status: 'success',
      chats: chats.map(({ sandboxId, updatedAt, ...chat }) => ({
        ...chat,
        sessionId: sandboxId,
        updatedAt: updatedAt.toISOString(),
      })),
      nextCursor: hasMore && last ? encodeKeyset([last.updatedAt.toISOString(), last.id]) : null,
    };
  }
}

const POSITION = [/^[1-9]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, /^[A-Za-z0-9_-]{1,100}$/];

export class ApiAccountChatQuery {
  @ApiPropertyOptional({ format: 'uuid', description: "The caller's own account is the only one there is" })
  @IsOptional()
  @MaxLength(100)
  @IsString()
  account_id?: string;

  @ApiPropertyOptional({ format: 'uuid' }) @IsOptional() @MaxLength(100) @IsString() artist_account_id?: string;

  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 100 })
  @IsOptional()
  @Max(100)
  @Min(1)
  @IsInt()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  limit?: number;

  @ApiPropertyOptional({ description: '`nextCursor` of the page before' })
  @IsOptional()
  @MaxLength(400)
  @IsString()
  cursor?: string;

  /** Errors: `forbidden` for an account the caller does not act for. */
  static toList(
    query: ApiAccountChatQuery,
    accountId: string,
  ): { artistId: string | null; limit: number; after: { updatedAt: string; id: string } | null } {
    if (query.account_id !== undefined && query.account_id.toLowerCase() !== accountId)
      throw new DomainError('forbidden', 'Access denied to specified account_id');
    const artistId = query.artist_account_id ?? null;
    if (artistId !== null && !isUuid(artistId))
      throw new DomainError('invalid_input', 'artist_account_id must be a valid UUID', { field: 'artist_account_id' });
    const [updatedAt = '', id = ''] = query.cursor ? decodeKeyset(query.cursor, POSITION) : [];
    return { artistId, limit: query.limit ?? 100, after: query.cursor ? { updatedAt, id } : null };
  }
}
