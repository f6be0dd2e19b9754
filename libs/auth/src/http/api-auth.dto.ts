import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsArray,
  IsDateString,
  IsEmail,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import type { Account, User } from '#accounts';
import { SCOPES, TIERS } from '#platform';
import type { Key, MintedKey } from '../keys/key.js';
import type { NewKey } from '../keys/keys.service.js';

const NO_NUL = /^[^\0]*$/;

export class ApiSignupBody {
  @ApiProperty({ format: 'email', maxLength: 254 })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim().toLowerCase() : value))
  @MaxLength(254)
  @IsEmail({}, { message: 'email must be a valid address' })
  email!: string;
}

export class ApiSignedUp {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ format: 'email' }) email!: string;
  @ApiProperty({ description: 'The first key, shown this once' }) raw_key!: string;
  @ApiProperty({ format: 'uuid' }) key_id!: string;
  @ApiProperty() message!: string;

  static from(user: User, minted: MintedKey): ApiSignedUp {
    return {
      user_id: user.id,
      email: user.email,
      raw_key: minted.raw,
      key_id: minted.key.id,
      message: 'Account created.',
    };
  }
}

export class ApiMe {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ nullable: true, type: String }) display_name!: string | null;
  @ApiProperty() email_verified!: boolean;
  @ApiProperty({ enum: TIERS }) tier!: string;
  @ApiProperty({ enum: TIERS }) effective_tier!: string;
  @ApiProperty({ description: 'Slug of the account this key acts for: the first segment of git URLs' })
  account_slug!: string;
  @ApiProperty({ nullable: true, type: String }) org_id!: string | null;
  @ApiProperty({ nullable: true, type: String }) org_name!: string | null;
  @ApiProperty({ nullable: true, type: String }) org_role!: string | null;
  @ApiProperty({ nullable: true, type: String }) default_org_id!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ nullable: true, type: String }) last_client_version!: string | null;
  @ApiProperty({ nullable: true, type: String }) last_client_platform!: string | null;
  @ApiProperty({ nullable: true, type: String }) last_client_device!: string | null;
  @ApiProperty({ nullable: true, type: String }) last_sync_at!: string | null;
  @ApiProperty() latest_version!: string;

  static from(user: User, account: Account, version: string): ApiMe {
    return {
      user_id: user.id,
      email: user.email,
      display_name: user.displayName,
      email_verified: user.emailVerified,
      tier: account.tier,
      effective_tier: account.tier,
      account_slug: account.slug,
      org_id: null,
      org_name: null,
      org_role: null,
      default_org_id: null,
      created_at: user.createdAt.toISOString(),
      last_client_version: null,
      last_client_platform: null,
      last_client_device: null,
      last_sync_at: null,
      latest_version: version,
    };
  }
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

  /** `expires_at` wins over `expires_in_days`. */
  static toNewKey(body: ApiCreateKeyBody): NewKey {
    const inDays = body.expires_in_days ? new Date(Date.now() + body.expires_in_days * 86_400_000) : null;
    return {
      name: body.name ?? null,
      ...(body.scopes && { scopes: body.scopes }),
      account: body.account ?? null,
      expiresAt: body.expires_at ? new Date(body.expires_at) : inDays,
    };
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

  static from(key: Key): ApiKey {
    return {
      key_id: key.id,
      name: key.name,
      key_prefix: key.prefix,
      scopes: key.scopes,
      created_at: key.createdAt.toISOString(),
      expires_at: key.expiresAt?.toISOString() ?? null,
      last_used_at: key.lastUsedAt?.toISOString() ?? null,
    };
  }
}

export class ApiMintedKey extends ApiKey {
  @ApiProperty({ description: 'The key itself, shown this once' }) raw_key!: string;

  static fromMinted({ key, raw }: MintedKey): ApiMintedKey {
    return { ...ApiKey.from(key), raw_key: raw };
  }
}
