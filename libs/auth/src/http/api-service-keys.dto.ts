import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
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
import { DomainError } from '#kernel';
import { SCOPES } from '#platform';
import { graceEndOf, isRevoked, type Key, type MintedKey } from '../keys/key.js';
import {
  type NewServiceKey,
  problemWithProjects,
  problemWithScopes,
  storedProjects,
} from '../service-keys/service-key.js';
import { expiryFrom, NO_NUL, Trimmed } from './api-keys.dto.js';

const MAX_LISTED = 100;

export class ApiCreateServiceKeyBody {
  @ApiProperty({ minLength: 1, maxLength: 100 })
  @Matches(NO_NUL, { message: 'name must not contain NUL' })
  @Length(1, 100)
  @IsString()
  @Trimmed()
  name!: string;

  @ApiProperty({
    type: [String],
    enum: Object.keys(SCOPES),
    isArray: true,
    minItems: 1,
    maxItems: MAX_LISTED,
    description: 'What the key may do, word by word; `write` holds `read`',
  })
  @MaxLength(100, { each: true })
  @IsString({ each: true })
  @ArrayMaxSize(MAX_LISTED)
  @ArrayMinSize(1)
  @IsArray()
  scopes!: string[];

  @ApiPropertyOptional({ nullable: true, type: 'integer', minimum: 1, maximum: 730 })
  @IsOptional()
  @Max(730)
  @Min(1)
  @IsInt()
  expires_in_days?: number | null;

  @ApiPropertyOptional({ nullable: true, type: String, format: 'date-time', description: 'Wins over expires_in_days' })
  @IsOptional()
  @IsDateString()
  expires_at?: string | null;

  @ApiPropertyOptional({
    nullable: true,
    type: [String],
    maxItems: MAX_LISTED,
    description: 'The only projects the key may touch; absent, null or empty: all of the organization',
  })
  @IsOptional()
  @MaxLength(100, { each: true })
  @IsString({ each: true })
  @ArrayMaxSize(MAX_LISTED)
  @IsArray()
  project_ids?: string[] | null;

  /** Errors: `invalid_input` in the shape of a rule over the whole body (sessionfs-1.md §2.3). */
  static toNewKey(body: ApiCreateServiceKeyBody): NewServiceKey {
    const projectIds = storedProjects(body.project_ids);
    const problem = problemWithScopes(body.scopes) ?? problemWithProjects(projectIds, body.scopes);
    if (problem !== null) {
      const errors = [{ type: 'value_error', loc: ['body'], msg: `Value error, ${problem}` }];
      throw new DomainError('invalid_input', problem, { details: { errors } });
    }
    return { name: body.name, scopes: body.scopes, expiresAt: expiryFrom(body), projectIds };
  }
}

/** None at all, `reason` or the seed's `revoke_reason`. */
export class ApiRevokeServiceKeyBody {
  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: 500 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'reason must not contain NUL' })
  @Length(1, 500)
  @IsString()
  @Trimmed()
  reason?: string | null;

  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: 500 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'revoke_reason must not contain NUL' })
  @Length(1, 500)
  @IsString()
  @Trimmed()
  revoke_reason?: string | null;

  static toReason(body: ApiRevokeServiceKeyBody): string | null {
    return body.reason ?? body.revoke_reason ?? null;
  }
}

export class ApiServiceKey {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() org_id!: string;
  @ApiProperty({ description: 'The same as name' }) service_key_name!: string;
  @ApiProperty({ type: [String] }) scopes!: string[];
  @ApiProperty({ nullable: true, type: [String] }) project_ids!: string[] | null;
  @ApiProperty({ description: 'The first 12 characters' }) key_prefix!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'uuid', nullable: true, type: String }) created_by_user_id!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) expires_at!: string | null;
  @ApiProperty({
    format: 'date-time',
    nullable: true,
    type: String,
    description: 'When the key stopped being accepted, or will, if it was rotated with a grace',
  })
  revoked_at!: string | null;
  @ApiProperty({ nullable: true, type: String }) revoke_reason!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_used_at!: string | null;
  @ApiProperty({ nullable: true, type: String }) last_used_ip!: string | null;
  @ApiProperty({ description: 'Neither revoked nor past the grace of a rotation; an expired key stays active' })
  is_active!: boolean;
  @ApiProperty({
    format: 'date-time',
    nullable: true,
    type: String,
    description: 'Until when a key that was rotated is still accepted',
  })
  grace_ends_at!: string | null;

  static from(orgId: string, key: Key, now: number): ApiServiceKey {
    const name = key.name ?? '';
    return {
      id: key.id,
      name,
      org_id: orgId,
      service_key_name: name,
      scopes: key.scopes,
      project_ids: key.projectIds,
      key_prefix: key.prefix,
      created_at: key.createdAt.toISOString(),
      created_by_user_id: key.createdBy,
      expires_at: key.expiresAt?.toISOString() ?? null,
      revoked_at: key.revokedAt?.toISOString() ?? null,
      revoke_reason: key.revokeReason,
      last_used_at: key.lastUsedAt?.toISOString() ?? null,
      last_used_ip: key.lastUsedIp,
      is_active: !isRevoked(key, now),
      grace_ends_at: graceEndOf(key, now)?.toISOString() ?? null,
    };
  }
}

export class ApiMintedServiceKey extends ApiServiceKey {
  @ApiProperty({ description: 'The key itself, shown this once' }) key!: string;

  static fromMinted(orgId: string, { key, raw }: MintedKey, now: number): ApiMintedServiceKey {
    return { ...ApiServiceKey.from(orgId, key, now), key: raw };
  }
}
