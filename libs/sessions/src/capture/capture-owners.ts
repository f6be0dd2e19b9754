import { Injectable } from '@nestjs/common';
import { EffectiveTier, hasFeature, Memberships } from '#accounts';
import type { Conversation } from '#sandboxes';
import type { Depositor } from '../sync/depositor.js';

/** For whom conversations are recorded. */
@Injectable()
export class CaptureOwners {
  constructor(
    private readonly tiers: EffectiveTier,
    private readonly memberships: Memberships,
  ) {}

  /** Null when their plan has no captured sessions. */
  async find({ accountId, userId }: Conversation): Promise<Depositor | null> {
    if (!hasFeature(await this.tiers.ofOwner({ accountId, userId }), 'cloud_sync')) return null;
    const org = await this.memberships.findOrgOf(accountId);
    // The quota is the account's own; what it may push is decided by the tier that its owner has.
    return { accountId, userId, orgId: org?.id ?? null, tier: await this.tiers.ofAccount(accountId), keyId: null };
  }
}
