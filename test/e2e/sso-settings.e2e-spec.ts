import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { type OrgRow, seedMember, seedOrg } from '../support/org-rows.js';
import { DnsPeer } from '../support/peers/dns.js';
import { OidcPeer } from '../support/peers/oidc.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';
import {
  callbackOf,
  CLIENT_ID,
  CLIENT_SECRET,
  connectOrg,
  keyed,
  newDomain,
  proveDomain,
  signIn,
} from '../support/sso.js';

let server: TestServer;
let dns: DnsPeer;
let peer: OidcPeer;
let owner: TestAccount;
let org: OrgRow;

beforeAll(async () => {
  dns = await DnsPeer.start();
  server = await startTestServer({ OUTBOUND_ALLOW_PRIVATE: '127.0.0.1', DNS_SERVER: dns.address });
  peer = await OidcPeer.start();
  const redirectUris = [callbackOf(server)];
  peer.serve([
    { id: CLIENT_ID, secret: CLIENT_SECRET, redirectUris },
    { id: 'public', redirectUris },
  ]);
  owner = await signUp(server);
});

beforeEach(async () => {
  org = await seedOrg(server, owner);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
  await dns.stop();
});

const connection = () => ({ issuer: peer.issuer, client_id: CLIENT_ID, client_secret: CLIENT_SECRET });
const put = (body: Record<string, string | boolean | number | null>, client: Client = owner) =>
  client.put(`/api/v1/orgs/${org.id}/sso`, body);
const path = (more = ''): string => `/api/v1/orgs/${org.id}/domains${more}`;
const failure = (status: number, error: string) => ({ status, body: { error: { details: { error } } } });

