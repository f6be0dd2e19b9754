import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow } from 'class-validator';
import type { OpenedSession, SessionStatus } from '../pinned-sessions/pinned-sessions.service.js';
import type { Flushed } from '../pinned-sessions/tracked-writes.js';

/** Nothing in it is ever refused: what cannot be used counts as absent (coregit.md §3.1). */
export class V1OpenSessionBody {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    default: 1800,
    description: 'Lifetime in seconds, lowered to 28,800 on paid tiers and 3,600 on the free one',
  })
  @Allow()
  ttl_seconds?: unknown;

  @ApiPropertyOptional({
    type: 'boolean',
    default: true,
    description: 'Every request slides the expiry; with `false` it is fixed from the opening',
  })
  @Allow()
  idle_extend?: unknown;
}

export class V1OpenedSession {
  @ApiProperty({ example: 'ses_THJ9Dht__5cfs_HKFAnZt', description: 'Send it as X-Session-Id; as secret as a key' })
  session_id!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
  @ApiProperty({ type: 'integer', description: 'The lifetime that applies' }) ttl_seconds!: number;
  @ApiProperty() idle_extend!: boolean;

  static from(session: OpenedSession): V1OpenedSession {
    return {
      session_id: session.rawId,
      expires_at: session.expiresAt.toISOString(),
      ttl_seconds: session.ttlSeconds,
      idle_extend: session.idleExtend,
    };
  }
}

export class V1SessionStatus {
  @ApiProperty({ type: 'integer', description: 'Objects and refs written whose ref files are not in place yet' })
  objectCount!: number;
  @ApiProperty({ type: 'integer', description: 'Milliseconds since the Unix epoch' }) createdAt!: number;
  @ApiProperty({ type: 'integer', description: 'Milliseconds since the Unix epoch' }) lastActivityAt!: number;
  @ApiProperty({ description: 'Closed, or ended with its key' }) closed!: boolean;
  @ApiProperty({ type: 'integer', description: 'Milliseconds until expiry, negative after it' }) ttlMs!: number;

  static from(status: SessionStatus): V1SessionStatus {
    return { ...status };
  }
}

export class V1FlushedSession {
  @ApiProperty({ type: 'integer' }) flushedObjects!: number;
  @ApiProperty({ type: 'integer' }) flushedRefs!: number;

  static from(flushed: Flushed): V1FlushedSession {
    return { ...flushed };
  }
}

export class V1ClosedSession extends V1FlushedSession {
  @ApiProperty({ enum: ['closed'] }) status!: string;

  static fromFlushed(flushed: Flushed): V1ClosedSession {
    return { status: 'closed', ...flushed };
  }
}
