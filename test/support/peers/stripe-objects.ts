import { randomBytes } from 'node:crypto';

/** Objects in the shape of Stripe's published examples (API version 2026-10-28). */
export type StripeObject = Record<string, unknown> & { readonly id: string; readonly object: string };

export const stripeId = (prefix: string): string =>
  `${prefix}_${randomBytes(12).toString('base64url').replace(/[-_]/g, '0')}`;

const now = (): number => Math.floor(Date.now() / 1000);
const MONTH = 30 * 86_400;

export function customerObject(fields: {
  email?: string;
  name?: string;
  metadata: Record<string, string>;
}): StripeObject {
  return {
    id: stripeId('cus'),
    object: 'customer',
    address: null,
    balance: 0,
    created: now(),
    currency: null,
    default_source: null,
    delinquent: false,
    description: null,
    email: fields.email ?? null,
    invoice_prefix: randomBytes(4).toString('hex').toUpperCase(),
    livemode: false,
    metadata: fields.metadata,
    name: fields.name ?? null,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  };
}

export function productObject(id: string, metadata: Record<string, string>): StripeObject {
  return {
    id,
    object: 'product',
    active: true,
    created: now(),
    default_price: null,
    description: null,
    images: [],
    livemode: false,
    marketing_features: [],
    metadata,
    name: id,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    unit_label: null,
    updated: now(),
    url: null,
  };
}

export function priceObject(id: string, product: string): StripeObject {
  return {
    id,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    created: now(),
    currency: 'usd',
    custom_unit_amount: null,
    livemode: false,
    lookup_key: null,
    metadata: {},
    nickname: null,
    product,
    recurring: { interval: 'month', interval_count: 1, meter: null, trial_period_days: null, usage_type: 'licensed' },
    tax_behavior: 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: 'recurring',
    unit_amount: 1000,
    unit_amount_decimal: '1000',
  };
}

export function sessionObject(fields: {
  customer: string | null;
  success_url: string;
  cancel_url: string | null;
  metadata: Record<string, string>;
  base: string;
}): StripeObject {
  const { base, ...own } = fields;
  const id = `cs_test_${randomBytes(24).toString('hex')}`;
  return {
    id,
    object: 'checkout.session',
    amount_subtotal: 1000,
    amount_total: 1000,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    client_reference_id: null,
    created: now(),
    currency: 'usd',
    expires_at: now() + 86_400,
    livemode: false,
    mode: 'subscription',
    payment_status: 'unpaid',
    status: 'open',
    subscription: null,
    url: `${base}/c/pay/${id}`,
    ...own,
  };
}

export function subscriptionObject(fields: {
  customer: string;
  price: StripeObject;
  quantity: number;
  metadata: Record<string, string>;
}): StripeObject {
  const id = stripeId('sub');
  const created = now();
  return {
    id,
    object: 'subscription',
    application: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: created,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, reason: null },
    collection_method: 'charge_automatically',
    created,
    currency: 'usd',
    customer: fields.customer,
    days_until_due: null,
    default_payment_method: null,
    description: null,
    discounts: [],
    ended_at: null,
    items: {
      object: 'list',
      data: [
        {
          id: stripeId('si'),
          object: 'subscription_item',
          created,
          current_period_end: created + MONTH,
          current_period_start: created,
          discounts: [],
          metadata: {},
          price: fields.price,
          quantity: fields.quantity,
          subscription: id,
          tax_rates: [],
        },
      ],
      has_more: false,
      total_count: 1,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: stripeId('in'),
    livemode: false,
    metadata: fields.metadata,
    pause_collection: null,
    schedule: null,
    start_date: created,
    status: 'active',
    test_clock: null,
    trial_end: null,
    trial_start: null,
  };
}

export function eventObject(type: string, object: unknown, version: string, created = now()): StripeObject {
  return {
    id: stripeId('evt'),
    object: 'event',
    api_version: version,
    created,
    data: { object },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  };
}
