import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { ApiPageQuery, encodeKeyset } from '#platform';
import type { Key } from '../keys/key.js';
import {
  type AdminUser,
  type AdminUserDetail,
  SHOWN_TIERS,
  type ShownTier,
  shownTier,
  type UserStatus,
} from './admin-user.js';
import type { UserFilter } from './admin-users.repository.js';
import type { MintedOnBehalf, UserPage } from './admin-users.service.js';

const STATUSES = ['active', 'inactive', 'all'] as const;
const NO_NUL = /^[^\0]*$/;

export class ApiAdminUsersQuery extends ApiPageQuery {
  @ApiPropertyOptional({ enum: SHOWN_TIERS })
  @IsOptional()
  @IsIn(SHOWN_TIERS)
  tier_filter?: ShownTier;

  @ApiPropertyOptional({ description: 'Part of the e-mail address, in any case', maxLength: 254 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'search must not contain NUL' })
  @MaxLength(254)
  @IsString()
  search?: string;

  @ApiPropertyOptional({ enum: STATUSES, default: 'active' })
  @IsOptional()
  @IsIn(STATUSES)
  status?: UserStatus;

  static toFilter({ tier_filter, search, status }: ApiAdminUsersQuery): UserFilter {
    return { tier: tier_filter ?? null, search: search || null, status: status ?? 'active' };
  }
}

export class ApiAdminUser {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ enum: SHOWN_TIERS }) tier!: string;
  @ApiProperty() email_verified!: boolean;
  @ApiProperty() is_active!: boolean;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ description: 'Captured sessions' }) session_count!: number;
  @ApiProperty({ description: 'First segment of the git URLs' }) account_slug!: string;

  static from(user: AdminUser, sessions: ReadonlyMap<string, number>): ApiAdminUser {
    return {
      id: user.id,
      email: user.email,
      tier: shownTier(user),
      email_verified: user.emailVerified,
      is_active: user.isActive,
      created_at: user.createdAt.toISOString(),
      session_count: sessions.get(user.id) ?? 0,
      account_slug: user.accountSlug,
    };
  }
}

export class ApiAdminUserList {
  @ApiProperty() total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty({ type: [ApiAdminUser] }) users!: ApiAdminUser[];
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from(
    { users, total, next }: UserPage,
    page: { number: number; size: number },
    sessions: ReadonlyMap<string, number>,
  ): ApiAdminUserList {
    return {
      total,
      page: page.number,
      page_size: page.size,
      users: users.map((user) => ApiAdminUser.from(user, sessions)),
      next_cursor: next && encodeKeyset(next),
    };
  }
}

class ApiAdminUserOrg {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: ['member', 'admin', 'owner'] }) role!: string;
}

export class ApiAdminUserDetail extends ApiAdminUser {
  @ApiProperty({ nullable: true, type: String }) display_name!: string | null;
  @ApiProperty() storage_used_bytes!: number;
  @ApiProperty({ description: 'Live user keys' }) api_key_count!: number;
  @ApiProperty({ type: [ApiAdminUserOrg] }) orgs!: ApiAdminUserOrg[];

  static fromDetail(user: AdminUserDetail, sessions: ReadonlyMap<string, number>): ApiAdminUserDetail {
    return {
      ...ApiAdminUser.from(user, sessions),
      display_name: user.displayName,
      storage_used_bytes: user.storageUsedBytes,
      api_key_count: user.apiKeyCount,
      orgs: [...user.orgs],
    };
  }
}

export class ApiAdminUserKey {
  @ApiProperty({ format: 'uuid' }) key_id!: string;
  @ApiProperty({ nullable: true, type: String }) name!: string | null;
  @ApiProperty() key_prefix!: string;
  @ApiProperty({ type: [String] }) scopes!: string[];
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) expires_at!: string | null;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_used_at!: string | null;

  static from(key: Key): ApiAdminUserKey {
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

export class ApiChangeTierBody {
  @ApiProperty({ enum: SHOWN_TIERS, description: '`admin` makes a platform administrator' })
  @IsString()
  tier!: ShownTier;
}

export class ApiTierChange {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ enum: SHOWN_TIERS }) old_tier!: string;
  @ApiProperty({ enum: SHOWN_TIERS }) new_tier!: string;
}

export class ApiVerifiedUser {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() email_verified!: boolean;
}

export class ApiActivatedUser {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() is_active!: boolean;
}

export class ApiMintKeyBody {
  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 255, default: 'admin-minted' })
  @IsOptional()
  @Matches(NO_NUL, { message: 'name must not contain NUL' })
  @MaxLength(255)
  @IsString()
  name?: string | null;
}

export class ApiKeyMintedOnBehalf {
  @ApiProperty({ format: 'uuid' }) key_id!: string;
  @ApiProperty({ description: 'The key itself, shown this once' }) raw_key!: string;
  @ApiProperty({ nullable: true, type: String }) name!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() user_email!: string;

  static from({ key, raw, user }: MintedOnBehalf): ApiKeyMintedOnBehalf {
    return {
      key_id: key.id,
      raw_key: raw,
      name: key.name,
      created_at: key.createdAt.toISOString(),
      user_id: user.id,
      user_email: user.email,
    };
  }
}
