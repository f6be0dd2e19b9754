import { ApiProperty } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import type { Removal } from '../organisations/members.service.js';
import { ORG_ROLES } from '../organisations/organisation.js';
import type { OrgView } from '../organisations/organisations.service.js';
import { ApiOrgMember } from './api-organisations.dto.js';

export class ApiChangeRoleBody {
  @ApiProperty({ enum: ['admin', 'member'] }) @IsString() role!: string;
}

export class ApiChangedRole {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ enum: ORG_ROLES }) role!: string;

  static from({ userId, role }: { userId: string; role: string }): ApiChangedRole {
    return { user_id: userId, role };
  }
}

export class ApiRemovedMember {
  @ApiProperty({ format: 'uuid', description: 'Who was removed' }) removed!: string;
  @ApiProperty({ type: 'integer' }) projects_transferred!: number;
  @ApiProperty({ type: 'integer' }) pending_transfers_cancelled!: number;

  static from(removal: Removal): ApiRemovedMember {
    return {
      removed: removal.userId,
      projects_transferred: removal.projectsTransferred,
      pending_transfers_cancelled: removal.pendingTransfersCancelled,
    };
  }
}

export class ApiOrgMembers {
  @ApiProperty() org_id!: string;
  @ApiProperty({ type: [ApiOrgMember] }) members!: ApiOrgMember[];
  @ApiProperty({ type: 'integer' }) seats_used!: number;
  @ApiProperty({ type: 'integer' }) seats_limit!: number;
  @ApiProperty({ enum: ORG_ROLES }) current_user_role!: string;

  static from({ profile, members, role }: OrgView): ApiOrgMembers {
    return {
      org_id: profile.id,
      members: members.map((member) => ApiOrgMember.from(member)),
      seats_used: profile.seatsUsed,
      seats_limit: profile.seatsLimit,
      current_user_role: role,
    };
  }
}

export class ApiLeftOrg {
  @ApiProperty({ description: 'The organization that was left' }) left!: string;
}
