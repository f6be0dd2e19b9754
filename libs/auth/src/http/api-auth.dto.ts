import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsEmail, IsString, MaxLength, ValidateIf } from 'class-validator';
import { type Principal, TIERS, VERSION } from '#platform';
import type { Profile } from '../profile.service.js';
import type { SignedUp } from '../signup.service.js';

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

  static from({ user, minted, isLinkMailed }: SignedUp): ApiSignedUp {
    return {
      user_id: user.id,
      email: user.email,
      raw_key: minted.raw,
      key_id: minted.key.id,
      message: isLinkMailed
        ? 'Account created. Verify your email to enable cloud sync.'
        : 'Account created. This server sends no e-mail; an administrator can verify your address.',
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

  static from(caller: Principal, { user, tier, effectiveTier, home, defaultOrgId, lastClient }: Profile): ApiMe {
    return {
      user_id: user.id,
      email: user.email,
      display_name: user.displayName,
      email_verified: user.emailVerified,
      tier,
      effective_tier: effectiveTier,
      account_slug: caller.accountSlug,
      org_id: home?.orgId ?? null,
      org_name: home?.name ?? null,
      org_role: home?.role ?? null,
      default_org_id: defaultOrgId,
      created_at: user.createdAt.toISOString(),
      last_client_version: lastClient.version,
      last_client_platform: lastClient.platform,
      last_client_device: lastClient.device,
      last_sync_at: lastClient.syncedAt?.toISOString() ?? null,
      latest_version: VERSION,
    };
  }
}

export class ApiDefaultOrgBody {
  @ApiProperty({ nullable: true, type: String, description: 'An organization of the caller; null for none' })
  @ValidateIf((body: ApiDefaultOrgBody) => body.org_id !== null)
  @IsString()
  org_id!: string | null;
}

export class ApiDefaultOrg {
  @ApiProperty({ nullable: true, type: String }) default_org_id!: string | null;
}
