import { buy, delivered, type SellingServer, startSellingServer, tierOf } from '../support/billing.js';
import { admin, type Client, signUp, type TestAccount } from '../support/client.js';
import { addMember, createOrg, setTier, uniqueSlug } from '../support/organisations.js';
import { sql } from '../support/pinned-sessions.js';

let server: SellingServer;
let root: Client;

beforeAll(async () => {
  server = await startSellingServer();
  root = await admin(server);
});

afterAll(async () => {
  await server.close();
});

interface Plan {
  readonly tier: string;
  readonly seats_limit: number;
}

async function planOf(client: TestAccount, orgId: string): Promise<Plan> {
  const { tier, seats_limit } = (await client.get(`/api/v1/orgs/${orgId}`)).body.org;
  return { tier, seats_limit };
}

const personalTier = async ({ userId }: TestAccount): Promise<string> => {
  const [row] = await sql<{ tier: string }>(
    server,
    'select a.tier from account a join app_user u on u.account_id = a.id where u.id = $1',
    [userId],
  );
  return row!.tier;
};

describe('what a new organisation lives on', () => {
  it('is the subscription of the person who creates it, with its seats', async () => {
    const ada = await signUp(server);
    await buy(server, ada, 'team', 7);
    const { orgId } = await createOrg(ada);
    expect(await planOf(ada, orgId)).toEqual({ tier: 'team', seats_limit: 7 });
    expect(await personalTier(ada)).toBe('free');
    expect(await tierOf(ada)).toBe('team');
  });

  it('is bought once for one of two created at the same time', async () => {
    const ada = await signUp(server);
    await buy(server, ada, 'team', 7);
    const answers = await Promise.all([1, 2].map(() => ada.post('/api/v1/org', { name: 'Acme', slug: uniqueSlug() })));
    const tiers: string[] = [];
    for (const { body } of answers.filter(({ status }) => status === 200)) {
      tiers.push((await planOf(ada, body.org_id as string)).tier);
    }
    expect(tiers.filter((tier) => tier === 'team')).toHaveLength(1);
  });

  it('is never the plan of another organisation: its members buy their own first', async () => {
    const [ada, bea] = [await signUp(server), await signUp(server)];
    await buy(server, ada, 'team', 7);
    const paid = await createOrg(ada);
    await addMember(server, paid.orgId, bea);
    for (const caller of [bea, bea.with({ 'x-account': paid.slug })]) {
      const refused = await caller.post('/api/v1/org', { name: 'Acme', slug: uniqueSlug() });
      expect(refused).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'upgrade_required', current_tier: 'free', required_tier: 'team' } } },
      });
    }
    expect((await bea.get('/api/v1/orgs')).body.orgs).toHaveLength(1);
    expect(await planOf(bea, paid.orgId)).toEqual({ tier: 'team', seats_limit: 7 });
  });

  it('is the tier an administrator gave, for as long as it was given', async () => {
    const ada = await signUp(server);
    await setTier(root, ada, 'enterprise');
    const lasting = await createOrg(ada);
    expect(await planOf(ada, lasting.orgId)).toEqual({ tier: 'enterprise', seats_limit: 25 });
    expect(await personalTier(ada)).toBe('enterprise');
    const until = new Date(Date.now() + 86_400_000);
    await sql(
      server,
      `update entitlement set expires_at = $2
        where ended_at is null and account_id = (select account_id from app_user where id = $1)`,
      [ada.userId, until],
    );
    const { orgId } = await createOrg(ada);
    const rows = await sql(
      server,
      `select e.tier, e.expires_at as "until" from entitlement e join organisation o on o.account_id = e.account_id
        where o.id = $1 and e.ended_at is null`,
      [orgId],
    );
    expect(rows).toEqual([{ tier: 'enterprise', until }]);
  });
});

describe('an organisation with a subscription', () => {
  it('is not deleted before that has ended', async () => {
    const ada = await signUp(server);
    const subscription = await buy(server, ada, 'team', 3);
    const { orgId } = await createOrg(ada);
    expect(await ada.delete(`/api/v1/orgs/${orgId}`)).toMatchObject({
      status: 409,
      body: { error: { details: { error: 'org_not_empty', left: { subscriptions: 1 } } } },
    });
    await delivered(server, server.stripe.cancel(subscription, Math.floor(Date.now() / 1000) + 5));
    expect((await ada.delete(`/api/v1/orgs/${orgId}`)).status).toBe(200);
  });
});
