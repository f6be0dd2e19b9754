import { buy, type SellingServer, startSellingServer } from '../support/billing.js';
import { signUp } from '../support/client.js';
import { addMember, createOrg } from '../support/organisations.js';
import { sql } from '../support/pinned-sessions.js';

let server: SellingServer;

beforeAll(async () => {
  server = await startSellingServer();
});

afterAll(async () => {
  await server.close();
});

describe('the money of an organisation that enforces its sign-in', () => {
  it('is not spent with an ordinary key of an admin', async () => {
    const [ada, bob] = [await signUp(server), await signUp(server)];
    await buy(server, ada, 'team', 3);
    const { orgId } = await createOrg(ada);
    await addMember(server, orgId, bob, 'admin');
    const portal = () => bob.post('/api/v1/billing/portal', { scope: 'org' });
    expect((await portal()).status).toBe(200);
    await sql(
      server,
      `with connected as (insert into sso_connection (org_id, issuer, client_id, enforce, default_role)
                          values ($1, 'https://id.example.com', 'c', true, 'member'))
       insert into sso_domain (org_id, domain, challenge, verified_at, verified_by)
       values ($1, 'example.com', 'x', now(), 'admin')`,
      [orgId],
    );
    const required = { status: 403, body: { error: { details: { error: 'sso_enforcement_required' } } } };
    expect(await portal()).toMatchObject(required);
    expect(await bob.post('/api/v1/billing/checkout', { tier: 'team', seats: 2 })).toMatchObject(required);
    expect((await bob.get('/api/v1/billing/status')).status).toBe(200);
  });
});
