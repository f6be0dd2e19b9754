import { Injectable } from '@nestjs/common';
import { EffectiveTier, entitlementsOf, StorageQuota } from '#accounts';
import type { Principal } from '#platform';
import type { ArchiveLimits } from '../archive/archive-limits.js';

/** What a caller's plan admits of pushes. */
@Injectable()
export class PushPlan {
  constructor(
    private readonly tiers: EffectiveTier,
    private readonly quota: StorageQuota,
  ) {}

  async limitsOf(caller: Principal): Promise<ArchiveLimits> {
    const tier = await this.tiers.of(caller);
    const { archiveBytes, archiveMemberBytes } = entitlementsOf(tier);
    return { archiveBytes, memberBytes: archiveMemberBytes, canUpgrade: tier === 'free' || tier === 'starter' };
  }

  /** Late in the transaction that stores them. Errors: `forbidden` with reason `storage_limit`. */
  reserve(caller: Principal, sessionUid: string, bytes: number): Promise<void> {
    return this.quota.reserve(caller, `session:${sessionUid}`, bytes);
  }
}
