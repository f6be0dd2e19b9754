import { type Client, signUp, type TestAccount } from '../support/client.js';
import { actingFor, type OrgRow, seedMember } from '../support/org-rows.js';
import { OidcPeer } from '../support/peers/oidc.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { callbackOf, CLIENT_ID, CLIENT_SECRET, connectOrg, keyed, signIn } from '../support/sso.js';

let server: TestServer;
let peer: OidcPeer;
let owner: TestAccount;
let org: OrgRow & { readonly domain: string };

beforeAll(async () => {
  server = await startTestServer({ OUTBOUND_ALLOW_PRIVATE: '127.0.0.1' });
  peer = await OidcPeer.start();
  peer.serve([{ id: CLIENT_ID, secret: CLIENT_SECRET, redirectUris: [callbackOf(server)] }]);
  owner = await signUp(server);
  org = await connectOrg(server, owner, peer.issuer, { enforce: true });
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

async function member(role: 'member' | 'admin' = 'admin'): Promise<TestAccount> {
  const bob = await signUp(server);
  const email = `${bob.slug}@${org.domain}`;
  await sql(server, 'update app_user set email = $2, email_verified = true where id = $1', [bob.userId, email]);
  await seedMember(server, org, bob, role);
  return bob;
}

interface SsoKey extends Client {
  readonly id: string;
  readonly endsAt: string;
}

async function ssoKey(bob: TestAccount): Promise<SsoKey> {
  const person = { sub: `sub-${bob.slug}`, email: `${bob.slug}@${org.domain}`, email_verified: true };
  const client = keyed(server, await signIn(server, peer, person, { org_slug: org.slug }));
  const [{ key_id: id, expires_at: endsAt }] = (await client.get('/api/v1/auth/keys')).body;
  return Object.assign(client, { id, endsAt });
}

const rotate = (by: Client, id: string) => by.post(`/api/v1/auth/keys/${id}/rotate`, { grace_seconds: 0 });
const orgOf = (client: Client) => client.get(`/api/v1/orgs/${org.id}`);
const isSsoRequired = { status: 403, body: { error: { details: { error: 'sso_enforcement_required' } } } };

describe('what descends from a key of a sign-in', () => {
  it('by rotation or by minting is one too: it acts where only those may, and ends when the first would have', async () => {
    const key = await ssoKey(await member());
    const child = await key.post('/api/v1/auth/keys', { expires_at: key.endsAt });
    expect(child.status).toBe(201);
    const successor = await rotate(key, key.id);
    expect(successor).toMatchObject({ status: 200, body: { expires_at: key.endsAt } });
    for (const answer of [child, successor]) {
      expect((await orgOf(keyed(server, answer))).status).toBe(200);
    }
    const [row] = await sql<{ count: string }>(
      server,
      'select count(distinct sso_identity_id) as count from api_key where id = any($1::uuid[])',
      [[key.id, child.body.key_id, successor.body.key_id]],
    );
    expect(row!.count).toBe('1');
  });

  it('ends with the membership, and never administers the platform', async () => {
    const bob = await member();
    await sql(server, 'update app_user set is_admin = true where id = $1', [bob.userId]);
    const key = await ssoKey(bob);
    const child = keyed(server, await key.post('/api/v1/auth/keys', { expires_at: key.endsAt }));
    const successor = keyed(server, await rotate(key, key.id));
    for (const client of [child, successor]) expect((await client.get('/api/v1/admin/users')).status).toBe(403);
    expect((await owner.delete(`/api/v1/orgs/${org.id}/members/${bob.userId}`)).status).toBe(200);
    for (const client of [child, successor]) await eventually(async () => (await orgOf(client)).status === 401);
  });

  it('is not had from an ordinary key, which would stand in for signing in', async () => {
    const bob = await member();
    const key = await ssoKey(bob);
    expect(await rotate(bob, key.id)).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'sso_key' } } },
    });
    expect((await orgOf(key)).status).toBe(200);
  });
});

describe('a key of a sign-in or bound to an organisation', () => {
  it('neither sees, rotates nor ends other keys of its person', async () => {
    const [bob, guest] = [await member(), await signUp(server)];
    await seedMember(server, org, guest);
    const bound = keyed(server, await guest.post('/api/v1/auth/keys', { name: 'bound', account: org.slug }));
    for (const [person, key] of [
      [bob, await ssoKey(bob)],
      [guest, bound],
    ] as const) {
      for (const path of ['/api/v1/auth/keys', '/api/v1/auth/me/api-keys']) {
        const text = JSON.stringify((await key.get(path)).body);
        expect(text).not.toContain(person.keyId);
        expect((await key.get(path)).body).toHaveLength(1);
        expect((await person.get(path)).body.length).toBeGreaterThan(1);
      }
      expect((await rotate(key, person.keyId)).status).toBe(404);
      expect((await key.delete(`/api/v1/auth/keys/${person.keyId}`)).status).toBe(404);
      expect((await key.delete(`/api/v1/auth/me/api-keys/${person.keyId}`, { reason: 'x' })).status).toBe(404);
      expect((await person.get('/api/v1/auth/me')).status).toBe(200);
    }
  });
});

describe('a key that acts for an organisation', () => {
  it('founds no other one, which the plan of its person would pay for', async () => {
    const bob = await member();
    const body = { name: 'Acme', slug: `acme-${bob.slug}-${org.slug}` };
    for (const client of [await ssoKey(bob), actingFor(owner, org)]) {
      expect(await client.post('/api/v1/org', body)).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'personal_key_required' } } },
      });
    }
    expect((await bob.post('/api/v1/org', body)).status).toBe(200);
  });
});

describe('an organisation that enforces its sign-in', () => {
  it('is closed to ordinary keys by its service keys, its teams and as the home of its person', async () => {
    const bob = await member();
    const team = await owner.post('/api/v1/teams', { name: 'T', slug: `t-${bob.slug}`, org_id: org.id });
    expect(team.status).toBe(201);
    const paths = [
      `/api/v1/orgs/${org.id}/service-keys`,
      `/api/v1/teams/${team.body.id}`,
      '/api/v1/teams',
      '/api/v1/org',
    ];
    for (const path of paths) expect(await bob.get(path)).toMatchObject(isSsoRequired);
    const made = await bob.post(paths[0]!, { name: 'k', scopes: ['repos:read'] });
    expect(made).toMatchObject(isSsoRequired);
    const key = await ssoKey(bob);
    for (const path of paths) expect((await key.get(path)).status).toBe(200);
  });

  it('is closed within a second to an owner who handed it over, and open to who took it', async () => {
    const own = await signUp(server);
    const corp = await connectOrg(server, own, peer.issuer, { enforce: true });
    const bob = await signUp(server);
    for (const { slug, userId } of [own, bob]) {
      await sql(server, 'update app_user set email = $2 where id = $1', [userId, `${slug}@${corp.domain}`]);
    }
    await seedMember(server, corp, bob, 'admin');
    const repos = (client: TestAccount) => actingFor(client, corp).get('/v1/repos');
    expect([(await repos(own)).status, (await repos(bob)).status]).toEqual([200, 403]);
    await sql(server, 'update app_user set is_admin = true where id = $1', [owner.userId]);
    await sql(server, `insert into revocation (kind, subject_id) values ('user', $1)`, [owner.userId]);
    const force = () => owner.post(`/api/v1/admin/orgs/${corp.id}/force-transfer-owner`, { to_user_id: bob.userId });
    await eventually(async () => (await force()).status !== 403);
    await eventually(async () => (await repos(own)).status === 403);
    await eventually(async () => (await repos(bob)).status === 200);
  });
});
