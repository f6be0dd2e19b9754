import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { type Tier, TIERS } from '#platform';
import type { BillingStatus, PortalScope } from '../billing/billing.service.js';
import { SOLD_TIERS } from '../billing/payment-provider.js';
import { ORG_ROLES } from '../organisations/organisation.js';

const MAX_SEATS = 1_000;
const PORTAL_SCOPES = ['auto', 'org', 'personal'] as const satisfies readonly PortalScope[];

export class ApiBillingStatus {
  @ApiProperty({ enum: TIERS, description: 'Whose tier decides: see the features' }) tier!: Tier;
  @ApiProperty({ type: 'integer' }) storage_used_bytes!: number;
  @ApiProperty({ type: 'integer', description: '0 is not enforced' }) storage_limit_bytes!: number;
  @ApiProperty({ type: 'string', nullable: true }) stripe_customer_id!: string | null;
  @ApiProperty() has_subscription!: boolean;
  @ApiProperty() has_personal_subscription!: boolean;
  @ApiProperty() is_org_member!: boolean;
  @ApiProperty({ enum: ORG_ROLES, nullable: true }) org_role!: string | null;
  @ApiProperty({ description: 'True where plans cannot all be bought' }) is_beta!: boolean;

  static from(status: BillingStatus): ApiBillingStatus {
    return {
      tier: status.tier,
      storage_used_bytes: status.storageUsedBytes,
      storage_limit_bytes: status.storageLimitBytes,
      stripe_customer_id: status.customerId,
      has_subscription: status.hasSubscription,
      has_personal_subscription: status.hasPersonalSubscription,
      is_org_member: status.orgRole !== null,
      org_role: status.orgRole,
      is_beta: status.isBeta,
    };
  }
}

export class ApiCheckoutBody {
  @ApiProperty({ enum: SOLD_TIERS })
  @IsString()
  @MaxLength(50)
  @Matches(/^[^\0]*$/, { message: 'tier must not contain NUL' })
  tier!: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_SEATS, default: 1, description: 'For team only' })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MAX_SEATS)
  seats?: number | null;
}

export class ApiCheckout {
  @ApiProperty({ format: 'uri' }) checkout_url!: string;

  static from(url: string): ApiCheckout {
    return { checkout_url: url };
  }
}

export class ApiPortalBody {
  @ApiPropertyOptional({ enum: PORTAL_SCOPES, default: 'auto' })
  @IsOptional()
  @IsIn(PORTAL_SCOPES)
  scope?: PortalScope | null;
}

export class ApiPortal {
  @ApiProperty({ format: 'uri' }) portal_url!: string;

  static from(url: string): ApiPortal {
    return { portal_url: url };
  }
}

export class ApiWebhookReceipt {
  @ApiProperty({ enum: ['ok', 'already_processed'] }) status!: string;
}
