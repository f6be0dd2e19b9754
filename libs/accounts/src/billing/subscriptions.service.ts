import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '#kernel';
import { Audit, Database, Events, type Tier } from '#platform';
import { EntitlementsService } from '../entitlements/entitlements.service.js';
import { SUBSCRIPTION_CHANGED } from './billing.events.js';
import { BillingRepository, type Subscription } from './billing.repository.js';
import {
  PaymentProvider,
  type ProviderEvent,
  type ProviderEventSubject,
  type SubscriptionFacts,
  type SubscriptionOwner,
} from './payment-provider.js';

/** How long a tier outlives the paid period: as long as Stripe repeats the delivery that would renew it. */
const GRACE_MS = 3 * 86_400_000;

interface Statement {
  readonly facts: SubscriptionFacts;
  readonly toldAt: Date;
}

/** Turns what the payment provider says into subscriptions and tiers (sessionfs-2.md §17). */
@Injectable()
export class SubscriptionsService {
  private readonly log = new Logger(SubscriptionsService.name);

  constructor(
    private readonly db: Database,
    private readonly provider: PaymentProvider,
    private readonly billing: BillingRepository,
    private readonly entitlements: EntitlementsService,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes one delivery. Its effect and the note that it was handled are one transaction: a crash before the commit
   * leaves neither, so the provider's repetition does the work; after it, the repetition does nothing.
   * Errors: `bad_request` (signature), `not_implemented`, `upstream_failed` (the provider repeats the delivery).
   */
  async receive(body: Buffer, signature: string | undefined): Promise<'ok' | 'already_processed'> {
    const event = this.provider.readEvent(body, signature);
    if (await this.billing.hasEvent(event.id)) return 'already_processed';
    const statement = event.subject && (await this.statementOf(event, event.subject));
    return this.db.transaction(async () => {
      if (!(await this.billing.insertEvent(event))) return 'already_processed';
      if (statement) await this.apply(event, statement);
      return 'ok';
    });
  }

  /** The part that may ask the provider, outside any transaction. */
  private async statementOf(event: ProviderEvent, subject: ProviderEventSubject): Promise<Statement | null> {
    switch (subject.kind) {
      case 'payment_failed':
        this.log.warn({ msg: 'a payment failed', customer: subject.customerId });
        return null;
      case 'checkout': {
        const facts = await this.provider.findSubscription(subject.id);
        const owner: SubscriptionOwner = {
          orgId: facts.owner.orgId ?? subject.owner.orgId,
          userId: facts.owner.userId ?? subject.owner.userId,
        };
        return { facts: { ...facts, owner }, toldAt: event.createdAt };
      }
      case 'subscription': {
        const held = await this.billing.findSubscription(subject.id);
        // Events carry whole seconds: of two in the same one nobody knows which is newer, so the provider is asked.
        const isUnclear = held?.toldAt.getTime() === event.createdAt.getTime();
        const facts = isUnclear ? await this.provider.findSubscription(subject.id) : await subject.read();
        return { facts, toldAt: event.createdAt };
      }
    }
  }

  private async apply(event: ProviderEvent, { facts, toldAt }: Statement): Promise<void> {
    const accountId = await this.lockedAccount(facts);
    if (accountId === null) {
      this.log.warn({
        msg: 'a subscription belongs to nobody here',
        subscription: facts.id,
        customer: facts.customerId,
      });
      return;
    }
    const held = await this.billing.findSubscription(facts.id);
    // The provider does not deliver in order: what is older than what we know is no news, and an end is final.
    if (held && (held.endedAt || held.toldAt > toldAt)) return;
    const now: Subscription = {
      id: facts.id,
      accountId,
      customerId: facts.customerId,
      tier: this.tierOf(facts, held),
      status: facts.status,
      seats: facts.seats,
      currentPeriodEnd: facts.currentPeriodEnd,
      toldAt,
      endedAt: facts.state === 'ended' || facts.state === 'abandoned' ? this.clock.date() : null,
    };
    await this.billing.save(now);
    await this.billing.insertCustomer(accountId, facts.customerId);
    await this.settleTier(facts.state, now, held);
    await this.record(event, now);
  }

  /** A price nobody knows leaves the subscription what it was, and a new one without anything (sessionfs-2.md §17). */
  private tierOf(facts: SubscriptionFacts, held: Subscription | null): Tier {
    if (facts.tier) return facts.tier;
    this.log.warn({ msg: 'a subscription has a price that stands for no tier', subscription: facts.id });
    return held?.tier ?? 'free';
  }

  private async settleTier(
    state: SubscriptionFacts['state'],
    now: Subscription,
    held: Subscription | null,
  ): Promise<void> {
    const expiresAt = now.currentPeriodEnd && new Date(now.currentPeriodEnd.getTime() + GRACE_MS);
    switch (state) {
      case 'pending':
      case 'abandoned':
        return;
      case 'lapsing':
        return this.entitlements.prolong(now.accountId, now.id, expiresAt);
      case 'ended': {
        if (await this.entitlements.end(now.accountId, now.id, 'subscription_ended'))
          await this.resumeOther(now.accountId);
        return;
      }
      case 'running':
        if (await this.isRenewal(now, held)) return this.entitlements.prolong(now.accountId, now.id, expiresAt);
        await this.grant(now, expiresAt);
    }
  }

  /**
   * Whether the statement changes nothing but the period. A tier that an administrator set meanwhile survives such a
   * statement, and only such a one.
   */
  private async isRenewal(now: Subscription, held: Subscription | null): Promise<boolean> {
    if (!held || held.tier !== now.tier || held.seats !== now.seats || held.status === 'incomplete') return false;
    return (await this.entitlements.findActive(now.accountId)) !== null;
  }

  private async grant({ accountId, tier, id, seats }: Subscription, expiresAt: Date | null): Promise<void> {
    await this.entitlements.grant(null, { accountId, tier, source: 'stripe', sourceRef: id, expiresAt, seats });
  }

  /** Somebody who paid twice has the other subscription left. */
  private async resumeOther(accountId: string): Promise<void> {
    const other = await this.billing.findLive(accountId);
    if (!other) return;
    const expiresAt = other.currentPeriodEnd && new Date(other.currentPeriodEnd.getTime() + GRACE_MS);
    await this.grant(other, expiresAt);
  }

  /**
   * Whose subscription it is: the account that has it, the organisation or person it was bought for, the account of the
   * customer. Locked, so that statements about one account are taken one at a time.
   */
  private async lockedAccount(facts: SubscriptionFacts): Promise<string | null> {
    const accountId =
      (await this.billing.findSubscription(facts.id))?.accountId ??
      (facts.owner.orgId === null ? null : await this.billing.findAccountOfOrg(facts.owner.orgId)) ??
      (facts.owner.userId === null ? null : await this.billing.findAccountOfUser(facts.owner.userId)) ??
      (await this.billing.findAccountOfCustomer(facts.customerId));
    if (accountId === null) return null;
    await this.entitlements.lock(accountId);
    // It may have moved to an organisation while we waited.
    const present = (await this.billing.findSubscription(facts.id))?.accountId ?? accountId;
    if (present !== accountId) await this.entitlements.lock(present);
    return present;
  }

  private async record(event: ProviderEvent, { id, accountId, tier, status, seats }: Subscription): Promise<void> {
    const subject = { accountId, kind: 'account', id: accountId };
    const facts = { subscription: id, tier, status, seats };
    await this.events.record(SUBSCRIPTION_CHANGED, subject, facts);
    await this.audit.record(null, 'billing.subscription_change', subject, { ...facts, event: event.id });
  }
}
