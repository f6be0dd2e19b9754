import { Injectable } from '@nestjs/common';
import { type Principal, StoredBytes } from '#platform';
import { PlanGate } from '../plan-gate.js';
import { storageLimitOf } from '../tiers.js';
import { EntitlementsRepository } from './entitlements.repository.js';

/** On whose account something is stored. */
type Storing = Pick<Principal, 'accountId' | 'orgId' | 'tier'>;

/** Counts what accounts store, and refuses what their plan has no room for (sessionfs-2.md §2.1). */
@Injectable()
export class StorageQuota {
  constructor(
    private readonly stored: StoredBytes,
    private readonly entitlements: EntitlementsRepository,
    private readonly gate: PlanGate,
  ) {}

  /**
   * Counts bytes that the caller's account stores from now on; part of the transaction that stores them, and late in
   * it: writers of an account with a limit wait for each other from here to the commit. Accounts without one neither
   * wait nor cost a statement. Errors: `forbidden` with reason `storage_limit`.
   */
  async reserve(caller: Storing, item: string, bytes: number): Promise<void> {
    const { accountId } = caller;
    const limit = await this.limitOf(caller);
    if (limit === null) return this.stored.add(accountId, item, bytes);
    if (await this.stored.reserve(accountId, item, bytes, limit)) return;
    throw this.gate.storageLimit(await this.stored.usedBy(accountId), limit);
  }

  /**
   * Refuses work for which there is certainly no room, before anything is written. No promise: `reserve` decides.
   * Errors: `forbidden` with reason `storage_limit`.
   */
  async assertRoom(caller: Principal, bytes: number): Promise<void> {
    const limit = await this.limitOf(caller);
    if (limit === null) return;
    const used = await this.stored.usedBy(caller.accountId);
    if (used + bytes > limit) throw this.gate.storageLimit(used, limit);
  }

  /** Gives back what a deleted item held, and answers how many bytes that were. */
  release(accountId: string, item: string): Promise<number> {
    return this.stored.release(accountId, item);
  }

  /** Gives back some of what an item holds, in the transaction that deletes it. */
  giveBack(accountId: string, item: string, bytes: number): Promise<void> {
    return this.stored.add(accountId, item, -bytes);
  }

  /** Corrects an item to what it was found to take up; never refused. */
  measure(accountId: string, item: string, bytes: number): Promise<void> {
    return this.stored.measure(accountId, item, bytes);
  }

  usedBy(accountId: string): Promise<number> {
    return this.stored.usedBy(accountId);
  }

  /** Null for tiers without a limit, without a query. An organisation's is written with its seats. */
  async limitOf({ tier, orgId }: Pick<Storing, 'tier' | 'orgId'>): Promise<number | null> {
    const limit = storageLimitOf(tier, null);
    if (limit === null || orgId === null) return limit;
    return (await this.entitlements.findOrgStorageLimit(orgId)) || null;
  }
}
