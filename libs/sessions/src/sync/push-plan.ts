import { Injectable } from '@nestjs/common';
import { EffectiveTier, entitlementsOf, StorageQuota } from '#accounts';
import type { Principal, Tier } from '#platform';
import type { ArchiveLimits } from '../archive/archive-limits.js';
import type { Depositor } from './depositor.js';

/** What a caller's plan admits of pushes. */
@Injectable()
export class PushPlan {
  constructor(
    private readonly tiers: EffectiveTier,
    private readonly quota: StorageQuota,
  ) {}

  async limitsOf(caller: Principal): Promise<ArchiveLimits> {
    return limitsIn(await this.tiers.of(caller));
  }

  /** Of work that nobody is calling for. */
  async limitsOfOwner(owner: Depositor): Promise<ArchiveLimits> {
    return limitsIn(await this.tiers.ofOwner(owner));
  }

  /** Late in the transaction that stores them. Errors: `forbidden` with reason `storage_limit`. */
  reserve(caller: Depositor, sessionUid: string, bytes: number): Promise<void> {
    return this.quota.reserve(caller, `session:${sessionUid}`, bytes);
  }
}

function limitsIn(tier: Tier): ArchiveLimits {
  const { archiveBytes, archiveMemberBytes } = entitlementsOf(tier);
  return { archiveBytes, memberBytes: archiveMemberBytes, canUpgrade: tier === 'free' || tier === 'starter' };
}
