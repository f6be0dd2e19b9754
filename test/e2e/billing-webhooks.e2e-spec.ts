import { Database, PeriodicTasks } from '#platform';
import { EntitlementsService } from '#accounts';
import { buy, delivered, type SellingServer, startSellingServer, tierOf } from '../support/billing.js';
import { admin, type Client, signUp } from '../support/client.js';
import { addMember, makeOrganisation, setTier } from '../support/organisations.js';
import type { StripeObject } from '../support/peers/stripe-objects.js';
import { eventually, oneSecond } from '../support/pinned-sessions.js';

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

let server: SellingServer;
let root: Client;
let db: Database;

beforeAll(async () => {
  server = await startSellingServer();
  root = await admin(server);
  db = server.app.get(Database);
});

afterAll(async () => {
  await server.close();
});

/** What the database knows of one event: rows of the event itself, and audit rows of its effect. */
async function effectsOf(event: StripeObject): Promise<{ handled: number; effects: number }> {
  const [row] = await db.query<{ handled: number; effects: number }>(
    `select (select count(*)::int from billing_event where id = $1) as handled,
            (select count(*)::int from audit where action = 'billing.subscription_change' and facts ->> 'event' = $1) as effects`,
    [event.id],
  );
  return row!;
}

describe('a delivery', () => {
  const refused = async (answer: Response): Promise<string> => {
    const body = (await answer.json()) as { error: { code: string; message: string }; detail: string };
    expect({ status: answer.status, code: body.error.code }).toEqual({ status: 400, code: '400' });
    expect(body.detail).toBe(body.error.message);
    return body.error.message;
  };

  it('is refused without a right signature that is fresh', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    const event = server.stripe.change(id, { price: server.prices.pro }, nowSeconds() + 5);
    const { stripe, webhook } = server;
    const payload = JSON.stringify(event);
    expect(await refused(await stripe.deliver(webhook, event, { signature: null }))).toBe(
      'Missing Stripe-Signature header',
    );
    for (const how of [
      { secret: 'whsec_of_somebody_else' },
      { timestamp: nowSeconds() - 301 },
      { signature: 'nonsense' },
      { signature: `t=${nowSeconds()},v1=` },
      { signature: stripe.sign(payload).replace('v1=', 'v2=').replace('v0=', 'v3=') },
      { signature: stripe.sign(`${payload} `) },
    ]) {
      expect(await refused(await stripe.deliver(webhook, payload, how))).toBe('Invalid signature');
    }
    expect(await effectsOf(event)).toEqual({ handled: 0, effects: 0 });
    expect(await tierOf(account)).toBe('starter');
    // Younger than five minutes will do: networks are slow and clocks differ.
    expect((await stripe.deliver(webhook, event, { timestamp: nowSeconds() - 250 })).status).toBe(200);
    expect(await tierOf(account)).toBe('pro');
  });

  it('is refused when it is signed and no event', async () => {
    for (const payload of ['{', '[]', '"x"', 'null', '{}', '{"id":5,"type":"x","created":1}']) {
      const answer = await server.stripe.deliver(server.webhook, payload);
      expect(await refused(answer)).toBe('The delivery is not a Stripe event');
    }
  });

  it('that means nothing to us is taken', async () => {
    const event = server.stripe.event('customer.created', { id: 'cus_x', object: 'customer' });
    expect(await delivered(server, event)).toBe('ok');
    expect(await delivered(server, event)).toBe('already_processed');
    expect(await delivered(server, server.stripe.event('some.type_of_tomorrow', {}))).toBe('ok');
  });

  it('about a subscription of nobody here is taken and changes nothing', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'pro');
    const event = server.stripe.change(id, { price: server.prices.team }, nowSeconds() + 5);
    const foreign = { ...(event['data'] as { object: Record<string, unknown> }).object };
    Object.assign(foreign, {
      id: 'sub_foreign',
      customer: 'cus_foreign',
      metadata: { org_id: 'org_gone', user_id: "x'" },
    });
    expect(await delivered(server, { ...event, data: { object: foreign } })).toBe('ok');
    expect(await tierOf(account)).toBe('pro');
  });

  it('is handled once, however often and however simultaneously it comes', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    const event = server.stripe.change(id, { price: server.prices.pro }, nowSeconds() + 5);
    const answers = await Promise.all(Array.from({ length: 20 }, () => delivered(server, event)));
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'already_processed')).toHaveLength(19);
    expect(await effectsOf(event)).toEqual({ handled: 1, effects: 1 });
    expect(await tierOf(account)).toBe('pro');
  });

  it('that cannot be finished leaves nothing, and its repetition does all of it', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    const event = server.stripe.change(id, { price: server.prices.pro }, nowSeconds() + 5);
    // The very last write of the transaction fails, as if the server had died before its commit.
    await db.query(`create function fail() returns trigger language plpgsql as $$ begin raise 'no more'; end $$`);
    await db.query(`create trigger fail before insert on audit for each row
      when (new.action = 'billing.subscription_change') execute function fail()`);
    try {
      expect((await server.stripe.deliver(server.webhook, event)).status).toBe(500);
      expect(await effectsOf(event)).toEqual({ handled: 0, effects: 0 });
      expect(await tierOf(account)).toBe('starter');
    } finally {
      await db.query('drop function fail cascade');
    }
    expect(await delivered(server, event)).toBe('ok');
    expect(await effectsOf(event)).toEqual({ handled: 1, effects: 1 });
    expect(await tierOf(account)).toBe('pro');
  });
});

