import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { DomainError } from '#kernel';
import { ApiPageQuery, encodeKeyset, type Tier, TIERS } from '#platform';
import type { OrgLimits } from '../organisations/admin-org-changes.service.js';
import type { ListedOrg } from '../organisations/admin-orgs.repository.js';
import type { NewOrgOnBehalf } from '../organisations/admin-orgs.service.js';
import { type Member, ORG_ROLES, type Organisation, type OrgProfile } from '../organisations/organisation.js';
import { IsName, IsSlug } from './org-text.js';

const NO_NUL = /^[^\0]*$/;
const MOST_SEATS = 1_000_000;

export class ApiAdminOrgsQuery extends ApiPageQuery {
  @ApiPropertyOptional({ description: 'Part of the name or slug, in any case', maxLength: 255 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'search must not contain NUL' })
  @MaxLength(255)
  @IsString()
  search?: string;
}

export class ApiAdminOrg {
  @ApiProperty({ example: 'org_0123456789abcdef' }) id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;
  @ApiProperty({ enum: TIERS }) tier!: string;
  @ApiProperty({ type: 'integer' }) seats_limit!: number;
  @ApiProperty({ type: 'integer', description: '0 is unlimited' }) storage_limit_bytes!: number;
  @ApiProperty({ type: 'integer' }) member_count!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(org: ListedOrg): ApiAdminOrg {
    return {
      id: org.id,
      name: org.name,
      slug: org.slug,
      tier: org.tier,
      seats_limit: org.seatsLimit,
      storage_limit_bytes: org.storageLimitBytes,
      member_count: org.seatsUsed,
      created_at: org.createdAt.toISOString(),
    };
  }
}

export class ApiAdminOrgList {
  @ApiProperty({ type: [ApiAdminOrg] }) orgs!: ApiAdminOrg[];
  @ApiProperty() total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from(
    found: { orgs: readonly ListedOrg[]; total: number; next: readonly string[] | null },
    page: { number: number; size: number },
  ): ApiAdminOrgList {
    return {
      orgs: found.orgs.map((org) => ApiAdminOrg.from(org)),
      total: found.total,
      page: page.number,
      page_size: page.size,
      next_cursor: found.next && encodeKeyset(found.next),
    };
  }
}

class ApiAdminOrgMember {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ nullable: true, type: String }) display_name!: string | null;
  @ApiProperty({ enum: ORG_ROLES }) role!: string;
  @ApiProperty({ format: 'date-time' }) joined_at!: string;
}

export class ApiAdminOrgDetail {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;
  @ApiProperty({ enum: TIERS }) tier!: string;
  @ApiProperty({ type: 'integer' }) seats_limit!: number;
  @ApiProperty({ type: 'integer', description: '0 is unlimited' }) storage_limit_bytes!: number;
  @ApiProperty({ type: 'integer' }) storage_used_bytes!: number;
  @ApiProperty({ type: 'integer' }) member_count!: number;
  @ApiProperty({ type: [ApiAdminOrgMember] }) members!: ApiAdminOrgMember[];

  static from({ profile, members }: { profile: OrgProfile; members: readonly Member[] }): ApiAdminOrgDetail {
    return {
      id: profile.id,
      name: profile.name,
      slug: profile.slug,
      tier: profile.tier,
      seats_limit: profile.seatsLimit,
      storage_limit_bytes: profile.storageLimitBytes,
      storage_used_bytes: profile.storageUsedBytes,
      member_count: profile.seatsUsed,
      members: members.map((member) => ({
        user_id: member.userId,
        email: member.email,
        display_name: member.displayName,
        role: member.role,
        joined_at: member.joinedAt.toISOString(),
      })),
    };
  }
}

