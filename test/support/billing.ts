import type { Client, TestAccount } from './client.js';
import { StripePeer } from './peers/stripe.js';
import { startTestServer, type TestServer } from './server.js';

/** A server that sells through a Stripe of its own. */
export interface SellingServer extends TestServer {
  readonly stripe: StripePeer;
  readonly prices: { readonly starter: string; readonly pro: string; readonly team: string };
  /** Where the peer delivers to. */
  readonly webhook: string;
}

export async function startSellingServer(env: Record<string, string> = {}): Promise<SellingServer> {
  const stripe = await StripePeer.start();
  const prices = { starter: stripe.addPrice(), pro: stripe.addPrice(), team: stripe.addPrice() };
  const server = await startTestServer({
    DEFAULT_TIER: 'free',
    PUBLIC_URL: 'https://code.example.com',
    STRIPE_SECRET_KEY: stripe.secretKey,
    STRIPE_WEBHOOK_SECRET: stripe.webhookSecret,
    STRIPE_PRICE_STARTER: prices.starter,
    STRIPE_PRICE_PRO: prices.pro,
    STRIPE_PRICE_TEAM: prices.team,
    STRIPE_API_BASE: stripe.url,
    ...env,
  });
  const close = async (): Promise<void> => {
    await server.close();
    await stripe.close();
  };
  return { ...server, stripe, prices, webhook: `${server.url}/webhooks/stripe`, close };
}

/** The caller buys a plan and Stripe says so; answers the subscription's id. */
export async function buy(server: SellingServer, caller: Client, tier: string, seats = 1): Promise<string> {
  const { status, body } = await caller.post('/api/v1/billing/checkout', { tier, seats });
  if (status !== 200) throw new Error(`the checkout answered ${status}: ${JSON.stringify(body)}`);
  const events = server.stripe.pay(body.checkout_url as string);
  for (const event of events) await delivered(server, event);
  return (events[0]!['data'] as { object: { id: string } }).object.id;
}

/** Delivers an event that must be taken; answers what the server said. */
export async function delivered(server: SellingServer, event: Parameters<StripePeer['deliver']>[1]): Promise<string> {
  const response = await server.stripe.deliver(server.webhook, event);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the webhook answered ${response.status}: ${text}`);
  return (JSON.parse(text) as { status: string }).status;
}

export async function tierOf(account: Pick<TestAccount, 'get'>): Promise<string> {
  return (await account.get('/api/v1/billing/status')).body.tier as string;
}
