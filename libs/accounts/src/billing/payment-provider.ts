import { DomainError } from '#kernel';
import type { Tier } from '#platform';

/** Tiers that can be bought. */
export const SOLD_TIERS = ['starter', 'pro', 'team'] as const satisfies readonly Tier[];
export type SoldTier = (typeof SOLD_TIERS)[number];

/** What the provider says of a subscription at one moment. */
export interface SubscriptionFacts {
  readonly id: string;
  readonly customerId: string;
  /**
   * `running` is paid for. `lapsing` is not, and keeps what it gave. `pending` was never paid for, `abandoned` never will
   * be. `ended` takes what it gave away.
   */
  readonly state: 'running' | 'lapsing' | 'pending' | 'abandoned' | 'ended';
  /** The provider's own word for the state. */
  readonly status: string;
  /** Null when neither its price nor its product is known to stand for one. */
  readonly tier: Tier | null;
  readonly seats: number;
  readonly currentPeriodEnd: Date | null;
  /** What we told the provider when it was bought. */
  readonly owner: SubscriptionOwner;
}

/** Ids as the provider carries them for us; any of them may be missing or stale. */
export interface SubscriptionOwner {
  readonly orgId: string | null;
  readonly userId: string | null;
}

/** A delivery of the provider whose signature was right. */
export interface ProviderEvent {
  readonly id: string;
  readonly type: string;
  readonly createdAt: Date;
  /** Null for types that mean nothing to us. */
  readonly subject: ProviderEventSubject | null;
}

export type ProviderEventSubject =
  /** The subscription as it was when the event was made. */
  | { readonly kind: 'subscription'; readonly id: string; readonly read: () => Promise<SubscriptionFacts> }
  /** Something was bought; the subscription has to be looked up. */
  | { readonly kind: 'checkout'; readonly id: string; readonly owner: SubscriptionOwner }
  | { readonly kind: 'payment_failed'; readonly customerId: string | null };

export interface CheckoutRequest {
  readonly customerId: string;
  readonly tier: SoldTier;
  readonly seats: number;
  readonly owner: SubscriptionOwner;
  readonly returnUrl: string;
}

/** Who takes the money. Every method but `readEvent` goes over the network: never call one inside a transaction. */
export abstract class PaymentProvider {
  /** Everything that is sold can be bought (sessionfs-2.md §17 `is_beta` is the opposite). */
  abstract readonly isComplete: boolean;

  /** Errors: `not_implemented` with reason `billing_not_configured`. */
  abstract assertConfigured(): void;

  abstract sells(tier: SoldTier): boolean;

  /** Answers the same customer when it is asked again for the same account soon after. */
  abstract createCustomer(customer: { accountId: string; email: string; name: string }): Promise<string>;

  /** Answers the address of a page where the person pays. */
  abstract createCheckout(request: CheckoutRequest): Promise<string>;

  /** Answers the address of a page where the customer manages its subscriptions. */
  abstract createPortal(customerId: string, returnUrl: string): Promise<string>;

  abstract findSubscription(id: string): Promise<SubscriptionFacts>;

  /** Errors: `bad_request` when the signature is missing, wrong or more than five minutes old. */
  abstract readEvent(body: Buffer, signature: string | undefined): ProviderEvent;
}

export function billingNotConfigured(what: string): DomainError {
  return new DomainError('not_implemented', `${what} is not configured on this server`, {
    reason: 'billing_not_configured',
  });
}
