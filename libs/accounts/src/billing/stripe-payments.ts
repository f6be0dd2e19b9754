import { Logger } from '@nestjs/common';
import Stripe from 'stripe';
import { type Clock, DomainError } from '#kernel';
import { type AppConfig, type Tier, TIERS } from '#platform';
import {
  billingNotConfigured,
  type CheckoutRequest,
  PaymentProvider,
  type ProviderEvent,
  type ProviderEventSubject,
  SOLD_TIERS,
  type SoldTier,
  type SubscriptionFacts,
  type SubscriptionOwner,
} from './payment-provider.js';

const TIMEOUT_MS = 10_000;
const RETRIES = 2;
/** Seconds a delivery may be old. */
const TOLERANCE = 300;

const STATES: Readonly<Record<string, SubscriptionFacts['state']>> = {
  active: 'running',
  trialing: 'running',
  past_due: 'lapsing',
  unpaid: 'lapsing',
  paused: 'lapsing',
  incomplete_expired: 'abandoned',
  incomplete: 'pending',
  canceled: 'ended',
};

/** Stripe through its SDK. Money and cards never pass through us, only ids and the addresses of Stripe's pages. */
export class StripePayments extends PaymentProvider {
  private readonly log = new Logger(StripePayments.name);
  private readonly stripe: Stripe;
  private readonly prices: ReadonlyMap<SoldTier, string>;

