import { DomainError } from '#kernel';

export type OwnerTransferStatus = 'pending' | 'accepted' | 'cancelled' | 'expired';

/** An offer of the ownership to one admin, open for seven days (sessionfs-2.md §14.3). */
export interface OwnerTransfer {
  readonly id: number;
  readonly orgId: string;
  readonly fromUserId: string;
  readonly toUserId: string;
  readonly status: OwnerTransferStatus;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export const OWNER_TRANSFER_DAYS = 7;

const ID = /^[1-9]\d{0,14}$/;

/** The id a path names; null for anything that cannot be one. */
export function transferIdOf(text: string): number | null {
  return ID.test(text) ? Number(text) : null;
}

export function transferNotFound(): DomainError {
  return new DomainError('not_found', 'Owner transfer not found');
}

export function transferNotPending(status: OwnerTransferStatus): DomainError {
  return new DomainError('conflict', `This owner transfer is ${status}`, { details: { status } });
}
