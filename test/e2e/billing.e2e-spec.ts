import { Database } from '#platform';
import { buy, delivered, type SellingServer, startSellingServer, tierOf } from '../support/billing.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { addMember, makeOrganisation, setTier, type TestOrganisation } from '../support/organisations.js';
import { startTestServer, type TestServer } from '../support/server.js';

const GIB = 1_073_741_824;

describe('a server that sells nothing', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(async () => {
    await server.close();
  });

  it('still answers the status', async () => {
    const account = await signUp(server);
    const { status, body } = await account.get('/api/v1/billing/status');
    expect(status).toBe(200);
    expect(body).toEqual({
      tier: 'enterprise',
      storage_used_bytes: 0,
      storage_limit_bytes: 0,
      stripe_customer_id: null,
      has_subscription: false,
      has_personal_subscription: false,
      is_org_member: false,
      org_role: null,
      is_beta: true,
    });
  });

  it.each([
    ['/api/v1/billing/checkout', { tier: 'pro' }],
    ['/api/v1/billing/portal', undefined],
    ['/webhooks/stripe', {}],
  ])('says at %s that billing is not configured', async (path, body) => {
    const answer = await (await signUp(server)).post(path, body);
    const message = expect.stringContaining('is not configured on this server') as string;
    expect(answer).toMatchObject({
      status: 501,
      body: {
        error: { code: '501', message, details: { error: 'billing_not_configured' } },
        detail: { error: 'billing_not_configured', message },
      },
    });
  });

  it('lets nobody in without a user key', async () => {
    const { body: key } = await (await signUp(server)).post('/api/v1/auth/keys', { scopes: ['repos:read'] });
    const narrow = new Client(server.url, key.raw_key as string);
    const nobody = new Client(server.url, null);
    for (const path of ['checkout', 'portal']) {
      expect((await narrow.post(`/api/v1/billing/${path}`, {})).status).toBe(403);
      expect((await nobody.post(`/api/v1/billing/${path}`, {})).status).toBe(401);
    }
    expect((await nobody.get('/api/v1/billing/status')).status).toBe(401);
  });
});