  constructor(
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {
    super();
    const base = new URL(config.STRIPE_API_BASE);
    const isSecure = base.protocol === 'https:';
    this.stripe = new Stripe(config.STRIPE_SECRET_KEY ?? '', {
      protocol: isSecure ? 'https' : 'http',
      host: base.hostname,
      port: base.port || (isSecure ? 443 : 80),
      timeout: TIMEOUT_MS,
      maxNetworkRetries: RETRIES,
      telemetry: false,
    });
    const { STRIPE_PRICE_STARTER: starter, STRIPE_PRICE_PRO: pro, STRIPE_PRICE_TEAM: team } = config;
    this.prices = new Map(
      Object.entries({ starter, pro, team }).filter(([, price]) => price !== undefined) as [SoldTier, string][],
    );
  }

  get isComplete(): boolean {
    return this.prices.size === SOLD_TIERS.length;
  }

  assertConfigured(): void {
    // There is a secret key, or this would not be the provider.
  }

  sells(tier: SoldTier): boolean {
    return this.prices.has(tier);
  }

  async createCustomer(customer: { accountId: string; email: string; name: string }): Promise<string> {
    const { accountId, email, name } = customer;
    // Two first checkouts at once get one customer.
    const options = { idempotencyKey: `roundhouse-customer-${accountId}` };
    const params = { email, name, metadata: { account_id: accountId } };
    return (await this.ask(() => this.stripe.customers.create(params, options))).id;
  }

  async createCheckout({ customerId, tier, seats, owner, returnUrl }: CheckoutRequest): Promise<string> {
    const metadata = { tier, seats: String(seats), ...ownerMetadata(owner) };
    const session = await this.ask(() =>
      this.stripe.checkout.sessions.create({
        mode: 'subscription',
        customer: customerId,
        line_items: [{ price: this.prices.get(tier) ?? '', quantity: seats }],
        success_url: withOutcome(returnUrl, 'success'),
        cancel_url: withOutcome(returnUrl, 'cancelled'),
        metadata,
        subscription_data: { metadata },
      }),
    );
    if (session.url === null) throw providerFailed();
    return session.url;
  }

  async createPortal(customerId: string, returnUrl: string): Promise<string> {
    const params = { customer: customerId, return_url: returnUrl };
    return (await this.ask(() => this.stripe.billingPortal.sessions.create(params))).url;
  }

  async findSubscription(id: string): Promise<SubscriptionFacts> {
    return this.factsOf(await this.ask(() => this.stripe.subscriptions.retrieve(id)));
  }

  readEvent(body: Buffer, signature: string | undefined): ProviderEvent {
    const secret = this.config.STRIPE_WEBHOOK_SECRET;
    if (secret === undefined) throw billingNotConfigured('The Stripe webhook');
    if (!signature) throw new DomainError('bad_request', 'Missing Stripe-Signature header');
    const event = this.verified(body, signature, secret);
    return {
      id: event.id,
      type: event.type,
      createdAt: new Date(event.created * 1000),
      subject: this.subjectOf(event),
    };
  }

  private verified(body: Buffer, signature: string, secret: string): Stripe.Event {
    // The SDK takes an empty one for a mistake of ours.
    if (!/(^|,)v1=[^,]/.test(signature)) throw new DomainError('bad_request', 'Invalid signature');
    try {
      const event = this.stripe.webhooks.constructEvent(
        body,
        signature,
        secret,
        TOLERANCE,
        undefined,
        this.clock.now(),
      );
      if (typeof event.id === 'string' && typeof event.type === 'string' && Number.isInteger(event.created))
        return event;
    } catch (error) {
      if (error instanceof Stripe.errors.StripeSignatureVerificationError)
        throw new DomainError('bad_request', 'Invalid signature', { cause: error });
      throw new DomainError('bad_request', 'The delivery is not a Stripe event', { cause: error });
    }
    throw new DomainError('bad_request', 'The delivery is not a Stripe event');
  }

  private subjectOf(event: Stripe.Event): ProviderEventSubject | null {
    switch (event.type) {
      case 'checkout.session.completed': {
        const { mode, subscription, metadata } = event.data.object;
        if (mode !== 'subscription' || !subscription) return null;
        return { kind: 'checkout', id: idOf(subscription), owner: ownerOf(metadata) };
      }
      case 'customer.subscription.created':
      case 'customer.subscription.updated':
      case 'customer.subscription.deleted': {
        const subscription = event.data.object;
        return { kind: 'subscription', id: subscription.id, read: () => this.factsOf(subscription) };
      }
      case 'invoice.payment_failed': {
        const { customer } = event.data.object;
        return { kind: 'payment_failed', customerId: customer ? idOf(customer) : null };
      }
      default:
        return null;
    }
  }

  private async factsOf(subscription: Stripe.Subscription): Promise<SubscriptionFacts> {
    const [item] = subscription.items.data;
    return {
      id: subscription.id,
      customerId: idOf(subscription.customer),
      state: STATES[subscription.status] ?? 'lapsing',
      status: subscription.status,
      tier: item ? await this.tierOf(item.price) : null,
      seats: item?.quantity ?? 1,
      currentPeriodEnd: periodEndOf(subscription),
      owner: ownerOf(subscription.metadata),
    };
  }

  /** By the prices we sell, else by what the product says of itself (sessionfs-2.md §17). */
  private async tierOf(price: Stripe.Price): Promise<Tier | null> {
    for (const [tier, id] of this.prices) if (id === price.id) return tier;
    const known = typeof price.product === 'string' ? null : price.product;
    const product = known ?? (await this.ask(() => this.stripe.products.retrieve(idOf(price.product))));
    const tier = product.deleted ? undefined : product.metadata['tier'];
    return TIERS.find((candidate) => candidate === tier) ?? null;
  }

  /** What Stripe refuses or cannot answer is our problem or theirs, never the caller's. */
  private async ask<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error;
      // Not the error itself: it repeats headers and parameters.
      const { type, code, statusCode, requestId, message } = error;
      this.log.error({ msg: 'Stripe refused or did not answer', type, code, statusCode, requestId, reason: message });
      throw providerFailed();
    }
  }
}

function providerFailed(): DomainError {
  return new DomainError('upstream_failed', 'The payment provider did not answer as expected. Try again later.', {
    reason: 'payment_provider_failed',
  });
}

/** Since 2025-03-31 the period belongs to the item; webhook endpoints of older API versions send it as it was. */
function periodEndOf(subscription: Stripe.Subscription): Date | null {
  const seconds =
    subscription.items.data[0]?.current_period_end ??
    (subscription as { current_period_end?: number }).current_period_end;
  return seconds === undefined ? null : new Date(seconds * 1000);
}

function ownerMetadata({ orgId, userId }: SubscriptionOwner): Record<string, string> {
  return { ...(orgId !== null && { org_id: orgId }), ...(userId !== null && { user_id: userId }) };
}

function ownerOf(metadata: Stripe.Metadata | null): SubscriptionOwner {
  return { orgId: metadata?.['org_id'] ?? null, userId: metadata?.['user_id'] ?? null };
}

function idOf(reference: string | { readonly id: string }): string {
  return typeof reference === 'string' ? reference : reference.id;
}

function withOutcome(returnUrl: string, outcome: string): string {
  const url = new URL(returnUrl);
  url.searchParams.set('checkout', outcome);
  return url.href;
}
