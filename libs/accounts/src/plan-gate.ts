import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, type Principal, Usage } from '#platform';
import { entitlementsOf } from './tiers.js';

/** Refuses billable calls beyond the tier's allowance (coregit.md §22.3). */
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

  get upgradeUrl(): string {
    return `${this.config.PUBLIC_URL ?? ''}/docs/tiers`;
  }
}
