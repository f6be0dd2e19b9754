import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import type { Team, TeamMember } from '../teams/team.js';
import type { NewTeam } from '../teams/teams.service.js';
import { IsName } from './org-text.js';

const SLUG = /^[a-z0-9-]+$/;
const SLUG_TEXT = 'slug must be lowercase letters, digits and hyphens';

export class ApiCreateTeamBody {
  @ApiProperty({ minLength: 1, maxLength: 100 }) @IsName(100) name!: string;

  @ApiProperty({ minLength: 1, maxLength: 50, pattern: SLUG.source })
  @Matches(SLUG, { message: SLUG_TEXT })
  @MaxLength(50)
  @MinLength(1)
  @IsString()
  slug!: string;

  @ApiPropertyOptional({ nullable: true, type: String, description: "Absent: the caller's home organization" })
  @IsOptional()
  @IsString()
  org_id?: string | null;

  static toNewTeam({ name, slug, org_id }: ApiCreateTeamBody): NewTeam {
    return { name, slug, orgId: org_id ?? null };
  }
}

export class ApiRenameTeamBody {
  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: 100 })
  @IsOptional()
  @IsName(100)
  name?: string | null;

  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: 50, pattern: SLUG.source })
  @IsOptional()
  @Matches(SLUG, { message: SLUG_TEXT })
  @MaxLength(50)
  @MinLength(1)
  @IsString()
  slug?: string | null;

  static toChange({ name, slug }: ApiRenameTeamBody): { name?: string; slug?: string } {
    return { ...(typeof name === 'string' && { name }), ...(typeof slug === 'string' && { slug }) };
  }
}

export class ApiAddTeamMemberBody {
  @ApiProperty({ format: 'uuid', description: "A member of the team's organization" })
  @IsString()
  user_id!: string;
}

export class ApiTeam {
  @ApiProperty() id!: string;
  @ApiProperty() org_id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() slug!: string;
  @ApiProperty({ format: 'uuid', nullable: true, type: String }) created_by!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: 'integer' }) member_count!: number;

  static from(team: Team): ApiTeam {
    return {
      id: team.id,
      org_id: team.orgId,
      name: team.name,
      slug: team.slug,
      created_by: team.createdBy,
      created_at: team.createdAt.toISOString(),
      member_count: team.memberCount,
    };
  }
}

export class ApiTeamMember {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ nullable: true, type: String }) user_email!: string | null;
  @ApiProperty({ format: 'uuid', nullable: true, type: String }) added_by!: string | null;
  @ApiProperty({ format: 'date-time' }) added_at!: string;

  static from(member: TeamMember): ApiTeamMember {
    return {
      user_id: member.userId,
      user_email: member.email,
      added_by: member.addedBy,
      added_at: member.addedAt.toISOString(),
    };
  }
}
