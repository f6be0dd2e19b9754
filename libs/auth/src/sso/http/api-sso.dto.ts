import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsEmail, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import type { NewAttempt } from '../sso-attempt.js';
import type { SsoKey } from '../sso-keys.js';

const NO_NUL = /^[^\0]*$/;

export class ApiStartSsoBody {
  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 254, description: 'Its domain finds the provider' })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim().toLowerCase() : value))
  @MaxLength(254)
  @IsEmail({}, { message: 'email must be a valid address' })
  email?: string | null;

  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 100, description: 'Or the organization itself' })
  @IsOptional()
  @Matches(NO_NUL, { message: 'org_slug must not contain NUL' })
  @MaxLength(100)
  @IsString()
  org_slug?: string | null;

  @ApiPropertyOptional({
    nullable: true,
    type: String,
    maxLength: 2000,
    description: 'Where the one-time code goes: an http URL of the loopback interface, or a path of this server',
  })
  @IsOptional()
  @Matches(NO_NUL, { message: 'redirect must not contain NUL' })
  @MaxLength(2000)
  @IsString()
  redirect?: string | null;

  @ApiPropertyOptional({
    nullable: true,
    type: String,
    description: 'With redirect: base64url SHA-256 of the verifier that redeems the code',
  })
  @IsOptional()
  @MaxLength(43)
  @IsString()
  code_challenge?: string | null;

  static toAttempt(body: ApiStartSsoBody): NewAttempt {
    return {
      email: body.email ?? null,
      orgSlug: body.org_slug ?? null,
      redirect: body.redirect ?? null,
      codeChallenge: body.code_challenge ?? null,
    };
  }
}

export class ApiStartedSso {
  @ApiProperty({ format: 'uri', description: 'To be opened in a browser within ten minutes' })
  authorization_url!: string;
  @ApiProperty({ description: 'Names this sign-in; part of authorization_url' }) attempt!: string;
}

export class ApiExchangeSsoBody {
  @ApiProperty({ maxLength: 128 }) @MaxLength(128) @IsString() code!: string;
  @ApiProperty({ maxLength: 256, description: 'What code_challenge was made of' })
  @MaxLength(256)
  @IsString()
  verifier!: string;
}

export class ApiSsoKey {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ format: 'email' }) email!: string;
  @ApiProperty({ format: 'uuid' }) key_id!: string;
  @ApiProperty({ description: 'The key itself, shown this once' }) raw_key!: string;
  @ApiProperty({ format: 'date-time', nullable: true, type: String }) expires_at!: string | null;
  @ApiProperty({ description: 'Slug of the account the key acts for' }) account_slug!: string;
  @ApiProperty({ nullable: true, type: String, description: 'The organization whose provider vouched' })
  org_id!: string | null;

  static from({ minted, user, account, orgId }: SsoKey): ApiSsoKey {
    return {
      user_id: user.id,
      email: user.email,
      key_id: minted.key.id,
      raw_key: minted.raw,
      expires_at: minted.key.expiresAt?.toISOString() ?? null,
      account_slug: account.slug,
      org_id: orgId,
    };
  }
}
