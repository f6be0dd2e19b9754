import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import type { Principal, Tier } from '#platform';
import { PlanGate } from '../plan-gate.js';
import { type Feature, hasFeature } from '../tiers.js';
import { EntitlementsRepository } from './entitlements.repository.js';

/** What a caller's plan is worth where features are concerned (sessionfs-2.md §2.3). */
@Injectable()
export class EffectiveTier {
  constructor(
    private readonly entitlements: EntitlementsRepository,
    private readonly gate: PlanGate,
    private readonly clock: Clock,
  ) {}

  /**
   * A platform administrator has everything. A key of an organisation has that organisation's tier. Everybody else has
   * the tier of their home organisation (the default one, else the one joined first), even when their own is higher;
   * without any, their own. A tier whose time is over counts as free from that instant.
   */
  async of(caller: Principal): Promise<Tier> {
    if (isPlatformAdmin(caller)) return 'enterprise';
    const account = caller.orgId === null ? await this.entitlements.findHomeAccount(caller.userId) : caller.accountId;
    return this.entitlements.findTier(account ?? caller.accountId, this.clock.date());
  }

  /** That of work done later on what a person owns in an account: as `of`, but nobody is an administrator then. */
  async ofOwner({ accountId, userId }: Pick<Principal, 'accountId' | 'userId'>): Promise<Tier> {
    const isPersonal = await this.entitlements.isPersonal(accountId);
    const home = isPersonal ? await this.entitlements.findHomeAccount(userId) : null;
    return this.entitlements.findTier(home ?? accountId, this.clock.date());
  }

  /** The tier the account itself has now. */
  ofAccount(accountId: string): Promise<Tier> {
    return this.entitlements.findTier(accountId, this.clock.date());
  }

  /**
   * The account itself has the feature, whatever other ones its person belongs to have. Errors: `forbidden` with reason
   * `upgrade_required`.
   */
  async assertAccountHas(caller: Principal, accountId: string, feature: Feature): Promise<void> {
    const tier = isPlatformAdmin(caller) ? 'enterprise' : await this.ofAccount(accountId);
    if (!hasFeature(tier, feature)) throw this.gate.upgradeRequired(feature, tier);
  }

  /** Errors: `forbidden` with reason `upgrade_required`. */
  async assertFeature(caller: Principal, feature: Feature): Promise<void> {
    const tier = await this.of(caller);
    if (!hasFeature(tier, feature)) throw this.gate.upgradeRequired(feature, tier);
  }
}

/** A key that was only issued by an administrator is not one. */
function isPlatformAdmin(caller: Principal): boolean {
  return caller.isAdmin && caller.kind === 'user_key';
}
