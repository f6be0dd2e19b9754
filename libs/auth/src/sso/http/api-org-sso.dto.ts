import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString, IsUrl, Matches, MaxLength, MinLength } from 'class-validator';
import type { SsoRole, SsoSettings } from '../sso-connection.js';
import { challengeName, type SsoDomain } from '../sso-domain.js';
import type { NewConnection } from '../sso-settings.service.js';

const PRINTABLE = /^[\x20-\x7e]*$/;
const ROLES: readonly SsoRole[] = ['member', 'admin'];

export class ApiSsoSettingsBody {
  @ApiProperty({ format: 'uri', maxLength: 500, description: 'The issuer as the provider spells it' })
  @MaxLength(500)
  @IsUrl(
    { require_tld: false, protocols: ['http', 'https'], require_protocol: true, allow_query_components: false },
    { message: 'issuer must be an http or https URL without a query' },
  )
  issuer!: string;

  @ApiProperty({ minLength: 1, maxLength: 255 })
  @Matches(PRINTABLE, { message: 'client_id must be printable ASCII' })
  @MaxLength(255)
  @MinLength(1)
  @IsString()
  client_id!: string;

  @ApiPropertyOptional({
    nullable: true,
    type: String,
    maxLength: 1024,
    description: 'Never readable again. Absent keeps the stored one while issuer and client_id stay; null has none',
  })
  @IsOptional()
  @Matches(PRINTABLE, { message: 'client_secret must be printable ASCII' })
  @MaxLength(1024)
  @MinLength(1)
  @IsString()
  client_secret?: string | null;

  @ApiPropertyOptional({ default: false, description: 'Members under a proved domain need a key from this sign-in' })
  @IsOptional()
  @IsBoolean()
  enforce?: boolean | null;

  @ApiPropertyOptional({ enum: ROLES, default: 'member' })
  @IsOptional()
  @IsIn(ROLES)
  default_role?: SsoRole | null;

  static toConnection(body: ApiSsoSettingsBody): NewConnection {
    return {
      issuer: body.issuer,
      clientId: body.client_id,
      ...(body.client_secret !== undefined && { clientSecret: body.client_secret }),
      enforce: body.enforce ?? false,
      defaultRole: body.default_role ?? 'member',
    };
  }
}

export class ApiSsoSettings {
  @ApiProperty() issuer!: string;
  @ApiProperty() client_id!: string;
  @ApiProperty() has_client_secret!: boolean;
  @ApiProperty() enforce!: boolean;
  @ApiProperty({ enum: ROLES }) default_role!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;

  static from(settings: SsoSettings): ApiSsoSettings {
    return {
      issuer: settings.issuer,
      client_id: settings.clientId,
      has_client_secret: settings.hasClientSecret,
      enforce: settings.enforce,
      default_role: settings.defaultRole,
      updated_at: settings.updatedAt.toISOString(),
    };
  }
}

export class ApiClaimDomainBody {
  @ApiProperty({ maxLength: 253, example: 'example.com' })
  @Matches(/^[^\0]*$/, { message: 'domain must not contain NUL' })
  @MaxLength(253)
  @IsString()
  domain!: string;
}

export class ApiChallenge {
  @ApiProperty({ enum: ['TXT'] }) type!: string;
  @ApiProperty({ example: '_roundhouse-challenge.example.com' }) name!: string;
  @ApiProperty({ description: 'What the record must hold' }) value!: string;
}

export class ApiSsoDomain {
  @ApiProperty() domain!: string;
  @ApiProperty() verified!: boolean;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) verified_at!: string | null;
  @ApiProperty({ enum: ['dns', 'admin'], nullable: true, type: String }) verified_by!: string | null;
  @ApiProperty({ type: ApiChallenge, description: 'The DNS record that proves the domain' }) challenge!: ApiChallenge;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(domain: SsoDomain): ApiSsoDomain {
    return {
      domain: domain.domain,
      verified: domain.verifiedAt !== null,
      verified_at: domain.verifiedAt?.toISOString() ?? null,
      verified_by: domain.verifiedBy,
      challenge: { type: 'TXT', name: challengeName(domain.domain), value: domain.challenge },
      created_at: domain.createdAt.toISOString(),
    };
  }
}

export class ApiSsoDomains {
  @ApiProperty({ type: [ApiSsoDomain] }) domains!: ApiSsoDomain[];

  static from(domains: readonly SsoDomain[]): ApiSsoDomains {
    return { domains: domains.map((domain) => ApiSsoDomain.from(domain)) };
  }
}
