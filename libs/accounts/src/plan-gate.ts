import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, type Principal, type Tier, Usage } from '#platform';
import { entitlementsOf, lowestTierWith } from './tiers.js';

/** The reason of a refused write for which the plan has no room. */
export const STORAGE_LIMIT = 'storage_limit';

/** The refusals of plans, and the check of billable calls (coregit.md §22.3, sessionfs-2.md §2.4). */
@Injectable()
export class PlanGate {
  constructor(
    private readonly usage: Usage,
    private readonly config: AppConfig,
  ) {}

  /** Errors: `quota_exceeded` with `used`, `limit` and `upgrade_url`. No query for unlimited tiers. */
  async assertMayCall(caller: Principal): Promise<void> {
    const limit = entitlementsOf(caller.tier).apiCallsPerMonth;
    if (limit === null) return;
    const used = await this.usage.monthTotal(caller.accountId, 'api_call');
    if (used >= limit) throw this.exceeded('API calls', used, limit);
  }

  exceeded(what: string, used: number, limit: number): DomainError {
    return new DomainError('quota_exceeded', `Free tier limit exceeded: ${what}`, {
      details: { used, limit, upgrade_url: this.upgradeUrl },
    });
  }

  /** The tier lacks the feature. */
  upgradeRequired(feature: string, currentTier: Tier): DomainError {
    const requiredTier = lowestTierWith(feature);
    return new DomainError('forbidden', `This feature requires ${requiredTier} or above.`, {
      reason: 'upgrade_required',
      details: { feature, current_tier: currentTier, required_tier: requiredTier, upgrade_url: this.upgradeUrl },
    });
  }

  /** Bytes in use and the most there may be. */
  storageLimit(currentUsage: number, limit: number): DomainError {
    return new DomainError('forbidden', `Storage limit of ${limit} bytes reached.`, {
      reason: STORAGE_LIMIT,
      details: { current_usage: currentUsage, limit, upgrade_url: this.upgradeUrl },
    });
  }

  get upgradeUrl(): string {
    return `${this.config.PUBLIC_URL ?? ''}/docs/tiers`;
  }
}

/** Every seat of the organisation is taken; thrown by whatever would add a member. */
export function seatLimit(seatsUsed: number, seatsLimit: number): DomainError {
  return new DomainError('forbidden', `All ${seatsLimit} seats of the organization are in use.`, {
    reason: 'seat_limit',
    details: { seats_used: seatsUsed, seats_limit: seatsLimit },
  });
}
