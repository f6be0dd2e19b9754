import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsDefined, IsObject, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { DomainError } from '#kernel';
import { AsSent, nulAt } from '#platform';
import { toClientTools } from '../agent-sessions/client-tools.js';
import type { StoredEvent } from '../agent/agent-event.js';
import { toStatelessInput } from '../agent/stateless-input.js';
import type { StatelessRequest } from '../agent/stateless-responses.service.js';

const EFFORTS = ['minimal', 'low', 'medium', 'high'] as const;

export class AgentReasoning {
  @ApiPropertyOptional({ enum: EFFORTS }) effort?: string;
}

export class AgentResponseBody {
  @ApiProperty({
    description: 'A text, or messages, function calls and their outputs as the OpenAI Responses API has them',
    oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'object', additionalProperties: true } }],
  })
  @IsDefined()
  @AsSent()
  input!: unknown;

  @ApiPropertyOptional({ maxLength: 200, description: "A model of the server's endpoint" })
  @IsOptional()
  @MaxLength(200)
  @Matches(/^[^\0]+$/)
  @IsString()
  model?: string;

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    maxItems: 128,
    description: 'Functions as OpenAI describes them; a call of one ends the response',
  })
  @IsOptional()
  @AsSent()
  tools?: unknown;

  @ApiPropertyOptional({ type: AgentReasoning })
  @IsOptional()
  @IsObject()
  @AsSent()
  reasoning?: Record<string, unknown>;

  @ApiPropertyOptional({ default: false })
  @IsOptional()
  @IsBoolean()
  stream?: boolean;

  static toRequest({ input, model, tools: given, reasoning }: AgentResponseBody): StatelessRequest {
    const tools = toClientTools(given);
    if (nulAt(tools)) throw new DomainError('invalid_input', 'tools must not contain NUL', { field: 'tools' });
    return { ...toStatelessInput(input), model: model ?? null, tools, effort: toEffort(reasoning?.['effort']) };
  }
}

function toEffort(effort: unknown): StatelessRequest['effort'] {
  if (effort === undefined || effort === null) return null;
  const known = EFFORTS.find((each) => each === effort);
  if (known) return known;
  const field = 'reasoning.effort';
  throw new DomainError('invalid_input', `${field} must be one of ${EFFORTS.join(', ')}`, { field });
}

export class AgentResponseUsage {
  @ApiProperty() input_tokens!: number;
  @ApiProperty() output_tokens!: number;
  @ApiProperty() total_tokens!: number;
}

/** A response in whole, of the shape that OpenAI's have. */
export class AgentResponse {
  @ApiProperty() id!: string;
  @ApiProperty({ enum: ['response'] }) object!: string;
  @ApiProperty({ enum: ['completed', 'incomplete', 'cancelled'] }) status!: string;
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } }) output!: object[];
  @ApiProperty({ description: 'All text of the output' }) output_text!: string;
  @ApiPropertyOptional({ type: AgentResponseUsage }) usage?: AgentResponseUsage;

  /** Errors: `upstream_failed`, `unavailable` for a response that failed. */
  static from(id: string, events: readonly StoredEvent[]): AgentResponse {
    const told = events.map(({ data }) => data);
    const outcome = told.at(-1);
    if (outcome?.type === 'failed') {
      const code = outcome.error === 'interrupted' ? 'unavailable' : 'upstream_failed';
      throw new DomainError(code, outcome.message, { reason: outcome.error, details: { response_id: id } });
    }
    const text = told.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
    const calls = told.flatMap((event) =>
      event.type === 'tool-requested'
        ? [{ type: 'function_call', call_id: event.id, name: event.name, arguments: JSON.stringify(event.input) }]
        : [],
    );
    const content = [{ type: 'output_text', text }];
    const said = text === '' ? [] : [{ type: 'message', role: 'assistant', content }];
    const facts = { id, object: 'response', output: [...said, ...calls], output_text: text };
    if (outcome?.type !== 'completed') return { ...facts, status: 'cancelled' };
    const { inputTokens, outputTokens } = outcome.usage;
    const usage = { input_tokens: inputTokens, output_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
    return { ...facts, status: outcome.status, usage };
  }
}