describe('a connection', () => {
  it('is set, read, changed and removed by admins', async () => {
    expect((await owner.get(`/api/v1/orgs/${org.id}/sso`)).status).toBe(404);
    const settings = { issuer: peer.issuer, client_id: CLIENT_ID, has_client_secret: true, enforce: false };
    expect(await put(connection())).toMatchObject({ status: 200, body: { ...settings, default_role: 'member' } });
    const changed = { ...connection(), enforce: true, default_role: 'admin' };
    expect((await put(changed)).body).toMatchObject({ enforce: true, default_role: 'admin' });
    expect((await owner.get(`/api/v1/orgs/${org.id}/sso/`)).body).toMatchObject({ ...settings, enforce: true });
    expect((await owner.delete(`/api/v1/orgs/${org.id}/sso`)).status).toBe(204);
    expect((await owner.delete(`/api/v1/orgs/${org.id}/sso`)).status).toBe(404);
  });

  it('is set once however often the request is repeated', async () => {
    const key = { 'idempotency-key': 'connect once' };
    const first = await owner.put(`/api/v1/orgs/${org.id}/sso`, connection(), key);
    const second = await owner.put(`/api/v1/orgs/${org.id}/sso`, connection(), key);
    expect(first.status).toBe(200);
    expect(second).toMatchObject({ status: 200, body: first.body });
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect((await owner.delete(`/api/v1/orgs/${org.id}/sso`)).status).toBe(204);
  });

  it('is none of the business of members and strangers', async () => {
    const [member, stranger] = [await signUp(server), await signUp(server)];
    await seedMember(server, org, member);
    for (const send of [
      (client: Client) => put(connection(), client),
      (client: Client) => client.get(`/api/v1/orgs/${org.id}/sso`),
      (client: Client) => client.delete(`/api/v1/orgs/${org.id}/sso`),
      (client: Client) => client.get(path()),
      (client: Client) => client.post(path(), { domain: newDomain() }),
      (client: Client) => client.post(path('/x.example/verify')),
      (client: Client) => client.delete(path('/x.example')),
    ]) {
      expect(await send(member)).toMatchObject(failure(403, 'insufficient_role'));
      expect((await send(stranger)).status).toBe(404);
      expect((await send(new Client(server.url, null))).status).toBe(401);
    }
    expect((await owner.post(`/api/v1/admin/orgs/${org.id}/domains/x.example/verify`)).status).toBe(403);
  });

  it('keeps its secret: sealed in the database, in no answer, log row or event', async () => {
    const answers = [await put(connection()), await owner.get(`/api/v1/orgs/${org.id}/sso`)];
    expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain(CLIENT_SECRET);
    const [row] = await sql<{ secret: Buffer }>(
      server,
      'select client_secret as secret from sso_connection where org_id = $1',
      [org.id],
    );
    expect(row!.secret.toString('latin1')).not.toContain(CLIENT_SECRET);
    for (const table of ['audit', 'event', 'idempotency']) {
      const rows = await sql(server, `select to_jsonb(t)::text as text from ${table} t`);
      expect(JSON.stringify(rows)).not.toContain(CLIENT_SECRET);
    }
    const wrong = await put({ ...connection(), client_secret: `${CLIENT_SECRET}\u0000` });
    expect([wrong.status, JSON.stringify(wrong.body).includes(CLIENT_SECRET)]).toEqual([422, false]);
    expect(readFileSync(join(server.dataDir, 'secrets', 'sso'), 'utf8')).toMatch(/^[0-9a-f]{64}$/);
  });

  it('keeps the secret when only the rest is changed, and never sends it to another provider', async () => {
    await put(connection());
    expect((await put({ issuer: peer.issuer, client_id: CLIENT_ID, enforce: true })).body.has_client_secret).toBe(true);
    expect((await put({ issuer: peer.issuer, client_id: 'public' })).body.has_client_secret).toBe(false);
  });

  it('works for a public client, and for a provider that takes the secret in the body only', async () => {
    const posting = await OidcPeer.start();
    posting.serve([{ id: CLIENT_ID, secret: CLIENT_SECRET, redirectUris: [callbackOf(server)] }], { inBodyOnly: true });
    const orgs = [
      { at: posting, ...(await connectOrg(server, owner, posting.issuer)) },
      { at: peer, ...(await connectOrg(server, owner, peer.issuer, { client_id: 'public', client_secret: null })) },
    ];
    for (const { at, slug, domain } of orgs) {
      const person = { sub: slug, email: `a@${domain}`, email_verified: true };
      expect((await signIn(server, at, person, { org_slug: slug })).status).toBe(200);
    }
    await posting.stop();
  });

  it('ends the keys it made when it is removed or becomes another', async () => {
    for (const end of [
      (id: string) => owner.delete(`/api/v1/orgs/${id}/sso`),
      (id: string) => owner.put(`/api/v1/orgs/${id}/sso`, { issuer: peer.issuer, client_id: 'public' }),
    ]) {
      const own = await connectOrg(server, owner, peer.issuer);
      const person = { sub: own.id, email: `a@${own.domain}`, email_verified: true };
      const key = keyed(server, await signIn(server, peer, person, { org_slug: own.slug }));
      expect((await key.get('/api/v1/auth/me')).status).toBe(200);
      await end(own.id);
      let status = 200;
      while (status === 200) ({ status } = await key.get('/api/v1/auth/me'));
      expect(status).toBe(401);
    }
  });
});

describe('an issuer', () => {
  it.each([
    ['http://10.0.0.1'],
    ['https://10.0.0.1'],
    ['https://169.254.169.254/latest/meta-data'],
    ['https://[::ffff:7f00:2]'],
    ['http://192.0.2.1:9'],
  ])('that is not on the public internet is refused: %s', async (issuer) => {
    expect(await put({ ...connection(), issuer })).toMatchObject(failure(422, 'address_not_allowed'));
    expect((await owner.get(`/api/v1/orgs/${org.id}/sso`)).status).toBe(404);
  });

  it('that leads there by DNS is refused, also when it does so later', async () => {
    dns.set('inside.example', { A: ['10.1.2.3'] });
    expect(await put({ ...connection(), issuer: 'https://inside.example' })).toMatchObject(
      failure(422, 'address_not_allowed'),
    );
  });

  it.each([
    ['does not answer', () => 'https://nobody.example', 502],
    ['is no provider', () => server.url, 502],
    ['calls itself otherwise', () => `${peer.issuer.replace('127.0.0.1', 'localhost')}`, 422],
    ['is no URL', () => 'issuer', 422],
    ['is no web address', () => 'javascript:alert(1)', 422],
    ['has a query', () => `${peer.issuer}/?x=1`, 422],
    ['is too long', () => `https://${'a'.repeat(600)}.example`, 422],
  ])('that %s is not taken', async (_, issuer, status) => {
    expect((await put({ ...connection(), issuer: issuer() })).status).toBe(status);
  });

  it.each([
    [{ client_id: '' }],
    [{ client_id: 7 }],
    [{ client_id: 'a\u0000b' }],
    [{ client_id: 'a'.repeat(256) }],
    [{ enforce: 'yes' }],
    [{ default_role: 'owner' }],
  ])('with %j is not taken', async (body) => {
    expect((await put({ ...connection(), ...body })).status).toBe(422);
  });
});