describe('a subscription', () => {
  const later = (seconds: number): number => nowSeconds() + seconds;

  it('follows the order of what was said, not that of the deliveries', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    const older = server.stripe.change(id, { price: server.prices.team, quantity: 9 }, later(5));
    const newer = server.stripe.change(id, { price: server.prices.pro, quantity: 1 }, later(10));
    expect(await delivered(server, newer)).toBe('ok');
    expect(await delivered(server, older)).toBe('ok');
    expect(await tierOf(account)).toBe('pro');
  });

  it('is asked for when two things were said in the same second', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    const second = later(5);
    const first = server.stripe.change(id, { price: server.prices.team }, second);
    const last = server.stripe.change(id, { price: server.prices.pro }, second);
    await delivered(server, last);
    await delivered(server, first);
    expect(await tierOf(account)).toBe('pro');
  });

  it('takes its tier from the product of a price it does not know, and keeps it when that says nothing', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    const known = server.stripe.addPrice({ tier: 'team' });
    await delivered(server, server.stripe.change(id, { price: known }, later(5)));
    expect(await tierOf(account)).toBe('team');
    const unknown = server.stripe.addPrice({ tier: 'platinum' });
    await delivered(server, server.stripe.change(id, { price: unknown }, later(10)));
    expect(await tierOf(account)).toBe('team');
  });

  it.each(['past_due', 'unpaid', 'paused', 'incomplete_expired'])('that is %s keeps what it gave', async (status) => {
    const account = await signUp(server);
    const id = await buy(server, account, 'pro');
    await delivered(server, server.stripe.change(id, { status }, later(5)));
    expect(await tierOf(account)).toBe('pro');
  });

  it('that was never paid for gives nothing and is in nobody’s way', async () => {
    const account = await signUp(server);
    const { body } = await account.post('/api/v1/billing/checkout', { tier: 'pro' });
    const [created] = server.stripe.pay(body.checkout_url as string);
    const { object } = created!['data'] as { object: StripeObject };
    await delivered(server, { ...created!, data: { object: { ...object, status: 'incomplete' } } });
    expect((await account.get('/api/v1/billing/status')).body).toMatchObject({ tier: 'free', has_subscription: false });
    expect((await account.post('/api/v1/billing/checkout', { tier: 'pro' })).status).toBe(200);
    await delivered(server, server.stripe.change(object.id, { status: 'active' }, later(5)));
    expect((await account.get('/api/v1/billing/status')).body).toMatchObject({ tier: 'pro', has_subscription: true });
  });

  it('that ended is over for good: the account is free and may buy again', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'pro');
    const late = server.stripe.change(id, { price: server.prices.team }, later(10));
    await delivered(server, server.stripe.cancel(id, later(5)));
    expect((await account.get('/api/v1/billing/status')).body).toMatchObject({ tier: 'free', has_subscription: false });
    expect(await delivered(server, late)).toBe('ok');
    expect(await tierOf(account)).toBe('free');
    await buy(server, account, 'starter');
    expect(await tierOf(account)).toBe('starter');
  });

  it('that was bought twice leaves the other one behind', async () => {
    const account = await signUp(server);
    const sessions = await Promise.all(
      ['pro', 'starter'].map((tier) => account.post('/api/v1/billing/checkout', { tier })),
    );
    const ids: string[] = [];
    for (const { body } of sessions) {
      const events = server.stripe.pay(body.checkout_url as string);
      for (const event of events) await delivered(server, event);
      ids.push((events[0]!['data'] as { object: StripeObject }).object.id);
    }
    expect(await tierOf(account)).toBe('starter');
    await delivered(server, server.stripe.cancel(ids[1]!, later(5)));
    expect(await tierOf(account)).toBe('pro');
  });
});