class ApiAdminOrgLimits {
  @ApiPropertyOptional({ enum: TIERS, nullable: true })
  @IsOptional()
  @IsString()
  tier?: Tier | null;

  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 0, maximum: MOST_SEATS })
  @IsOptional()
  @Max(MOST_SEATS)
  @Min(0)
  @IsInt()
  seats_limit?: number | null;

  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 0, description: '0 is unlimited' })
  @IsOptional()
  @Max(Number.MAX_SAFE_INTEGER)
  @Min(0)
  @IsInt()
  storage_limit_bytes?: number | null;
}

export class ApiAdminCreateOrgBody extends ApiAdminOrgLimits {
  @ApiProperty({ minLength: 1, maxLength: 255 }) @IsName(255) name!: string;
  @ApiProperty({ minLength: 3, maxLength: 100 }) @IsSlug(3) slug!: string;
  @ApiProperty({ format: 'uuid' })
  @Matches(NO_NUL, { message: 'owner_user_id must not contain NUL' })
  @MaxLength(100)
  @IsString()
  owner_user_id!: string;

  static toNewOrg(body: ApiAdminCreateOrgBody): NewOrgOnBehalf {
    return {
      name: body.name,
      slug: body.slug,
      ownerUserId: body.owner_user_id,
      tier: toTier(body.tier ?? 'enterprise'),
      seatsLimit: body.seats_limit ?? 100,
      storageLimitBytes: body.storage_limit_bytes ?? 0,
    };
  }
}

export class ApiAdminCreatedOrg {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;
  @ApiProperty({ enum: TIERS }) tier!: string;
  @ApiProperty({ type: 'integer' }) seats_limit!: number;
  @ApiProperty({ type: 'integer' }) storage_limit_bytes!: number;
  @ApiProperty({ format: 'uuid' }) owner_user_id!: string;

  static from(org: Organisation, { slug, tier, ownerUserId }: NewOrgOnBehalf): ApiAdminCreatedOrg {
    return {
      id: org.id,
      name: org.name,
      slug,
      tier,
      seats_limit: org.seatsLimit,
      storage_limit_bytes: org.storageLimitBytes,
      owner_user_id: ownerUserId.toLowerCase(),
    };
  }
}

export class ApiAdminChangeOrgBody extends ApiAdminOrgLimits {
  static toLimits({ tier, seats_limit, storage_limit_bytes }: ApiAdminChangeOrgBody): OrgLimits {
    return {
      ...(typeof tier === 'string' && { tier: toTier(tier) }),
      ...(typeof seats_limit === 'number' && { seatsLimit: seats_limit }),
      ...(typeof storage_limit_bytes === 'number' && { storageLimitBytes: storage_limit_bytes }),
    };
  }
}

export class ApiAdminChangedOrg {
  @ApiProperty() org_id!: string;
  @ApiProperty({ type: ApiAdminOrgLimits, description: 'What was changed' }) updated!: ApiAdminOrgLimits;

  static from(orgId: string, { tier, seatsLimit, storageLimitBytes }: OrgLimits): ApiAdminChangedOrg {
    const updated = {
      ...(tier !== undefined && { tier }),
      ...(seatsLimit !== undefined && { seats_limit: seatsLimit }),
      ...(storageLimitBytes !== undefined && { storage_limit_bytes: storageLimitBytes }),
    };
    return { org_id: orgId, updated };
  }
}

export class ApiAdminTransferBody {
  @ApiProperty({ format: 'uuid', description: 'A member of the organization' })
  @Matches(NO_NUL, { message: 'to_user_id must not contain NUL' })
  @MaxLength(100)
  @IsString()
  to_user_id!: string;
}

export class ApiAdminTransferred {
  @ApiProperty({ enum: ['force_transferred'] }) status!: string;
  @ApiProperty() org_id!: string;
  @ApiProperty({ format: 'uuid' }) from_user_id!: string;
  @ApiProperty({ format: 'uuid' }) to_user_id!: string;
}

function toTier(tier: string): Tier {
  if ((TIERS as readonly string[]).includes(tier)) return tier as Tier;
  throw new DomainError('bad_request', `Invalid tier. Use one of: ${TIERS.join(', ')}`, { field: 'tier' });
}
