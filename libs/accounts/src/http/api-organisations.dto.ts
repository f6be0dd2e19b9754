import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { TIERS } from '#platform';
import { type Member, ORG_ROLES, type OrgProfile, type OrgRole } from '../organisations/organisation.js';
import type { OrgRenaming, OrgView } from '../organisations/organisations.service.js';
import { IsName, IsSlug } from './org-text.js';

export class ApiCreateOrgBody {
  @ApiProperty({ minLength: 1, maxLength: 255 }) @IsName(255) name!: string;
  @ApiProperty({ minLength: 3, maxLength: 100, description: 'One namespace with the slugs of all accounts' })
  @IsSlug(3)
  slug!: string;
}

export class ApiRenameOrgBody {
  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: 255 })
  @IsOptional()
  @IsName(255)
  name?: string | null;

  @ApiPropertyOptional({
    nullable: true,
    type: String,
    minLength: 3,
    maxLength: 100,
    description: "The owner's to change; the old slug keeps leading to the organization",
  })
  @IsOptional()
  @IsSlug(3)
  slug?: string | null;

  static toRenaming(body: ApiRenameOrgBody): OrgRenaming {
    return {
      ...(typeof body.name === 'string' && { name: body.name }),
      ...(typeof body.slug === 'string' && { slug: body.slug }),
    };
  }
}

export class ApiCreatedOrg {
  @ApiProperty({ example: 'org_0123456789abcdef' }) org_id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;

  static from({ id, name, slug }: { id: string; name: string; slug: string }): ApiCreatedOrg {
    return { org_id: id, name, slug };
  }
}

export class ApiOrgProfile {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;
  @ApiProperty({ enum: TIERS }) tier!: string;
  @ApiProperty({ type: 'integer' }) seats_limit!: number;
  @ApiProperty({ type: 'integer' }) seats_used!: number;
  @ApiProperty({ type: 'integer', description: '0 is unlimited' }) storage_limit_bytes!: number;
  @ApiProperty({ type: 'integer' }) storage_used_bytes!: number;

  static from(profile: OrgProfile): ApiOrgProfile {
    return {
      id: profile.id,
      name: profile.name,
      slug: profile.slug,
      tier: profile.tier,
      seats_limit: profile.seatsLimit,
      seats_used: profile.seatsUsed,
      storage_limit_bytes: profile.storageLimitBytes,
      storage_used_bytes: profile.storageUsedBytes,
    };
  }
}

export class ApiOrgMember {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ nullable: true, type: String }) display_name!: string | null;
  @ApiProperty({ enum: ORG_ROLES }) role!: OrgRole;
  @ApiProperty({ format: 'date-time' }) joined_at!: string;

  static from(member: Member): ApiOrgMember {
    return {
      user_id: member.userId,
      email: member.email,
      display_name: member.displayName,
      role: member.role,
      joined_at: member.joinedAt.toISOString(),
    };
  }
}

export class ApiOrg {
  @ApiProperty({ type: ApiOrgProfile, nullable: true }) org!: ApiOrgProfile | null;
  @ApiProperty({ type: [ApiOrgMember] }) members!: ApiOrgMember[];
  @ApiProperty({ enum: ORG_ROLES, nullable: true, type: String }) current_user_role!: string | null;

  /** Null for a caller without any organisation. */
  static from(view: OrgView | null): ApiOrg {
    if (!view) return { org: null, members: [], current_user_role: null };
    return {
      org: ApiOrgProfile.from(view.profile),
      members: view.members.map((member) => ApiOrgMember.from(member)),
      current_user_role: view.role,
    };
  }
}

export class ApiMyOrg {
  @ApiProperty() org_id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;
  @ApiProperty({ enum: ORG_ROLES }) role!: string;
}

export class ApiMyOrgs {
  @ApiProperty({ type: [ApiMyOrg] }) orgs!: ApiMyOrg[];

  static from(orgs: readonly { id: string; name: string; slug: string; role: string }[]): ApiMyOrgs {
    return { orgs: orgs.map(({ id, name, slug, role }) => ({ org_id: id, name, slug, role })) };
  }
}
