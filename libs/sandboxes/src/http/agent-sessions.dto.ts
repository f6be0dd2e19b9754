import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsDefined, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { DomainError } from '#kernel';
import { AsSent, decodeKeyset, encodeKeyset, INSTANT_SHAPE, nulAt } from '#platform';
import type { AgentSession, NewAgentSession } from '../agent-sessions/agent-session.js';
import type { AgentSessionPosition } from '../agent-sessions/agent-sessions.repository.js';
import type { AgentSessionCondition } from '../agent-sessions/agent-sessions.service.js';
import { toClientTools } from '../agent-sessions/client-tools.js';
import { toIdleSeconds } from '../agent-sessions/idle-duration.js';
import { type Metadata, toMetadata } from '../agent-sessions/metadata.js';
import type { LimitLevel } from '../provider/sandbox-provider.js';
import { toFileAccess } from '../scope/file-access.js';

const DEFAULT_TTL = 14_400;

/** Seconds since the epoch with their fraction, as this surface tells time (sandbox-sessions.md §B1). */
const toSeconds = (date: Date): number => date.getTime() / 1_000;

export class AgentFileAccess {
  @ApiProperty({ type: [String], description: 'Workspace-relative paths; "" is the whole workspace' }) read!: string[];
  @ApiProperty({ type: [String], description: 'What may also be written; implies read' }) write!: string[];
}

export class AgentCreateSessionBody {
  @ApiPropertyOptional({ default: false, description: 'Whether it outlives its last response by more than 5 minutes' })
  @IsOptional()
  @IsBoolean()
  persistent?: boolean;

  @ApiPropertyOptional({ minimum: 60, maximum: 86_400, default: DEFAULT_TTL, description: 'Longest life, in seconds' })
  @IsOptional()
  @Max(86_400)
  @Min(60)
  @IsInt()
  ttl?: number;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: 'Free form, at most 64 KiB of JSON' })
  @IsOptional()
  @AsSent()
  metadata?: unknown;

  @ApiPropertyOptional({ type: AgentFileAccess, description: 'The whole workspace unless given; fixed for its life' })
  @IsOptional()
  @AsSent()
  file_access?: unknown;

  @ApiPropertyOptional({ maxLength: 200, description: "A model of the server's endpoint; fixed for its life" })
  @IsOptional()
  @MaxLength(200)
  @Matches(/^[^\0]+$/)
  @IsString()
  model?: string;

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    maxItems: 128,
    description: 'Functions that the client runs for the agent, as OpenAI describes them',
  })
  @IsOptional()
  @AsSent()
  tools?: unknown;

  static toNew(body: AgentCreateSessionBody | undefined): NewAgentSession {
    const tools = toClientTools(body?.tools);
    assertStorable(tools, 'tools');
    return {
      persistent: body?.persistent ?? false,
      ttlSeconds: body?.ttl ?? DEFAULT_TTL,
      metadata: toMetadata(body?.metadata ?? {}),
      fileAccess: toFileAccess(body?.file_access),
      model: body?.model ?? null,
      tools,
    };
  }
}

function assertStorable(value: unknown, field: string): void {
  const path = nulAt(value);
  if (path === null) return;
  const name = [field, ...path].join('.').replaceAll('\0', '').slice(0, 200);
  throw new DomainError('invalid_input', `${name} must not contain NUL`, { field: name });
}

export class AgentChangeSessionBody {
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'Members to set; null takes one away' })
  @IsDefined()
  @AsSent()
  metadata!: unknown;

  static toChange({ metadata }: AgentChangeSessionBody): Metadata {
    return toMetadata(metadata);
  }
}

/** sandbox-sessions.md §B3.2, with `expires_at` beside it. */
export class AgentSessionRecord {
  @ApiProperty({ pattern: '^sess_[0-9a-f]{12}$' }) id!: string;
  @ApiProperty({ description: 'Seconds since the epoch' }) created_at!: number;
  @ApiProperty({ description: 'Seconds since the epoch' }) last_activity!: number;
  @ApiProperty({ description: 'A response is in progress' }) busy!: boolean;
  @ApiProperty() persistent!: boolean;
  @ApiProperty({ description: 'Seconds, as requested' }) ttl!: number;
  @ApiProperty({ enum: ['ready', 'failed'] }) status!: string;
  @ApiProperty({ type: 'object', additionalProperties: true }) metadata!: Record<string, unknown>;
  @ApiProperty({ type: AgentFileAccess, description: 'As it takes effect' }) file_access!: AgentFileAccess;
  @ApiProperty({ description: 'When it ends unless a response comes first; seconds since the epoch' })
  expires_at!: number;

  @ApiProperty({ type: String, nullable: true, description: 'The captured session its conversation is recorded as' })
  captured_session_id!: string | null;

  @ApiProperty({
    enum: ['cgroup-v2', 'cgroup-v1', 'supervised'],
    nullable: true,
    description: 'How the limits of its commands are kept here; null where none can run',
  })
  limit_level!: LimitLevel | null;

  static from(session: AgentSession, level: LimitLevel | null): AgentSessionRecord {
    return {
      id: session.id,
      created_at: toSeconds(session.createdAt),
      last_activity: toSeconds(session.lastActivityAt ?? session.createdAt),
      busy: session.responseId !== null,
      persistent: session.persistent,
      ttl: session.ttlSeconds,
      status: session.state === 'failed' ? 'failed' : 'ready',
      metadata: session.metadata,
      file_access: { read: [...session.fileAccess.read], write: [...session.fileAccess.write] },
      expires_at: toSeconds(session.endsAt),
      captured_session_id: session.capturedSessionId,
      limit_level: level,
    };
  }
}

const POSITION = [INSTANT_SHAPE, /^sess_[0-9a-f]{12}$/];

export class AgentSessionListQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 1_000, default: 1_000 })
  @IsOptional()
  @Max(1_000)
  @Min(1)
  @IsInt()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  limit?: number;

  @ApiPropertyOptional({ description: '`X-Next-After` of the page before' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  after?: string;

  static toPage({ limit, after }: AgentSessionListQuery): { limit: number; after: AgentSessionPosition | null } {
    const [createdAt = '', id = ''] = after ? decodeKeyset(after, POSITION) : [];
    return { limit: limit ?? 1_000, after: after ? { createdAt, id } : null };
  }

  static positionOf(session: AgentSession): string {
    return encodeKeyset([session.createdAt.toISOString(), session.id]);
  }
}

/**
 * Parameters are looked at as they came: one that is repeated, empty or unknown to §B3.4 deletes nothing. A misspelt
 * condition would be one less.
 */
export class AgentBulkDeleteQuery {
  static toCondition({ status, older_than, ...unknown }: Readonly<Record<string, unknown>>): AgentSessionCondition {
    const [name] = Object.keys(unknown);
    if (name !== undefined) throw new DomainError('invalid_input', `There is no condition '${name.slice(0, 100)}'`);
    if (status === undefined && older_than === undefined) {
      throw new DomainError('invalid_input', 'Name what to delete: status=idle, older_than=<duration>, or both');
    }
    if (status !== undefined && status !== 'idle')
      throw new DomainError('invalid_input', "status must be 'idle', once", { field: 'status' });
    if (older_than !== undefined && typeof older_than !== 'string')
      throw new DomainError('invalid_input', 'older_than must be given once', { field: 'older_than' });
    return { isIdle: status === 'idle', idleSeconds: older_than === undefined ? null : toIdleSeconds(older_than) };
  }
}

export class AgentDeleted {
  @ApiProperty() deleted!: number;
}
