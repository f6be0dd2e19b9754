import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assertShape, type Form, parseForm, Refusal, type Shape } from './stripe-form.js';
import {
  customerObject,
  eventObject,
  priceObject,
  productObject,
  sessionObject,
  stripeId,
  type StripeObject,
  subscriptionObject,
} from './stripe-objects.js';

/** The API version of this server; it knows those before it by name only. */
const VERSION = '2026-10-28.endive';

export interface Delivery {
  /** Seconds; the present when absent. */
  readonly timestamp?: number;
  /** What is signed with; the endpoint's secret when absent. */
  readonly secret?: string;
  /** The whole header instead of a computed one; null sends none. */
  readonly signature?: string | null;
}

interface SubscriptionChange {
  readonly price?: string;
  readonly quantity?: number;
  readonly status?: string;
  readonly currentPeriodEnd?: number;
}

const SHAPES = {
  customers: { email: 'text', name: 'text', description: 'text', phone: 'text', metadata: 'map' },
  sessions: {
    'mode!': 'text',
    'success_url!': 'text',
    cancel_url: 'text',
    customer: 'text',
    customer_email: 'text',
    client_reference_id: 'text',
    'line_items!': [{ 'price!': 'text', quantity: 'text' }],
    metadata: 'map',
    subscription_data: { metadata: 'map', description: 'text', trial_period_days: 'text' },
    allow_promotion_codes: 'text',
    locale: 'text',
  },
  portal: { 'customer!': 'text', return_url: 'text', configuration: 'text', locale: 'text' },
} as const satisfies Record<string, Shape>;

/** A Stripe that answers what the real one answers to requests of its REST API, and delivers signed events. */
export class StripePeer {
  readonly secretKey = `sk_test_${randomBytes(24).toString('hex')}`;
  readonly webhookSecret = `whsec_${randomBytes(24).toString('hex')}`;
  /** `METHOD /path` of every request that was let in. */
  readonly requests: string[] = [];
  /** While set, every request is answered with this status. */
  outage: number | null = null;

  private readonly objects = new Map<string, StripeObject>();
  private readonly drafts = new Map<string, { price: string; quantity: number; metadata: Record<string, string> }>();
  private readonly replies = new Map<string, { body: string; status: number; text: string }>();
  private constructor(private readonly server: Server) {}

