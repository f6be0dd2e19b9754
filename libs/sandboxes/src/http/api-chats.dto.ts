import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { DomainError, isUuid } from '#kernel';
import { AsSent, decodeKeyset, encodeKeyset, INSTANT_SHAPE, nulAt } from '#platform';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { Transform } from 'class-transformer';
import type { Chat, ChatEdit, ChatPage, ListedChat, Page, Position, ReadChat } from '../chats/chat.js';
import type { ListedAccountChat } from '../chats/chats.repository.js';
import { isOpaqueId } from '../sandbox.js';

const MAX_TITLE = 500;
const MAX_MODEL = 200;
const MAX_CHATS = 500;
const MAX_ACCOUNT_CHATS = 100;
const MAX_MESSAGES = 1_000;

const text = (): object => ({ nullable: true, type: String });

/** sandbox-sessions.md §A8. */
export class ApiChat {
  @ApiProperty() id!: string;
  @ApiProperty() sessionId!: string;
  @ApiProperty() title!: string;
  @ApiProperty({ ...text(), description: "The server's unless one was chosen; null where it has none" })
  modelId!: string | null;
  @ApiProperty({ ...text(), description: 'The run that writes to it now' }) activeStreamId!: string | null;
  @ApiProperty({ ...text(), format: 'date-time' }) lastAssistantMessageAt!: string | null;
  @ApiProperty({ ...text(), description: 'The captured session that the chat is recorded as' })
  capturedSessionId!: string | null;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;

  /** `defaultModel` is what a chat without a model of its own speaks to. */
  static from(chat: Chat, defaultModel: string | null): ApiChat {
    return {
      id: chat.id,
      sessionId: chat.sandboxId,
      title: chat.title,
      modelId: chat.modelId ?? defaultModel,
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

  static fromListed(chat: ListedChat, defaultModel: string | null): ApiChatSummary {
    return {
      ...ApiChat.from(chat, defaultModel),
      hasUnread: chat.hasUnread,
      isStreaming: chat.activeStreamId !== null,
    };
  }
}

export class ApiChatList {
  @ApiProperty({ type: [ApiChatSummary] }) chats!: ApiChatSummary[];
  @ApiProperty({ ...text(), description: 'What a chat without a model of its own speaks to' })
  defaultModelId!: string | null;
  @ApiProperty({ ...text(), description: 'Position after this page, for `cursor`' }) nextCursor!: string | null;

  static from({ chats, hasMore }: ChatPage, defaultModel: string | null): ApiChatList {
    const last = chats.at(-1);
    return {
      chats: chats.map((chat) => ApiChatSummary.fromListed(chat, defaultModel)),
      defaultModelId: defaultModel,
      nextCursor: hasMore && last ? encodeKeyset([last.createdAt.toISOString(), last.id]) : null,
    };
  }
}

export class ApiOneChat {
  @ApiProperty({ type: ApiChat }) chat!: ApiChat;
}

export class ApiWholeChat extends ApiOneChat {
  @ApiProperty() isStreaming!: boolean;
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } })
  messages!: Record<string, unknown>[];
  @ApiProperty({ ...text(), description: 'Position before the first of these messages, for `cursor`' })
  nextCursor!: string | null;

  static fromRead({ chat, messages, hasMore }: ReadChat, defaultModel: string | null): ApiWholeChat {
    const [first] = messages;
    return {
      chat: ApiChat.from(chat, defaultModel),
      isStreaming: chat.activeStreamId !== null,
      messages: messages.map(({ message }) => message),
      nextCursor: hasMore && first ? encodeKeyset([first.createdAt.toISOString(), first.id]) : null,
    };
  }
}

const POSITION = [INSTANT_SHAPE, /^[A-Za-z0-9_-]{1,100}$/];

/** The most is what those get who know no pages. */
const UpTo = (max: number): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: Number, minimum: 1, maximum: max, default: max }),
    IsOptional(),
    Max(max),
    Min(1),
    IsInt(),
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value)),
  );

class ApiCursorQuery {
  @ApiPropertyOptional({ description: '`nextCursor` of the page before' })
  @IsOptional()
  @MaxLength(400)
  @IsString()
  cursor?: string;

  protected static positionOf({ cursor }: ApiCursorQuery): Position | null {
    if (!cursor) return null;
    const [at = '', id = ''] = decodeKeyset(cursor, POSITION);
    return { at, id };
  }
}

export class ApiChatListQuery extends ApiCursorQuery {
  @UpTo(MAX_CHATS) limit?: number;

  static toPage(query: ApiChatListQuery): Page {
    return { limit: query.limit ?? MAX_CHATS, after: this.positionOf(query) };
  }
}

export class ApiMessagesQuery extends ApiCursorQuery {
  @UpTo(MAX_MESSAGES) limit?: number;

  static toPage(query: ApiMessagesQuery): Page {
    return { limit: query.limit ?? MAX_MESSAGES, after: this.positionOf(query) };
  }
}

export class ApiAddChatBody {
  @ApiPropertyOptional({ pattern: '^[A-Za-z0-9_-]{1,100}$', description: 'Chosen by the server when absent' })
  @IsOptional()
  @AsSent()
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
  @AsSent()
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

export class ApiAccountChatQuery extends ApiCursorQuery {
  @ApiPropertyOptional({ format: 'uuid', description: "The caller's own account is the only one there is" })
  @IsOptional()
  @MaxLength(100)
  @IsString()
  account_id?: string;

  @ApiPropertyOptional({ format: 'uuid' }) @IsOptional() @MaxLength(100) @IsString() artist_account_id?: string;

  @UpTo(MAX_ACCOUNT_CHATS) limit?: number;

  /** Errors: `forbidden` for an account the caller does not act for. */
  static toList(query: ApiAccountChatQuery, accountId: string): Page & { artistId: string | null } {
    if (query.account_id !== undefined && query.account_id.toLowerCase() !== accountId)
      throw new DomainError('forbidden', 'Access denied to specified account_id');
    const artistId = query.artist_account_id ?? null;
    if (artistId !== null && !isUuid(artistId))
      throw new DomainError('invalid_input', 'artist_account_id must be a valid UUID', { field: 'artist_account_id' });
    return { artistId, limit: query.limit ?? MAX_ACCOUNT_CHATS, after: this.positionOf(query) };
  }
}