describe('a domain', () => {
  it('is proved by the TXT record that the claim names, and by no other', async () => {
    const domain = newDomain();
    const claim = await owner.post(path(), { domain: ` ${domain.toUpperCase()}. ` });
    expect(claim).toMatchObject({ status: 201, body: { domain, verified: false, challenge: { type: 'TXT' } } });
    expect((await owner.post(path(), { domain })).body).toEqual(claim.body);
    const { name, value } = claim.body.challenge as { name: string; value: string };

    expect(await owner.post(path(`/${domain}/verify`))).toMatchObject(failure(422, 'domain_not_proven'));
    dns.set(name, { TXT: ['v=spf1 -all', `${value}x`] });
    expect((await owner.post(path(`/${domain}/verify`))).status).toBe(422);
    dns.set(name, { TXT: ['v=spf1 -all', value] });
    expect(await owner.post(path(`/${domain}/verify`))).toMatchObject({
      status: 200,
      body: { verified: true, verified_by: 'dns' },
    });
    expect((await owner.get(path())).body.domains).toMatchObject([{ domain, verified: true }]);
  });

  it('belongs to one organisation, also when two prove it at once', async () => {
    const domain = newDomain();
    const orgs = [org, await seedOrg(server, owner)];
    const root = await admin(server);
    for (const { id } of orgs) await owner.post(`/api/v1/orgs/${id}/domains`, { domain });
    const answers = await Promise.all(
      orgs.map(({ id }) => root.post(`/api/v1/admin/orgs/${id}/domains/${domain}/verify`)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)).toMatchObject(failure(409, 'domain_taken'));
  });

  it('lets nobody in any more once it is given up', async () => {
    const own = await connectOrg(server, owner, peer.issuer);
    const person = { sub: 'late', email: `late@${own.domain}`, email_verified: true };
    expect((await owner.delete(`/api/v1/orgs/${own.id}/domains/${own.domain}`)).status).toBe(204);
    expect(await signIn(server, peer, person, { org_slug: own.slug })).toMatchObject(
      failure(403, 'domain_not_verified'),
    );
    await proveDomain(server, owner, own, own.domain);
    expect((await signIn(server, peer, person, { org_slug: own.slug })).status).toBe(200);
  });

  it.each([
    ['localhost'],
    ['10.0.0.1'],
    ['a..b'],
    ['-a.example'],
    ['a b.example'],
    ['a/b.example'],
    ['x'.repeat(64) + '.example'],
    [''],
  ])('is no domain: %j', async (domain) => {
    expect((await owner.post(path(), { domain })).status).toBe(422);
  });

  it.each([
    ['NUL', '%00'],
    ['ten thousand letters', 'x'.repeat(10_000)],
    ['an emoji', '%F0%9F%92%A9'],
    ['a path', '..%2f..'],
  ])('that was never claimed is not found: %s', async (_, text) => {
    expect([404, 422]).toContain((await owner.post(path(`/${text}/verify`))).status);
    expect([404, 422]).toContain((await owner.delete(path(`/${text}`))).status);
    expect([404, 422]).toContain((await owner.get(`/api/v1/orgs/${text}/sso`)).status);
    const root = await admin(server);
    expect([404, 422]).toContain((await root.post(`/api/v1/admin/orgs/${text}/domains/x.example/verify`)).status);
  });
});