describe('an organisation', () => {
  it('follows its subscription in tier, seats and storage, and keeps its members when it ends', async () => {
    const org = await makeOrganisation(server, 'free');
    const [owner, member] = [await signUp(server), await signUp(server)];
    await addMember(server, org, owner, 'owner');
    await addMember(server, org, member, 'member');
    const id = await buy(server, owner, 'team', 4);
    await delivered(server, server.stripe.change(id, { quantity: 6 }, nowSeconds() + 5));
    const limits = async (): Promise<unknown> =>
      (await db.query('select seats_limit, storage_limit_bytes::float8 from organisation where id = $1', [org.id]))[0];
    expect(await limits()).toEqual({ seats_limit: 6, storage_limit_bytes: 6 * 1_073_741_824 });
    await delivered(server, server.stripe.cancel(id, nowSeconds() + 10));
    expect(await limits()).toEqual({ seats_limit: 0, storage_limit_bytes: 0 });
    const { body } = await member.get('/api/v1/billing/status');
    expect(body).toMatchObject({ tier: 'free', is_org_member: true, org_role: 'member', has_subscription: false });
  });

  it('takes over what its creator had bought', async () => {
    const person = await signUp(server);
    const id = await buy(server, person, 'team', 8);
    const org = await makeOrganisation(server, 'free', 5);
    const [row] = await db.query<{ id: string }>('select account_id as id from app_user where id = $1', [
      person.userId,
    ]);
    expect(await server.app.get(EntitlementsService).move(row!.id, org.accountId)).toBe(true);
    await addMember(server, org, person, 'owner');
    const { body } = await person.get('/api/v1/billing/status');
    expect(body).toMatchObject({ tier: 'team', has_subscription: true, has_personal_subscription: false });
    // What Stripe says of it from now on, its metadata still naming the person, is said of the organisation.
    await delivered(server, server.stripe.change(id, { quantity: 3 }, nowSeconds() + 5));
    const [limits] = await db.query('select seats_limit from organisation where id = $1', [org.id]);
    expect(limits).toEqual({ seats_limit: 3 });
  });
});

describe('a change of tier', () => {
  it('is seen by keys that were cached, within a second, on every surface', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'pro');
    const limitOf = async (): Promise<string | null> =>
      (await account.post('/v1/session', { ttl_seconds: 28_800 })).body.ttl_seconds as string | null;
    await eventually(async () => Number(await limitOf()) === 28_800);
    await delivered(server, server.stripe.cancel(id, nowSeconds() + 5));
    await oneSecond();
    expect(await limitOf()).toBe(3_600);
  });

  it('by an administrator survives renewals and the end of a subscription, not a change of it', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'starter');
    await setTier(root, account, 'enterprise');
    const renewed = { currentPeriodEnd: nowSeconds() + 60 * 86_400 };
    await delivered(server, server.stripe.change(id, renewed, nowSeconds() + 5));
    expect(await tierOf(account)).toBe('enterprise');
    await delivered(server, server.stripe.change(id, { price: server.prices.pro }, nowSeconds() + 10));
    expect(await tierOf(account)).toBe('pro');
    await setTier(root, account, 'enterprise');
    await delivered(server, server.stripe.cancel(id, nowSeconds() + 15));
    expect(await tierOf(account)).toBe('enterprise');
  });

  it('comes by itself when nobody renews what was paid for', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'pro');
    const periodEnd = (days: number): number => nowSeconds() - days * 86_400;
    await delivered(server, server.stripe.change(id, { currentPeriodEnd: periodEnd(2) }, nowSeconds() + 5));
    await server.app.get(PeriodicTasks).runNow('entitlements.expire');
    expect(await tierOf(account)).toBe('pro');
    await delivered(server, server.stripe.change(id, { currentPeriodEnd: periodEnd(4) }, nowSeconds() + 10));
    expect(await tierOf(account)).toBe('free');
    const stored = async (): Promise<unknown> =>
      (
        await db.query('select tier from account a join app_user u on u.account_id = a.id where u.id = $1', [
          account.userId,
        ])
      )[0];
    expect(await stored()).toEqual({ tier: 'pro' });
    await server.app.get(PeriodicTasks).runNow('entitlements.expire');
    expect(await stored()).toEqual({ tier: 'free' });
    await delivered(server, server.stripe.change(id, { currentPeriodEnd: nowSeconds() + 86_400 }, nowSeconds() + 15));
    expect(await tierOf(account)).toBe('pro');
  });

  it('is on the record, with the event that caused it', async () => {
    const account = await signUp(server);
    const id = await buy(server, account, 'pro');
    const event = server.stripe.change(id, { price: server.prices.team, quantity: 2 }, nowSeconds() + 5);
    await delivered(server, event);
    const [change] = await db.query(
      `select facts from audit where action = 'billing.subscription_change' and facts ->> 'event' = $1`,
      [event.id],
    );
    expect(change).toEqual({ facts: { event: event.id, subscription: id, tier: 'team', status: 'active', seats: 2 } });
    const tiers = await db.query<{ facts: object }>(
      `select facts from audit a join app_user u on u.account_id = a.account_id
        where u.id = $1 and action = 'tier_change' order by a.id`,
      [account.userId],
    );
    expect(tiers.map(({ facts }) => facts)).toEqual([
      { old_tier: 'free', new_tier: 'pro' },
      { old_tier: 'pro', new_tier: 'team' },
    ]);
  });
});
