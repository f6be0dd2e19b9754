import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { DomainError } from '#kernel';
import { BIGINT_SHAPE, decodeKeyset, INSTANT_SHAPE, MAX_ADDRESS, ONE_ADDRESS } from '#platform';
import { HANDOFF_STATUSES, type HandoffStatus, MAX_EXPIRY_HOURS } from '../handoffs/handoff.js';
import type { HandoffWish } from '../handoffs/handoff-creation.service.js';
import { MAX_THREAD } from '../handoffs/handoff-thread.repository.js';
import type { HandoffListQuery } from '../handoffs/handoffs.repository.js';

const NO_NUL = /^[^\0]*$/;
const ATTACHMENT_KINDS = ['kb_entry', 'wiki_page', 'ticket'] as const;
const nullableText = (maxLength: number): object => ({ nullable: true, type: String, maxLength });
/** Blank is absent. */
const toText = Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() || null : value));
const toAddress = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' ? value.trim().toLowerCase() || null : value,
);
const toInt = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && /^-?\d{1,9}$/.test(value) ? Number(value) : value,
);

class CapturedHandoffAttachment {
  @ApiProperty({ enum: ATTACHMENT_KINDS }) @IsIn(ATTACHMENT_KINDS) kind!: string;
  @ApiProperty({ minLength: 1, maxLength: 255 }) @MaxLength(255) @Matches(/^[^\0]+$/) @IsString() ref_id!: string;
}

/** sessionfs-1.md §9.3. Exactly one of the three recipients. */
export class CapturedHandOffBody {
  @ApiProperty() @MaxLength(255) @Matches(NO_NUL) @IsString() session_id!: string;

  @ApiPropertyOptional({ format: 'email', ...nullableText(MAX_ADDRESS) })
  @IsOptional()
  @MaxLength(MAX_ADDRESS)
  @Matches(ONE_ADDRESS, { message: 'recipient_email must be a valid address' })
  @toAddress
  recipient_email?: string | null;

  @ApiPropertyOptional(nullableText(36))
  @IsOptional()
  @MaxLength(36)
  @Matches(NO_NUL)
  @IsString()
  @toText
  recipient_user_id?: string | null;

  @ApiPropertyOptional(nullableText(64))
  @IsOptional()
  @MaxLength(64)
  @Matches(NO_NUL)
  @IsString()
  @toText
  recipient_team_id?: string | null;

  @ApiPropertyOptional(nullableText(2_000))
  @IsOptional()
  @MaxLength(2_000)
  @Matches(NO_NUL)
  @IsString()
  @toText
  message?: string | null;

  @ApiPropertyOptional(nullableText(64))
  @IsOptional()
  @MaxLength(64)
  @Matches(NO_NUL)
  @IsString()
  @toText
  ticket_id?: string | null;

  @ApiPropertyOptional(nullableText(50))
  @IsOptional()
  @MaxLength(50)
  @Matches(NO_NUL)
  @IsString()
  @toText
  persona_name?: string | null;

  @ApiPropertyOptional({ nullable: true, type: Number, minimum: 1, maximum: MAX_EXPIRY_HOURS, default: 168 })
  @IsOptional()
  @Max(MAX_EXPIRY_HOURS)
  @Min(1)
  @IsInt()
  expires_in_hours?: number | null;

  @ApiPropertyOptional({ nullable: true, type: [CapturedHandoffAttachment], maxItems: 50 })
  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => CapturedHandoffAttachment)
  @ArrayMaxSize(50)
  @IsArray()
  attachments?: CapturedHandoffAttachment[] | null;

  static toWish(body: CapturedHandOffBody): HandoffWish {
    const email = body.recipient_email ?? null;
    const userId = body.recipient_user_id ?? null;
    const teamId = body.recipient_team_id ?? null;
    const count = [email, userId, teamId].filter((recipient) => recipient !== null).length;
    if (count !== 1) throw notOneRecipient(count);
    return {
      sessionId: body.session_id,
      terms: { email, userId, teamId, hours: body.expires_in_hours ?? null },
      message: body.message ?? null,
      references: {
        ticketId: body.ticket_id ?? null,
        personaName: body.persona_name ?? null,
        attachments: (body.attachments ?? []).map(({ kind, ref_id }) => ({ kind, refId: ref_id })),
      },
    };
  }
}

