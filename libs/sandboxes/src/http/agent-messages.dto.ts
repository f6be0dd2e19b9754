import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsArray, IsNotEmpty, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { AsSent, nulAt } from '#platform';
import type { ClientResult } from '../agent/client-tool-calls.js';

const MAX_RESULTS = 128;
const MAX_RESULT_CHARACTERS = 262_144;

export class AgentMessageBody {
  @ApiProperty({ minLength: 1, maxLength: 262_144 })
  @MaxLength(262_144)
  @Matches(/^[^\0]+$/)
  @IsNotEmpty()
  @IsString()
  message!: string;
}

export class AgentToolResult {
  @ApiProperty({ description: 'The `id` of the `tool_call.requested` event' }) id!: string;
  @ApiProperty({ description: 'A text; anything else is given to the model as JSON' }) content!: string;
  @ApiPropertyOptional({ default: false }) is_error?: boolean;
}

export class AgentToolResultsBody {
  @ApiPropertyOptional({ description: 'The response under way when absent' })
  @IsOptional()
  @MaxLength(100)
  @IsString()
  response_id?: string;

  @ApiProperty({ type: [AgentToolResult], maxItems: MAX_RESULTS })
  @IsArray()
  @AsSent()
  tool_results!: unknown;

  static toResults({ tool_results: input }: AgentToolResultsBody): ClientResult[] {
    if (!Array.isArray(input) || input.length === 0 || input.length > MAX_RESULTS)
      throw refused('tool_results', `must be an array of 1 to ${MAX_RESULTS} results`);
    return input.map((result: unknown, index) => toResult(result, `tool_results.${index}`));
  }
}

function toResult(input: unknown, field: string): ClientResult {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw refused(field, 'must be an object');
  const { id, content, is_error: isError } = input as Record<string, unknown>;
  if (typeof id !== 'string' || id === '' || id.includes('\0')) throw refused(`${field}.id`, 'must be a text');
  if (content === undefined) throw refused(`${field}.content`, 'is missing');
  if (nulAt(content)) throw refused(`${field}.content`, 'must not contain NUL');
  if (isError !== undefined && typeof isError !== 'boolean') throw refused(`${field}.is_error`, 'must be a boolean');
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  if (text.length > MAX_RESULT_CHARACTERS)
    throw refused(`${field}.content`, `must have at most ${MAX_RESULT_CHARACTERS} characters`);
  return { id, content: text, isError: isError ?? false };
}

function refused(field: string, rule: string): DomainError {
  return new DomainError('invalid_input', `${field} ${rule}`, { field });
}

/** Where a client goes on reading: after the last event it has; -1 for from the beginning. The header wins. */
export function lastEventId({ headers, query }: Pick<Request, 'headers' | 'query'>): number {
  const header = headers['last-event-id'];
  const given = header ?? query['last_event_id'];
  if (given === undefined || given === '') return -1;
  if (typeof given === 'string' && /^\d{1,9}$/.test(given)) return Number(given);
  throw refused(header === undefined ? 'last_event_id' : 'Last-Event-ID', 'must be the number of an event');
}

export class AgentCancelled {
  @ApiPropertyOptional() response_id?: string;
  @ApiProperty({ enum: ['cancelling', 'already_complete'] }) status!: string;
}

export class AgentResultsTaken {
  @ApiProperty() response_id!: string;
  @ApiProperty({ description: 'How many results were taken' }) accepted!: number;
}
