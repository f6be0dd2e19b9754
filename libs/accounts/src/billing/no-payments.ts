import { billingNotConfigured, PaymentProvider } from './payment-provider.js';

/** The provider of servers that sell nothing. */
export class NoPayments extends PaymentProvider {
  readonly isComplete = false;

  assertConfigured(): never {
    throw billingNotConfigured('Billing');
  }

  sells(): boolean {
    return false;
  }

  createCustomer(): Promise<never> {
    return this.assertConfigured();
  }

  createCheckout(): Promise<never> {
    return this.assertConfigured();
  }

  createPortal(): Promise<never> {
    return this.assertConfigured();
  }

  findSubscription(): Promise<never> {
    return this.assertConfigured();
  }

  readEvent(): never {
    throw billingNotConfigured('The Stripe webhook');
  }
}