export class CapturedRevokeHandoffBody {
  @ApiProperty({ minLength: 1, maxLength: 500 })
  @MaxLength(500)
  @Matches(/^[^\0]*[^\0\s][^\0]*$/, { message: 'reason must say something' })
  @IsString()
  reason!: string;
}

export class CapturedDeclineHandoffBody {
  @ApiPropertyOptional(nullableText(500))
  @IsOptional()
  @MaxLength(500)
  @Matches(NO_NUL)
  @IsString()
  @toText
  reason?: string | null;
}

export class CapturedCommentBody {
  @ApiProperty({ minLength: 1, maxLength: 10_000 })
  @MaxLength(10_000)
  @Matches(/^[^\0]*[^\0\s][^\0]*$/, { message: 'content must say something' })
  @IsString()
  content!: string;
}

const CURSOR_SHAPES = [INSTANT_SHAPE, /^hnd_[0-9A-Za-z]{22}$/];
/** Clients that know no pages get everything there is, up to here. */
const MAX_PAGE = 500;

export class CapturedHandoffListQuery {
  @ApiPropertyOptional({ minimum: 1, default: 1 }) @IsOptional() @Max(100_000) @Min(1) @IsInt() @toInt page?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: MAX_PAGE, default: MAX_PAGE })
  @IsOptional()
  @Max(MAX_PAGE)
  @Min(1)
  @IsInt()
  @toInt
  limit?: number;

  @ApiPropertyOptional({ description: '`next_cursor` of the page before; `page` is ignored then' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  cursor?: string;

  @ApiPropertyOptional({ enum: HANDOFF_STATUSES }) @IsOptional() @IsIn(HANDOFF_STATUSES) status?: HandoffStatus;

  static toList(query: CapturedHandoffListQuery): Omit<HandoffListQuery, 'projectIds'> {
    const limit = query.limit ?? MAX_PAGE;
    const [createdAt = '', id = ''] = query.cursor ? decodeKeyset(query.cursor, CURSOR_SHAPES) : [];
    return {
      limit,
      offset: query.cursor ? 0 : ((query.page ?? 1) - 1) * limit,
      after: query.cursor ? { createdAt, id } : null,
      status: query.status ?? null,
    };
  }
}

export class CapturedInboxQuery extends CapturedHandoffListQuery {
  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'true', description: "With those to the caller's teams" })
  @IsOptional()
  @IsIn(['true', 'false', '1', '0'])
  include_team?: string;
}

export class CapturedThreadQuery {
  @ApiPropertyOptional({ type: Number, default: MAX_THREAD, description: `Taken as one of 1 to ${MAX_THREAD}` })
  @IsOptional()
  @IsInt()
  @toInt
  limit?: number;

  @ApiPropertyOptional({ description: 'The id of the last one seen' })
  @IsOptional()
  @MaxLength(40)
  @Matches(NO_NUL)
  @IsString()
  after?: string;

  static limitOf({ limit }: CapturedThreadQuery): number {
    return Math.min(MAX_THREAD, Math.max(1, limit ?? MAX_THREAD));
  }

  /** Errors: `invalid_input` for what is no event's id. */
  static eventOf({ after }: CapturedThreadQuery): string | null {
    if (after === undefined || BIGINT_SHAPE.test(after)) return after ?? null;
    throw new DomainError('invalid_input', 'after must be the id of an event', { field: 'after' });
  }
}

function notOneRecipient(count: number): DomainError {
  const msg = `Value error, Exactly one of recipient_email, recipient_user_id, recipient_team_id must be given, not ${count}`;
  return new DomainError('invalid_input', msg, {
    details: { errors: [{ type: 'value_error', loc: ['body'], msg, input: null }] },
  });
}
