import { type Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { GitClient, gitUrl } from '../support/git.js';
import { actingFor, type OrgRow, seedMember } from '../support/org-rows.js';
import { OidcPeer } from '../support/peers/oidc.js';
import { eventually, openSession, sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { countQueries, fewest } from '../support/request-probe.js';
import { callbackOf, CLIENT_ID, CLIENT_SECRET, connectOrg, keyed, newDomain, signIn } from '../support/sso.js';

let server: TestServer;
let peer: OidcPeer;
let owner: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ OUTBOUND_ALLOW_PRIVATE: '127.0.0.1' });
  peer = await OidcPeer.start();
  peer.serve([{ id: CLIENT_ID, secret: CLIENT_SECRET, redirectUris: [callbackOf(server)] }]);
  owner = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

const required = (org: OrgRow) => ({
  status: 403,
  body: {
    error: {
      code: '403',
      details: {
        error: 'sso_enforcement_required',
        org_slug: org.slug,
        sso_start_url: '/api/v1/auth/sso/start',
      },
    },
  },
});

/** A member with a verified address under the domain and a key of the ordinary kind. */
async function member(org: OrgRow, domain: string, role: 'member' | 'admin' = 'member'): Promise<TestAccount> {
  const bob = await signUp(server);
  await sql(server, 'update app_user set email = $2, email_verified = true where id = $1', [
    bob.userId,
    `${bob.slug}@${domain}`,
  ]);
  await seedMember(server, org, bob, role);
  return bob;
}

const enforce = (client: Client, org: OrgRow, isOn = true) =>
  client.put(`/api/v1/orgs/${org.id}/sso`, { issuer: peer.issuer, client_id: CLIENT_ID, enforce: isOn });

const usage = (client: Client) => client.get('/api/v1/auth/me');

describe('an organisation that enforces its sign-in', () => {
  it('refuses ordinary keys of its people by header, by binding, by path and by git, and no others', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain, 'admin');
    const guest = await member(org, newDomain());
    const bound = keyed(server, await bob.post('/api/v1/auth/keys', { name: 'bound', account: org.slug }));
    await createRepo(actingFor(owner, org), 'demo');
    const git = new GitClient();
    const fetch = (key: string | null) => git.attempt('.', ['ls-remote', gitUrl(server, org.slug, 'demo', key)]);
    for (const client of [actingFor(bob, org), bound]) expect((await usage(client)).status).toBe(200);
    expect((await fetch(bob.key)).code).toBe(0);

    // The node that took the change forgets what it knew before it answers.
    expect((await enforce(owner, org)).status).toBe(200);
    expect(await usage(actingFor(bob, org))).toMatchObject(required(org));
    expect(await usage(bound)).toMatchObject(required(org));
    expect(await bob.get(`/api/v1/orgs/${org.id}`)).toMatchObject(required(org));
    expect(await enforce(bob, org, false)).toMatchObject(required(org));
    expect((await fetch(bob.key)).output).toContain('403');

    for (const client of [actingFor(owner, org), actingFor(guest, org), bob])
      expect((await usage(client)).status).toBe(200);
    const key = await signIn(server, peer, personOf(bob, org.domain), { org_slug: org.slug });
    expect(key).toMatchObject({ status: 200, body: { user_id: bob.userId } });
    expect((await usage(keyed(server, key))).body.account_slug).toBe(org.slug);
    expect((await keyed(server, key).get(`/api/v1/orgs/${org.id}`)).status).toBe(200);
    expect((await fetch(key.body.raw_key as string)).code).toBe(0);
    git.remove();
  });

  it('ends pinned sessions of ordinary keys, and takes those of its own', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain);
    const bound = keyed(server, await bob.post('/api/v1/auth/keys', { name: 'bound', account: org.slug }));
    const session = await openSession(bound);
    const pinned = () => bound.with({ 'x-session-id': session }).get('/v1/repos');
    expect((await pinned()).status).toBe(200);
    await enforce(owner, org);
    await eventually(async () => (await pinned()).status === 403);

    const key = keyed(server, await signIn(server, peer, personOf(bob, org.domain), { org_slug: org.slug }));
    const own = await openSession(key);
    expect((await key.with({ 'x-session-id': own }).get('/v1/repos')).status).toBe(200);
  });

  it('costs a caller whose key is known no query, refused or not', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain);
    await enforce(owner, org);
    const key = keyed(server, await signIn(server, peer, personOf(bob, org.domain), { org_slug: org.slug }));
    await key.get('/v1/session/unknown');
    expect(await fewest(async () => (await countQueries(() => key.get('/v1/session/unknown'))).whole)).toBe(0);
    const refused = async (): Promise<number> => {
      const { answer, whole } = await countQueries(() => actingFor(bob, org).get('/v1/repos'));
      expect(answer.status).toBe(403);
      return whole;
    };
    await refused();
    expect(await fewest(refused)).toBe(0);
  });

  it('lets go of everybody when it stops', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain);
    await enforce(owner, org);
    expect(await usage(actingFor(bob, org))).toMatchObject(required(org));
    await enforce(owner, org, false);
    await eventually(async () => (await usage(actingFor(bob, org))).status === 200);
  });
});

describe('the end of a membership', () => {
  it('ends the keys of the sign-in and the identity, until the person is a member again', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain);
    const person = personOf(bob, org.domain);
    const key = keyed(server, await signIn(server, peer, person, { org_slug: org.slug }));
    expect((await owner.delete(`/api/v1/orgs/${org.id}/members/${bob.userId}`)).status).toBe(200);
    await eventually(async () => (await usage(key)).status === 401);

    const again = await signIn(server, peer, person, { org_slug: org.slug });
    expect(again).toMatchObject({ status: 403, body: { error: { details: { error: 'sso_identity_deactivated' } } } });
    expect((await usage(bob)).status).toBe(200);

    await seedMember(server, org, bob);
    expect((await signIn(server, peer, person, { org_slug: org.slug })).status).toBe(200);
    expect((await usage(key)).status).toBe(401);
  });

  it('does not bring back who was deactivated', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain);
    await signIn(server, peer, personOf(bob, org.domain), { org_slug: org.slug });
    await sql(server, 'update app_user set is_active = false where id = $1', [bob.userId]);
    const refused = await signIn(server, peer, personOf(bob, org.domain), { org_slug: org.slug });
    expect(refused).toMatchObject({ status: 403, body: { error: { details: { error: 'user_inactive' } } } });
  });
});

describe('a key of a sign-in', () => {
  it('reaches neither the personal account, nor other organisations, nor the administration', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const other = await connectOrg(server, owner, peer.issuer);
    const bob = await member(org, org.domain);
    await seedMember(server, other, bob, 'admin');
    await sql(server, 'update app_user set is_admin = true where id = $1', [bob.userId]);
    const key = keyed(server, await signIn(server, peer, personOf(bob, org.domain), { org_slug: org.slug }));
    expect((await key.get('/api/v1/admin/users')).status).toBe(403);
    for (const slug of [bob.slug, other.slug])
      expect((await actingFor(key, { slug }).get('/v1/repos')).status).toBe(403);
    expect((await key.get(`/api/v1/orgs/${other.id}`)).status).toBe(404);
    const bare = await key.post('/api/v1/auth/keys', { name: 'longer' });
    expect([bare.status, bare.body.error.details.error]).toEqual([403, 'key_would_outlive']);
  });
});

function personOf(bob: TestAccount, domain: string) {
  return { sub: `sub-${bob.slug}`, email: `${bob.slug}@${domain}`, email_verified: true };
}
