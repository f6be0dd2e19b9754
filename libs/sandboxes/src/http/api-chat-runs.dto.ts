import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { DomainError, isUuid, urlSafeId } from '#kernel';
import { AsSent, nulAt, type Principal } from '#platform';
import type { AgentRun } from '../agent/agent-run.js';
import type { SentMessage } from '../chat-runs/chat-run.js';
import { toModelMessages } from '../chat-runs/model-messages.js';
import type { ChatRequest, HeadlessRequest, HeadlessRun } from '../chat-runs/chat-starts.service.js';
import { isOpaqueId } from '../sandbox.js';

const MAX_MESSAGES = 1_000;
const MAX_PROMPT = 200_000;
const MAX_MODEL = 200;

const MESSAGES: ApiPropertyOptions = {
  type: 'array',
  maxItems: MAX_MESSAGES,
  description: 'As the AI SDK keeps them, the last one of role `user`',
  items: {
    type: 'object',
    additionalProperties: true,
    required: ['role', 'parts'],
    properties: {
      id: { type: 'string' },
      role: { type: 'string', enum: ['user', 'assistant'] },
      parts: { type: 'array', items: { type: 'object', additionalProperties: true } },
    },
  },
};

export class ApiChatBody {
  @ApiProperty(MESSAGES) @AsSent() messages?: unknown;
  @ApiProperty({ type: String }) @AsSent() sessionId?: unknown;
  @ApiProperty({ type: String, description: '`id` is taken for it when it is left out' }) @AsSent() chatId?: unknown;
  @ApiPropertyOptional({ type: String }) @AsSent() id?: unknown;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: 'Accepted and ignored' })
  @AsSent()
  context?: unknown;

  static toRequest(body: ApiChatBody | undefined): ChatRequest {
    const { sessionId, chatId, id, messages } = body ?? {};
    return {
      sessionId: named(sessionId, 'sessionId'),
      chatId: named(chatId ?? id, 'chatId'),
      messages: toMessages(messages, null),
    };
  }
}

function named(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new DomainError('invalid_input', `${field} is required`, { field });
}

/** `newId` names messages that have no id of their own; null where they must. */
function toMessages(value: unknown, newId: (() => string) | null): SentMessage[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_MESSAGES)
    throw refused('messages', `messages must be a list of 1 to ${MAX_MESSAGES} messages`);
  const messages = value.map((message, index) => toMessage(message, `messages.${index}`, newId));
  if (new Set(messages.map(({ id }) => id)).size < messages.length)
    throw refused('messages', 'messages must not have an id twice');
  if (messages.at(-1)?.role !== 'user') throw refused('messages', 'The last message must be of role user');
  if (toModelMessages(messages.slice(-1)).length === 0) throw refused('messages', 'The last message says nothing');
  return messages;
}

function toMessage(value: unknown, field: string, newId: (() => string) | null): SentMessage {
  if (typeof value !== 'object' || value === null) throw refused(field, 'A message must be an object');
  const { id = newId?.(), role, parts } = value as { id?: unknown; role?: unknown; parts?: unknown };
  if (typeof id !== 'string' || !isOpaqueId(id)) throw refused(`${field}.id`, 'Invalid message id');
  if (role !== 'user' && role !== 'assistant') throw refused(`${field}.role`, 'A message is of role user or assistant');
  if (!Array.isArray(parts)) throw refused(`${field}.parts`, 'The parts of a message must be a list');
  if (nulAt(value)) throw refused(field, 'A message must not contain NUL');
  return { id, role, message: { ...value, id } };
}

const refused = (field: string, message: string): DomainError => new DomainError('invalid_input', message, { field });

export class ApiChatRunBody {
  @ApiPropertyOptional({ type: String, minLength: 1, maxLength: MAX_PROMPT, description: 'Or `messages`' })
  @AsSent()
  prompt?: unknown;

  @ApiPropertyOptional(MESSAGES) @AsSent() messages?: unknown;
  @ApiPropertyOptional({ type: String, format: 'uuid' }) @AsSent() artistId?: unknown;
  @ApiPropertyOptional({ type: String, maxLength: MAX_MODEL }) @AsSent() model?: unknown;

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    description: "The caller's own account is the only one there is",
  })
  @AsSent()
  accountId?: unknown;

  @ApiPropertyOptional({ type: String, format: 'uuid', description: 'Account of an organization of the caller' })
  @AsSent()
  organizationId?: unknown;

  /** Errors: `forbidden` for an account the caller does not act for. */
  static toRequest(body: ApiChatRunBody | undefined, { accountId: own }: Principal): HeadlessRequest {
    const { prompt, messages, model, artistId, accountId, organizationId } = body ?? {};
    if ((prompt === undefined) === (messages === undefined))
      throw refused('prompt', 'Exactly one of prompt or messages is required');
    const account = uuid(accountId, 'accountId');
    if (account !== null && account.toLowerCase() !== own)
      throw new DomainError('forbidden', 'Access denied to specified account_id');
    return {
      messages: prompt === undefined ? toMessages(messages, urlSafeId) : [asMessage(prompt)],
      model: model === undefined ? null : text(model, 'model', MAX_MODEL),
      artistId: uuid(artistId, 'artistId'),
      organizationId: uuid(organizationId, 'organizationId'),
    };
  }
}

export function asMessage(prompt: unknown): SentMessage {
  const id = urlSafeId();
  const parts = [{ type: 'text', text: text(prompt, 'prompt', MAX_PROMPT) }];
  return { id, role: 'user', message: { id, role: 'user', parts } };
}

export function text(value: unknown, field: string, max: number): string {
  const isText = typeof value === 'string' && value.trim() !== '' && value.length <= max && !value.includes('\0');
  if (!isText) throw refused(field, `${field} must be a text of 1 to ${max} characters without NUL`);
  return value.trim();
}

function uuid(value: unknown, field: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && isUuid(value)) return value;
  throw refused(field, `${field} must be a valid UUID`);
}

export class ApiStartedRun {
  @ApiProperty() runId!: string;
  @ApiProperty() chatId!: string;
  @ApiProperty() sessionId!: string;

  static from({ runId, chatId, sessionId }: HeadlessRun): ApiStartedRun {
    return { runId, chatId, sessionId };
  }
}

export class ApiRunStatus {
  @ApiProperty() runId!: string;
  @ApiProperty({ enum: ['queued', 'running', 'completed', 'failed', 'cancelled'] }) status!: string;

  static from({ id, status }: AgentRun): ApiRunStatus {
    return { runId: id, status };
  }
}

export class ApiStoppedRun {
  @ApiProperty({ enum: [true] }) success!: true;
  @ApiProperty({ description: 'Whether anything was running' }) stopped!: boolean;
}

const MAX_INDEX = 2 ** 31 - 1;

export class ApiChatStreamQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 0, description: 'Number of the first chunk wanted' })
  @AsSent()
  startIndex?: unknown;

  static toIndex({ startIndex = '0' }: ApiChatStreamQuery): number {
    const index = typeof startIndex === 'string' && /^\d{1,10}$/.test(startIndex) ? Number(startIndex) : NaN;
    if (!(index <= MAX_INDEX)) throw refused('startIndex', 'startIndex must be an integer of 0 or more');
    return index;
  }
}