describe('buying a plan', () => {
  let server: SellingServer;
  let org: TestOrganisation;
  let owner: TestAccount;
  let orgAdmin: TestAccount;
  let member: TestAccount;

  beforeAll(async () => {
    server = await startSellingServer();
    org = await makeOrganisation(server, 'free');
    [owner, orgAdmin, member] = [await signUp(server), await signUp(server), await signUp(server)];
    await addMember(server, org, owner, 'owner');
    await addMember(server, org, orgAdmin, 'admin');
    await addMember(server, org, member, 'member');
  });

  afterAll(async () => {
    await server.close();
  });

  const checkout = (caller: Client, body: Record<string, string | number | null>) =>
    caller.post('/api/v1/billing/checkout', body);

  it('leads to a page of the provider, and to the tier once it was paid', async () => {
    const account = await signUp(server);
    expect(await tierOf(account)).toBe('free');
    const { status, body } = await checkout(account, { tier: 'pro' });
    expect(status).toBe(200);
    expect(Object.keys(body as object)).toEqual(['checkout_url']);
    expect(body.checkout_url).toContain(`${server.stripe.url}/c/pay/cs_test_`);
    expect(await tierOf(account)).toBe('free');
    for (const event of server.stripe.pay(body.checkout_url as string)) await delivered(server, event);
    expect((await account.get('/api/v1/billing/status')).body).toMatchObject({
      tier: 'pro',
      storage_limit_bytes: 524_288_000,
      stripe_customer_id: expect.stringMatching(/^cus_/) as string,
      has_subscription: true,
      has_personal_subscription: true,
      is_org_member: false,
      is_beta: false,
    });
  });

  it('buys seats for an organisation, for its admins and its owner alike', async () => {
    const refused = await checkout(member, { tier: 'team', seats: 3 });
    expect(refused).toMatchObject({ status: 403, body: { error: { details: { error: 'admin_required' } } } });
    expect((await checkout(orgAdmin, { tier: 'team', seats: 3 })).status).toBe(200);
    await buy(server, owner, 'team', 7);
    for (const person of [owner, orgAdmin, member]) {
      expect((await person.get('/api/v1/billing/status')).body).toMatchObject({
        tier: 'team',
        storage_limit_bytes: 7 * GIB,
        has_subscription: true,
        has_personal_subscription: false,
        is_org_member: true,
      });
    }
    const [row] = await server.app
      .get(Database)
      .query('select seats_limit, storage_limit_bytes from organisation where id = $1', [org.id]);
    expect(row).toEqual({ seats_limit: 7, storage_limit_bytes: String(7 * GIB) });
    const again = await checkout(owner, { tier: 'team', seats: 9 });
    expect(again).toMatchObject({ status: 409, body: { error: { details: { error: 'already_subscribed' } } } });
  });

  it('sells members of an organisation nothing of their own', async () => {
    for (const person of [member, owner]) {
      const answer = await checkout(person, { tier: 'starter' });
      expect(answer).toMatchObject({ status: 400, body: { error: { details: { error: 'org_member_restriction' } } } });
    }
  });

  it('sells nobody a second subscription', async () => {
    const account = await signUp(server);
    await buy(server, account, 'starter');
    const again = await checkout(account, { tier: 'pro' });
    expect(again).toMatchObject({ status: 409, body: { error: { details: { error: 'already_subscribed' } } } });
  });

  it.each([
    [{ tier: 'enterprise' }, 400, 'Invalid tier: enterprise'],
    [{ tier: 'free' }, 400, 'Invalid tier: free'],
    [{ tier: 'constructor' }, 400, 'Invalid tier: constructor'],
    [{ tier: '' }, 400, 'Invalid tier: '],
    [{}, 422, 'Validation error'],
    [{ tier: 5 }, 422, 'Validation error'],
    [{ tier: 'a\0b' }, 422, 'Validation error'],
    [{ tier: 'x'.repeat(51) }, 422, 'Validation error'],
    [{ tier: 'team', seats: 0 }, 422, 'Validation error'],
    [{ tier: 'team', seats: -5 }, 422, 'Validation error'],
    [{ tier: 'team', seats: 1.5 }, 422, 'Validation error'],
    [{ tier: 'team', seats: 1001 }, 422, 'Validation error'],
    [{ tier: 'team', seats: '5' }, 422, 'Validation error'],
  ])('refuses %j', async (body, status, message) => {
    const account = await signUp(server);
    const answer = await checkout(account, body as Record<string, string>);
    expect(answer).toMatchObject({ status, body: { error: { message } } });
  });

  it('has one effect under an Idempotency-Key, and makes one customer of two first checkouts at once', async () => {
    const account = await signUp(server);
    const before = server.stripe.requests.length;
    const keyed = account.with({ 'idempotency-key': 'k1' });
    const first = await checkout(keyed, { tier: 'pro' });
    const second = await checkout(keyed, { tier: 'pro' });
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(server.stripe.requests.slice(before)).toEqual(['POST /v1/customers', 'POST /v1/checkout/sessions']);
    const other = await signUp(server);
    const answers = await Promise.all([1, 2, 3].map(() => checkout(other, { tier: 'pro' })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { body } = await other.get('/api/v1/billing/status');
    const [count] = await server.app
      .get(Database)
      .query<{ n: number }>('select count(*)::int as n from billing_customer where customer_id = $1', [
        body.stripe_customer_id,
      ]);
    expect(count).toEqual({ n: 1 });
  });

  it('answers 502 without details while the provider is out, and keeps nothing', async () => {
    const account = await signUp(server);
    server.stripe.outage = 500;
    try {
      const answer = await checkout(account.with({ 'idempotency-key': 'out' }), { tier: 'pro' });
      expect(answer).toMatchObject({ status: 502, body: { error: { details: { error: 'payment_provider_failed' } } } });
      expect(JSON.stringify(answer.body)).not.toContain('sk_test');
    } finally {
      server.stripe.outage = null;
    }
    expect((await checkout(account.with({ 'idempotency-key': 'out' }), { tier: 'pro' })).status).toBe(200);
  });
});

describe('a price that is missing', () => {
  it('is named, and the server counts as beta', async () => {
    const server = await startSellingServer({ STRIPE_PRICE_TEAM: '' });
    try {
      const account = await signUp(server);
      const answer = await account.post('/api/v1/billing/checkout', { tier: 'team' });
      expect(answer).toMatchObject({
        status: 400,
        body: { error: { message: 'Stripe price not configured for tier: team' } },
      });
      expect((await account.get('/api/v1/billing/status')).body.is_beta).toBe(true);
      expect((await account.post('/api/v1/billing/checkout', { tier: 'pro' })).status).toBe(200);
    } finally {
      await server.close();
    }
  });
});

describe('the portal', () => {
  let server: SellingServer;

  beforeAll(async () => {
    server = await startSellingServer();
  });

  afterAll(async () => {
    await server.close();
  });

  const portal = async (caller: Client, scope?: string): Promise<string> => {
    const { status, body } = await caller.post('/api/v1/billing/portal', scope === undefined ? undefined : { scope });
    if (status === 200) return (body.portal_url as string).replace(/_[^_]*$/, '');
    return `${status} ${body.error.details.error ?? body.error.message}`;
  };

  it("opens a person's own subscription, with and without a body", async () => {
    const account = await signUp(server);
    for (const scope of [undefined, 'auto', 'org', 'personal']) {
      expect(await portal(account, scope)).toBe('400 No subscription found.');
    }
    await buy(server, account, 'pro');
    const page = `${server.stripe.url}/p/session/bps`;
    for (const scope of [undefined, 'auto', 'personal']) expect(await portal(account, scope)).toBe(page);
    expect(await portal(account, 'org')).toBe('400 No subscription found.');
    expect((await account.post('/api/v1/billing/portal', { scope: 'all' })).status).toBe(422);
  });

  it("opens the organisation's for its admins, and a member's own for a member", async () => {
    const org = await makeOrganisation(server, 'free');
    const [owner, member, payer] = [await signUp(server), await signUp(server), await signUp(server)];
    await buy(server, payer, 'pro');
    await addMember(server, org, owner, 'owner');
    for (const person of [member, payer]) await addMember(server, org, person, 'member');
    expect(await portal(owner)).toBe('400 No subscription found.');
    await buy(server, owner, 'team', 3);
    const page = `${server.stripe.url}/p/session/bps`;
    expect([await portal(owner), await portal(owner, 'org')]).toEqual([page, page]);
    expect(await portal(owner, 'personal')).toBe('400 No subscription found.');
    expect([await portal(member), await portal(member, 'org')]).toEqual(['403 admin_required', '403 admin_required']);
    expect([await portal(payer), await portal(payer, 'personal')]).toEqual([page, page]);
    expect(await portal(payer, 'org')).toBe('403 admin_required');
  });

  it('says in the status what an administrator set, whatever was bought', async () => {
    const root = await admin(server);
    const account = await signUp(server);
    await buy(server, account, 'starter');
    await setTier(root, account, 'enterprise');
    expect(await tierOf(account)).toBe('enterprise');
    expect(await portal(account)).toContain('/p/session/');
  });
});
