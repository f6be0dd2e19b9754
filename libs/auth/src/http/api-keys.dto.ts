import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsArray,
  IsDateString,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { SCOPES } from '#platform';
import {
  DEFAULT_GRACE_SECONDS,
  graceEndOf,
  isRevoked,
  type Key,
  MAX_GRACE_SECONDS,
  type MintedKey,
} from '../keys/key.js';
import type { NewKey } from '../keys/keys.service.js';

export const NO_NUL = /^[^\0]*$/;
const DAY = 86_400_000;

/** Texts lose the blanks around them before they are judged. */
export const Trimmed = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));

/** The end a body asks for, either way; `expires_at` wins over `expires_in_days`. */
export function expiryFrom(body: { expires_at?: string | null; expires_in_days?: number | null }): Date | null {
  if (body.expires_at) return new Date(body.expires_at);
  return body.expires_in_days ? new Date(Date.now() + body.expires_in_days * DAY) : null;
}

export class ApiCreateKeyBody {
  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 255 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'name must not contain NUL' })
  @MaxLength(255)
  @IsString()
  name?: string | null;

  @ApiPropertyOptional({
    type: [String],
    enum: ['*', ...Object.keys(SCOPES)],
    isArray: true,
    description: 'What the key may do; everything when absent, nothing when empty',
  })
  @IsOptional()
  @IsString({ each: true })
  @IsArray()
  scopes?: string[];

  @ApiPropertyOptional({ nullable: true, type: Number, minimum: 1, maximum: 730 })
  @IsOptional()
  @Max(730)
  @Min(1)
  @IsInt()
  expires_in_days?: number | null;

  @ApiPropertyOptional({ nullable: true, type: String, format: 'date-time' })
  @IsOptional()
  @IsDateString()
  expires_at?: string | null;

  @ApiPropertyOptional({
    nullable: true,
    type: String,
    maxLength: 100,
    description: 'Slug of the only account the key may act for; absent: the account of the calling key',
  })
  @IsOptional()
  @Matches(NO_NUL, { message: 'account must not contain NUL' })
  @MaxLength(100)
  @IsString()
  account?: string | null;

  static toNewKey(body: ApiCreateKeyBody): NewKey {
    const { name = null, account = null, scopes } = body;
    return { name, account, ...(scopes && { scopes }), expiresAt: expiryFrom(body) };
  }
}

export class ApiRotateKeyBody {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_GRACE_SECONDS,
    default: DEFAULT_GRACE_SECONDS,
    description: 'How long the old key is still accepted; 0 ends it at once',
  })
  @IsOptional()
  @Max(MAX_GRACE_SECONDS)
  @Min(0)
  @IsInt()
  grace_seconds?: number | null;

  static toSeconds(body: ApiRotateKeyBody): number {
    return body.grace_seconds ?? DEFAULT_GRACE_SECONDS;
  }
}

export class ApiKey {
  @ApiProperty({ format: 'uuid' }) key_id!: string;
  @ApiProperty({ nullable: true, type: String }) name!: string | null;
  @ApiProperty({ description: 'The first 12 characters' }) key_prefix!: string;
  @ApiProperty({ type: [String] }) scopes!: string[];
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) expires_at!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_used_at!: string | null;
  @ApiProperty({
    format: 'date-time',
    nullable: true,
    type: String,
    description: 'Until when a key that was rotated is still accepted',
  })
  grace_ends_at!: string | null;

  static from(key: Key): ApiKey {
    return {
      key_id: key.id,
      name: key.name,
      key_prefix: key.prefix,
      scopes: key.scopes,
      created_at: key.createdAt.toISOString(),
      expires_at: key.expiresAt?.toISOString() ?? null,
      last_used_at: key.lastUsedAt?.toISOString() ?? null,
      grace_ends_at: key.revokedAt?.toISOString() ?? null,
    };
  }
}

export class ApiMintedKey extends ApiKey {
  @ApiProperty({ description: 'The key itself, shown this once' }) raw_key!: string;

  static fromMinted({ key, raw }: MintedKey): ApiMintedKey {
    return { ...ApiKey.from(key), raw_key: raw };
  }
}

export class ApiCreatePersonalKeyBody {
  @ApiProperty({ minLength: 1, maxLength: 255 })
  @Matches(NO_NUL, { message: 'name must not contain NUL' })
  @Length(1, 255)
  @IsString()
  @Trimmed()
  name!: string;

  @ApiPropertyOptional({ nullable: true, type: 'integer', minimum: 1, maximum: 730 })
  @IsOptional()
  @Max(730)
  @Min(1)
  @IsInt()
  expires_in_days?: number | null;
}

export class ApiRevokePersonalKeyBody {
  @ApiProperty({ minLength: 1, maxLength: 500 })
  @Matches(NO_NUL, { message: 'reason must not contain NUL' })
  @Length(1, 500)
  @IsString()
  @Trimmed()
  reason!: string;
}

export class ApiPersonalKey {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ nullable: true, type: String }) name!: string | null;
  @ApiProperty({ description: 'The first 12 characters' }) key_prefix!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) expires_at!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_used_at!: string | null;
  @ApiProperty({ nullable: true, type: String }) last_used_ip!: string | null;
  @ApiProperty({ description: 'Not revoked; an expired key stays active' }) is_active!: boolean;
  @ApiProperty({ type: [String] }) scopes!: string[];
  @ApiProperty({
    format: 'date-time',
    nullable: true,
    type: String,
    description: 'When the key stopped being accepted, or will, if it was rotated with a grace',
  })
  revoked_at!: string | null;
  @ApiProperty({ nullable: true, type: String }) revoke_reason!: string | null;
  @ApiProperty({
    format: 'date-time',
    nullable: true,
    type: String,
    description: 'Until when a key that was rotated is still accepted',
  })
  grace_ends_at!: string | null;

  static from(key: Key, now: number): ApiPersonalKey {
    return {
      id: key.id,
      name: key.name,
      key_prefix: key.prefix,
      created_at: key.createdAt.toISOString(),
      expires_at: key.expiresAt?.toISOString() ?? null,
      last_used_at: key.lastUsedAt?.toISOString() ?? null,
      last_used_ip: key.lastUsedIp,
      is_active: !isRevoked(key, now),
      scopes: key.scopes,
      revoked_at: key.revokedAt?.toISOString() ?? null,
      revoke_reason: key.revokeReason,
      grace_ends_at: graceEndOf(key, now)?.toISOString() ?? null,
    };
  }
}

export class ApiMintedPersonalKey extends ApiPersonalKey {
  @ApiProperty({ description: 'The key itself, shown this once' }) key!: string;

  static fromMinted({ key, raw }: MintedKey, now: number): ApiMintedPersonalKey {
    return { ...ApiPersonalKey.from(key, now), key: raw };
  }
}