  static async start(): Promise<StripePeer> {
    const server = createServer();
    const peer = new StripePeer(server);
    server.on('request', (request, response) => void peer.serve(request, response));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return peer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  /** A recurring price with a product of its own; answers the price's id. */
  addPrice(metadata: Record<string, string> = {}): string {
    const product = this.keep(productObject(stripeId('prod'), metadata));
    return this.keep(priceObject(stripeId('price'), product.id)).id;
  }

  /** What the person does who pays on the page at `url`; answers the events that follow, in order. */
  pay(url: string): StripeObject[] {
    const session = this.objects.get(url.split('/').at(-1) ?? '');
    const draft = session && this.drafts.get(session.id);
    if (!session || !draft || session['status'] !== 'open') throw new Error(`nothing can be paid at ${url}`);
    const customer = session['customer'] as string;
    const price = this.objects.get(draft.price)!;
    const subscription = this.keep(subscriptionObject({ ...draft, customer, price }));
    Object.assign(session, { status: 'complete', payment_status: 'paid', subscription: subscription.id });
    return [
      this.event('customer.subscription.created', subscription),
      this.event('checkout.session.completed', session),
    ];
  }

  /** Changes a subscription as its owner or time does; answers the event. `created` in seconds. */
  change(id: string, change: SubscriptionChange, created?: number): StripeObject {
    const subscription = this.get('subscription', id);
    const items = subscription['items'] as { data: Record<string, unknown>[] };
    const item = items.data[0]!;
    if (change.price !== undefined) item['price'] = this.get('price', change.price);
    if (change.quantity !== undefined) item['quantity'] = change.quantity;
    if (change.currentPeriodEnd !== undefined) item['current_period_end'] = change.currentPeriodEnd;
    if (change.status !== undefined) subscription['status'] = change.status;
    return this.event('customer.subscription.updated', subscription, created);
  }

  cancel(id: string, created?: number): StripeObject {
    const subscription = this.get('subscription', id);
    const endedAt = Math.floor(Date.now() / 1000);
    Object.assign(subscription, { status: 'canceled', canceled_at: endedAt, ended_at: endedAt });
    return this.event('customer.subscription.deleted', subscription, created);
  }

  /** An event about the object as it is now. */
  event(type: string, object: unknown, created?: number): StripeObject {
    return eventObject(type, structuredClone(object), VERSION, created);
  }

  /** Delivers an event, signed with the scheme `v1`, to a webhook endpoint. */
  async deliver(endpoint: string, event: StripeObject | string, how: Delivery = {}): Promise<Response> {
    const payload = typeof event === 'string' ? event : JSON.stringify(event, null, 2);
    const signature = how.signature === undefined ? this.sign(payload, how) : how.signature;
    return fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        ...(signature !== null && { 'stripe-signature': signature }),
      },
      body: payload,
    });
  }

  sign(
    payload: string,
    { timestamp = Math.floor(Date.now() / 1000), secret = this.webhookSecret }: Delivery = {},
  ): string {
    const mac = createHmac('sha256', secret).update(`${timestamp}.${payload}`).digest('hex');
    // Test deliveries carry a second scheme, which nobody may trust.
    return `t=${timestamp},v1=${mac},v0=${randomBytes(32).toString('hex')}`;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const reply = this.answer(request, Buffer.concat(chunks).toString());
    response.writeHead(reply.status, {
      'content-type': 'application/json',
      'request-id': stripeId('req'),
      'stripe-version': VERSION,
      ...(reply.isReplay && { 'idempotent-replayed': 'true' }),
    });
    response.end(reply.text);
  }

  private answer(request: IncomingMessage, body: string): { status: number; text: string; isReplay?: boolean } {
    try {
      this.assertAdmitted(request, body);
      this.requests.push(`${request.method} ${request.url}`);
      const key = request.headers['idempotency-key'];
      if (request.method !== 'POST' || typeof key !== 'string') return this.handled(request, body);
      const known = this.replies.get(key);
      if (known && known.body !== body) throw new Refusal(400, 'idempotency_error', keysDiffer(key));
      if (known) return { ...known, isReplay: true };
      const reply = this.handled(request, body);
      this.replies.set(key, { ...reply, body });
      return reply;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, type, message, more } = error;
      return { status, text: JSON.stringify({ error: { ...more, message, type } }) };
    }
  }

  private assertAdmitted({ method, headers }: IncomingMessage, body: string): void {
    if (this.outage !== null) throw new Refusal(this.outage, 'api_error', 'Something went wrong on our end');
    const [scheme, key] = (headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer' || !key) throw new Refusal(401, 'invalid_request_error', 'You did not provide an API key.');
    if (key !== this.secretKey)
      throw new Refusal(
        401,
        'invalid_request_error',
        `Invalid API Key provided: ${key.slice(0, 8)}***${key.slice(-4)}`,
      );
    const version = headers['stripe-version'];
    if (version !== undefined && version !== VERSION)
      throw new Refusal(400, 'invalid_request_error', `Invalid Stripe API version: ${String(version)}`);
    if (method === 'POST' && body !== '' && !headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
      throw new Refusal(400, 'invalid_request_error', 'Invalid request: the body must be form-encoded');
  }

  private handled(request: IncomingMessage, body: string): { status: number; text: string } {
    const { pathname } = new URL(request.url ?? '/', this.url);
    const object = this.route(`${request.method} ${pathname}`, parseForm(body));
    return { status: 200, text: JSON.stringify(object, null, 2) };
  }

  private route(route: string, form: Form): StripeObject {
    if (route === 'POST /v1/customers') return this.createCustomer(form);
    if (route === 'POST /v1/checkout/sessions') return this.createSession(form);
    if (route === 'POST /v1/billing_portal/sessions') return this.createPortal(form);
    const [, kind = '', id = ''] = /^GET \/v1\/(customers|subscriptions|products|prices)\/(\w+)$/.exec(route) ?? [];
    if (kind !== '') return this.get(kind.slice(0, -1), id);
    throw new Refusal(404, 'invalid_request_error', `Unrecognized request URL (${route.replace(' ', ': ')}).`);
  }

  private createCustomer(form: Form): StripeObject {
    assertShape(form, SHAPES.customers);
    const { email, name, metadata } = form as { email?: string; name?: string; metadata?: Record<string, string> };
    if (email !== undefined && !/^\S+@\S+\.\S+$/.test(email))
      throw new Refusal(400, 'invalid_request_error', `Invalid email address: ${email}`, {
        code: 'email_invalid',
        param: 'email',
      });
    return this.keep(customerObject({ ...(email && { email }), ...(name && { name }), metadata: metadata ?? {} }));
  }

  private createSession(form: Form): StripeObject {
    assertShape(form, SHAPES.sessions);
    if (form['mode'] !== 'subscription')
      throw new Refusal(400, 'invalid_request_error', 'Only subscriptions are sold here');
    const success = urlOf(form, 'success_url');
    const items = Object.values(form['line_items'] as Form) as { price: string; quantity?: string }[];
    const [item] = items;
    const quantity = Number(item?.quantity ?? '1');
    if (!Number.isInteger(quantity) || quantity < 1 || quantity > 999_999)
      throw new Refusal(400, 'invalid_request_error', 'Invalid integer', { param: 'line_items[0][quantity]' });
    const price = this.get('price', item!.price);
    const session = this.keep(
      sessionObject({
        base: this.url,
        customer: form['customer'] === undefined ? null : this.get('customer', form['customer'] as string).id,
        success_url: success,
        cancel_url: form['cancel_url'] === undefined ? null : urlOf(form, 'cancel_url'),
        metadata: (form['metadata'] as Record<string, string> | undefined) ?? {},
      }),
    );
    const data = form['subscription_data'] as { metadata?: Record<string, string> } | undefined;
    this.drafts.set(session.id, { price: price.id, quantity, metadata: data?.metadata ?? {} });
    return session;
  }

  private createPortal(form: Form): StripeObject {
    assertShape(form, SHAPES.portal);
    const customer = this.get('customer', form['customer'] as string).id;
    const id = stripeId('bps');
    const object = 'billing_portal.session';
    return {
      id,
      object,
      customer,
      livemode: false,
      return_url: urlOf(form, 'return_url'),
      url: `${this.url}/p/session/${id}`,
    };
  }

  private keep(object: StripeObject): StripeObject {
    this.objects.set(object.id, object);
    return object;
  }

  private get(kind: string, id: string): StripeObject {
    const object = this.objects.get(id);
    if (object?.object === kind) return object;
    throw new Refusal(404, 'invalid_request_error', `No such ${kind}: '${id}'`, {
      code: 'resource_missing',
      param: 'id',
    });
  }
}

function urlOf(form: Form, param: string): string {
  const value = form[param];
  if (typeof value === 'string' && /^https?:\/\/\S+$/.test(value)) return value;
  throw new Refusal(400, 'invalid_request_error', 'Not a valid URL', { code: 'url_invalid', param });
}

function keysDiffer(key: string): string {
  return `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}'`;
}
