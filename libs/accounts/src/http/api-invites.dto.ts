import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsEmail, IsIn, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { type Invite, INVITE_ROLES, type InviteRole } from '../invites/invite.js';
import type { Received } from '../invites/invite-answers.service.js';
import type { SentInvite } from '../invites/invites.service.js';
import type { Membership } from '../organisations/organisation.js';

const NO_NUL = /^[^\0]*$/;

export class ApiInviteBody {
  @ApiProperty({ format: 'email', maxLength: 254 })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim().toLowerCase() : value))
  @MaxLength(254)
  @IsEmail({}, { message: 'email must be a valid address' })
  email!: string;

  @ApiPropertyOptional({ enum: INVITE_ROLES, default: 'member' })
  @Transform(({ value }: { value: unknown }) => value ?? 'member')
  @IsIn(INVITE_ROLES)
  role: InviteRole = 'member';
}

export class ApiAcceptInviteBody {
  @ApiPropertyOptional({
    nullable: true,
    type: String,
    maxLength: 100,
    description: 'The token of the invite mail: with it, accepting also verifies the address it was sent to',
  })
  @IsOptional()
  @MaxLength(100)
  @IsString()
  token?: string | null;
}

export class ApiDeclineInviteBody {
  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 1000 })
  @IsOptional()
  @Matches(NO_NUL, { message: 'reason must not contain NUL' })
  @MaxLength(1000)
  @IsString()
  reason?: string | null;

  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 1000, description: 'The same as `reason`' })
  @IsOptional()
  @Matches(NO_NUL, { message: 'decline_reason must not contain NUL' })
  @MaxLength(1000)
  @IsString()
  decline_reason?: string | null;

  static reasonOf(body: ApiDeclineInviteBody): string | null {
    return (body.reason ?? body.decline_reason)?.trim() || null;
  }
}

export class ApiInvited {
  @ApiProperty({ example: 'inv_0123456789abcdef' }) invite_id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ enum: INVITE_ROLES }) role!: InviteRole;

  static from({ id, email, role }: Invite): ApiInvited {
    return { invite_id: id, email, role };
  }
}

export class ApiAcceptedInvite {
  @ApiProperty() org_id!: string;
  @ApiProperty({ enum: INVITE_ROLES }) role!: string;

  static from({ orgId, role }: Membership): ApiAcceptedInvite {
    return { org_id: orgId, role };
  }
}

export class ApiDeclinedInvite {
  @ApiProperty() invite_id!: string;
  @ApiProperty({ format: 'date-time' }) declined_at!: string;
}

export class ApiRevokedInvite {
  @ApiProperty() revoked!: string;
}

export class ApiResentInvite {
  @ApiProperty() invite_id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_emailed_at!: string | null;
  @ApiProperty({ description: 'False when there is no mail server and the mail is only written to the data folder' })
  sent!: boolean;

  static from({ invite, sent }: { invite: Invite; sent: boolean }): ApiResentInvite {
    return {
      invite_id: invite.id,
      email: invite.email,
      last_emailed_at: invite.lastEmailedAt?.toISOString() ?? null,
      sent,
    };
  }
}

export class ApiSentInvite {
  @ApiProperty() id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ enum: INVITE_ROLES }) role!: InviteRole;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) last_emailed_at!: string | null;
  @ApiProperty({
    enum: ['waiting', 'sent', 'failed'],
    nullable: true,
    type: String,
    description: 'What became of the last mail: `waiting` is being tried, `failed` was refused',
  })
  email_status!: string | null;

  static from({ invite, mailState }: SentInvite): ApiSentInvite {
    return {
      id: invite.id,
      email: invite.email,
      role: invite.role,
      created_at: invite.createdAt.toISOString(),
      expires_at: invite.expiresAt.toISOString(),
      last_emailed_at: invite.lastEmailedAt?.toISOString() ?? null,
      email_status: mailState,
    };
  }
}

export class ApiSentInvites {
  @ApiProperty({ type: [ApiSentInvite] }) invites!: ApiSentInvite[];

  static from(invites: readonly SentInvite[]): ApiSentInvites {
    return { invites: invites.map((invite) => ApiSentInvite.from(invite)) };
  }
}

export class ApiReceivedInvite {
  @ApiProperty({
    nullable: true,
    type: String,
    description: 'Null until the address is verified: the id was mailed to it, and naming it is enough to accept',
  })
  invite_id!: string | null;

  @ApiProperty() org_id!: string;
  @ApiProperty() org_name!: string;
  @ApiProperty({ enum: INVITE_ROLES }) role!: InviteRole;
  @ApiProperty() invited_by_email!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
}

export class ApiReceivedInvites {
  @ApiProperty({ type: [ApiReceivedInvite] }) invites!: ApiReceivedInvite[];

  static from({ invites, isVerified }: Received): ApiReceivedInvites {
    return {
      invites: invites.map((invite) => ({
        invite_id: isVerified ? invite.id : null,
        org_id: invite.orgId,
        org_name: invite.orgName,
        role: invite.role,
        invited_by_email: invite.invitedByEmail,
        created_at: invite.createdAt.toISOString(),
        expires_at: invite.expiresAt.toISOString(),
      })),
    };
  }
}
