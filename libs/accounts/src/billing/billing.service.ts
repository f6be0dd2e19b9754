import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, Audit, Database, Idempotency, type Principal, type Tier } from '#platform';
import { EffectiveTier } from '../entitlements/effective-tier.js';
import { BillingParties, type BillingParty } from './billing-parties.js';
import { BillingRepository } from './billing.repository.js';
import { PaymentProvider, SOLD_TIERS, type SoldTier } from './payment-provider.js';

export interface BillingStatus {
  readonly tier: Tier;
  readonly storageUsedBytes: number;
  /** 0 is not enforced. */
  readonly storageLimitBytes: number;
  readonly customerId: string | null;
  readonly hasSubscription: boolean;
  readonly hasPersonalSubscription: boolean;
  readonly orgRole: string | null;
  readonly isBeta: boolean;
}

export type PortalScope = 'auto' | 'org' | 'personal';

/** Buying and managing a plan (sessionfs-2.md §17). Members of an organisation deal with the organisation's. */
@Injectable()
export class BillingService {
  constructor(
    private readonly db: Database,
    private readonly provider: PaymentProvider,
    private readonly billing: BillingRepository,
    private readonly parties: BillingParties,
    private readonly tiers: EffectiveTier,
    private readonly idempotency: Idempotency,
    private readonly audit: Audit,
    private readonly config: AppConfig,
  ) {}

  async status(caller: Principal): Promise<BillingStatus> {
    const { personal, org } = await this.parties.of(caller);
    const payer = org ?? personal;
    return {
      tier: await this.tiers.of(caller),
      ...(await this.parties.storageOf(payer)),
      customerId: await this.billing.findCustomer(payer.accountId),
      hasSubscription: (await this.billing.findLive(payer.accountId)) !== null,
      hasPersonalSubscription: (await this.billing.findLive(personal.accountId)) !== null,
      orgRole: org?.role ?? null,
      isBeta: !this.provider.isComplete,
    };
  }

  /**
   * Answers the address where the plan is paid. Nothing changes before the provider says that it was. Errors in this
   * order: `not_implemented`, `bad_request` (tier, price, `org_member_restriction`), `forbidden` with reason
   * `admin_required`, `conflict` with reason `already_subscribed`, `upstream_failed`. Settles the idempotency key with
   * `render`'s answer, because asking the provider belongs outside any transaction.
   */
  async checkout<Answer>(
    caller: Principal,
    input: { tier: string; seats: number },
    render: (url: string) => Answer,
  ): Promise<Answer> {
    this.provider.assertConfigured();
    const tier = this.soldTier(input.tier);
    const { personal, org } = await this.parties.of(caller);
    if (org && tier !== 'team')
      throw new DomainError('bad_request', `Members of an organization cannot buy the ${tier} tier`, {
        reason: 'org_member_restriction',
      });
    if (org && !org.isAdmin) throw adminRequired('buy a plan for the organization');
    const payer = org ?? personal;
    await this.parties.assertReached(caller, payer);
    await this.assertUnsubscribed([personal, ...(org ? [org] : [])]);
    const customerId = await this.customerOf(payer);
    const seats = tier === 'team' ? input.seats : 1;
    const owner = { orgId: org?.orgId ?? null, userId: caller.userId };
    const url = await this.provider.createCheckout({ customerId, tier, seats, owner, returnUrl: this.returnUrl });
    return this.settle(caller, payer, 'billing.checkout', { tier, seats }, render(url));
  }

  /**
   * Answers the address where the subscription is managed. Errors: `not_implemented`, `bad_request` without a
   * subscription, `forbidden` with reason `admin_required`, `upstream_failed`. Settles the key as `checkout` does.
   */
  async portal<Answer>(caller: Principal, scope: PortalScope, render: (url: string) => Answer): Promise<Answer> {
    this.provider.assertConfigured();
    const payer = await this.payerOf(caller, scope);
    await this.parties.assertReached(caller, payer);
    const subscription = await this.billing.findLive(payer.accountId);
    if (!subscription) throw noSubscription();
    const url = await this.provider.createPortal(subscription.customerId, this.returnUrl);
    return this.settle(caller, payer, 'billing.portal', { scope }, render(url));
  }

  private soldTier(wanted: string): SoldTier {
    const tier = SOLD_TIERS.find((sold) => sold === wanted);
    if (!tier) throw new DomainError('bad_request', `Invalid tier: ${wanted}`, { field: 'tier' });
    if (!this.provider.sells(tier))
      throw new DomainError('bad_request', `Stripe price not configured for tier: ${tier}`);
    return tier;
  }

  private async assertUnsubscribed(parties: readonly BillingParty[]): Promise<void> {
    for (const { accountId } of parties) {
      if (!(await this.billing.findLive(accountId))) continue;
      throw new DomainError('conflict', 'There is a subscription already; change it in the portal', {
        reason: 'already_subscribed',
      });
    }
  }

  /** Whose subscription the portal is for (sessionfs-2.md §17). */
  private async payerOf(caller: Principal, scope: PortalScope): Promise<BillingParty> {
    const { personal, org } = await this.parties.of(caller);
    if (scope === 'personal') return personal;
    if (!org) {
      if (scope === 'org') throw noSubscription();
      return personal;
    }
    const isOrgs = org.isAdmin && (await this.billing.findLive(org.accountId)) !== null;
    if (scope === 'org' && org.isAdmin) return org;
    if (isOrgs) return org;
    if (scope === 'auto' && (await this.billing.findLive(personal.accountId))) return personal;
    if (!org.isAdmin) throw adminRequired("manage the organization's subscription");
    return org;
  }

  private async customerOf(payer: BillingParty): Promise<string> {
    const known = await this.billing.findCustomer(payer.accountId);
    if (known !== null) return known;
    const created = await this.provider.createCustomer(payer);
    await this.billing.insertCustomer(payer.accountId, created);
    return (await this.billing.findCustomer(payer.accountId)) ?? created;
  }

  private settle<Answer>(
    caller: Principal,
    payer: BillingParty,
    action: string,
    facts: Record<string, unknown>,
    answer: Answer,
  ): Promise<Answer> {
    return this.db.transaction(async () => {
      await this.audit.record(
        caller,
        action,
        { accountId: payer.accountId, kind: 'account', id: payer.accountId },
        facts,
      );
      await this.idempotency.settle(200, answer);
      return answer;
    });
  }

  private get returnUrl(): string {
    const { BILLING_RETURN_URL, PUBLIC_URL, HOST, PORT } = this.config;
    return BILLING_RETURN_URL ?? `${(PUBLIC_URL ?? `http://${HOST}:${PORT}`).replace(/\/$/, '')}/docs`;
  }
}

function adminRequired(what: string): DomainError {
  return new DomainError('forbidden', `Only an organization admin can ${what}.`, { reason: 'admin_required' });
}

function noSubscription(): DomainError {
  return new DomainError('bad_request', 'No subscription found.');
}
