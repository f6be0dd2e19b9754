import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import type { OwnerTransfer } from '../organisations/owner-transfer.js';

export class ApiOfferOwnershipBody {
  @ApiProperty({ format: 'uuid', description: 'An admin of the organization' })
  @IsUUID('loose')
  to_user_id!: string;
}

export class ApiOwnerTransfer {
  @ApiProperty({ type: 'integer' }) transfer_id!: number;
  @ApiProperty() org_id!: string;
  @ApiProperty({ format: 'uuid' }) from_user_id!: string;
  @ApiProperty({ format: 'uuid' }) to_user_id!: string;
  @ApiProperty({ enum: ['pending', 'accepted', 'cancelled', 'expired'] }) status!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;

  static from(transfer: OwnerTransfer): ApiOwnerTransfer {
    return {
      transfer_id: transfer.id,
      org_id: transfer.orgId,
      from_user_id: transfer.fromUserId,
      to_user_id: transfer.toUserId,
      status: transfer.status,
      created_at: transfer.createdAt.toISOString(),
      expires_at: transfer.expiresAt.toISOString(),
    };
  }
}

export class ApiNoOwnerTransfer {
  @ApiProperty({ enum: [false] }) pending!: false;
}

export class ApiAcceptedOwnerTransfer {
  @ApiProperty({ enum: ['accepted'] }) status!: string;
  @ApiProperty() org_id!: string;
  @ApiProperty({ format: 'uuid' }) from_user_id!: string;
  @ApiProperty({ format: 'uuid' }) to_user_id!: string;

  static from({ status, orgId, fromUserId, toUserId }: OwnerTransfer): ApiAcceptedOwnerTransfer {
    return { status, org_id: orgId, from_user_id: fromUserId, to_user_id: toUserId };
  }
}

export class ApiCancelledOwnerTransfer {
  @ApiProperty({ enum: ['cancelled'] }) status!: string;
  @ApiProperty({ type: 'integer' }) transfer_id!: number;

  static from({ status, id }: OwnerTransfer): ApiCancelledOwnerTransfer {
    return { status, transfer_id: id };
  }
}
