import { Browser } from '../support/browser.js';
import { signUp, type TestAccount } from '../support/client.js';
import { OidcPeer } from '../support/peers/oidc.js';
import { type Mischief, RogueOidcPeer } from '../support/peers/rogue-oidc.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { answerOf, callbackOf, CLIENT_ID, CLIENT_SECRET, connectOrg, keyed, signIn, start } from '../support/sso.js';

const failure = (status: number, error: string) => ({ status, body: { error: { details: { error } } } });

describe('a hostile provider', () => {
  let server: TestServer;
  let rogue: RogueOidcPeer;
  let owner: TestAccount;

  beforeAll(async () => {
    server = await startTestServer({ OUTBOUND_ALLOW_PRIVATE: '127.0.0.1' });
    rogue = await RogueOidcPeer.start();
    owner = await signUp(server);
  });

  afterEach(() => {
    rogue.mischief = {};
  });

  afterAll(async () => {
    await server.close();
    await rogue.stop();
  });

  it('is believed as long as it is honest, or this test could not fail', async () => {
    const org = await connectOrg(server, owner, rogue.issuer);
    rogue.email = `honest@${org.domain}`;
    const answer = await signIn(server, null, null, { org_slug: org.slug });
    expect(answer).toMatchObject({ status: 200, body: { email: rogue.email } });
  });

  it.each<[string, Mischief]>([
    ['another nonce', { claims: (honest) => ({ ...honest, nonce: 'replayed' }) }],
    ['no nonce', { claims: ({ nonce: _, ...honest }) => honest }],
    ['another issuer', { claims: (honest) => ({ ...honest, iss: 'https://accounts.example' }) }],
    ['another audience', { claims: (honest) => ({ ...honest, aud: 'somebody-else' }) }],
    ['several audiences and another party', { claims: (honest) => ({ ...honest, aud: [CLIENT_ID, 'x'], azp: 'x' }) }],
    ['a token that is over', { claims: (honest) => ({ ...honest, exp: Math.floor(Date.now() / 1000) - 3600 }) }],
    ['no subject', { claims: ({ sub: _, ...honest }) => honest }],
    ['a signature of another key', { foreignKey: true }],
    ['no signature', { unsigned: true }],
    ['the issuer of another provider on the way back', { back: { iss: 'https://accounts.example' } }],
    ['another state', { back: { state: 'x' } }],
  ])('gets nobody in with %s', async (_, mischief) => {
    const org = await connectOrg(server, owner, rogue.issuer);
    rogue.email = `mallory@${org.domain}`;
    rogue.mischief = mischief;
    const answer = await signIn(server, null, null, { org_slug: org.slug });
    expect([400, 403]).toContain(answer.status);
    expect(answer.body.error.details.error).toMatch(/^sso_(token_invalid|attempt_invalid)$/);
    expect(await sql(server, 'select 1 from sso_identity where org_id = $1', [org.id])).toEqual([]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['claims another issuer', { issuer: 'https://accounts.example' }],
    ['sends browsers to a script', { authorization_endpoint: 'javascript:alert(1)' }],
    ['names no keys', { jwks_uri: undefined }],
  ])('is not taken when it %s', async (_, metadata) => {
    rogue.mischief = { metadata };
    await expect(connectOrg(server, owner, rogue.issuer)).rejects.toThrow(/answered (403|502)/);
  });

  it('cannot make the server call into its network', async () => {
    rogue.mischief = { metadata: { token_endpoint: 'http://127.0.0.2:1/token' } };
    // Another client: what the provider says of itself is kept for a while.
    const org = await connectOrg(server, owner, rogue.issuer, { client_id: 'other' });
    const answer = await signIn(server, null, null, { org_slug: org.slug });
    expect(answer).toMatchObject(failure(502, 'sso_provider_failed'));
    expect(answer.body.error.message).toContain('may not be called');
  });

  it('cannot speak for people of another organisation’s domain', async () => {
    const [org, victim] = [
      await connectOrg(server, owner, rogue.issuer),
      await connectOrg(server, owner, rogue.issuer),
    ];
    rogue.email = `ceo@${victim.domain}`;
    rogue.mischief = { claims: (honest) => ({ ...honest, sub: 'ceo' }) };
    expect(await signIn(server, null, null, { org_slug: org.slug })).toMatchObject(failure(403, 'domain_not_verified'));
  });
});

describe('the provider of the whole installation', () => {
  let server: TestServer;
  let peer: OidcPeer;

  beforeAll(async () => {
    peer = await OidcPeer.start();
    const oidc = { OIDC_ISSUER: peer.issuer, OIDC_CLIENT_ID: CLIENT_ID, OIDC_CLIENT_SECRET: CLIENT_SECRET };
    server = await startTestServer({
      OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8',
      ...oidc,
      SIGNUP: 'invite',
      SSO_KEY_HOURS: '1',
    });
    serve();
  });

  afterAll(async () => {
    await server.close();
    await peer.stop();
  });

  const serve = () =>
    peer.serve([{ id: CLIENT_ID, secret: CLIENT_SECRET, redirectUris: [callbackOf(server)] }], {
      emailInIdToken: true,
    });
  const person = (name: string) => ({ sub: name, email: `${name}@people.example`, email_verified: true });

  it('signs everybody in to an account of their own, without an organisation', async () => {
    for (const asked of [{ email: 'eve@people.example' }, {}] as Record<string, string>[]) {
      const answer = await signIn(server, peer, person('eve'), asked);
      expect(answer).toMatchObject({ status: 200, body: { email: 'eve@people.example', org_id: null } });
      expect(Date.parse(answer.body.expires_at as string) - Date.now()).toBeLessThanOrEqual(3_600_000);
      expect((await keyed(server, answer).get('/api/v1/orgs')).body.orgs).toEqual([]);
    }
    const rows = await sql(server, `select 1 from app_user where email = 'eve@people.example'`);
    expect(rows).toHaveLength(1);
  });

  it('is one user when twenty arrive at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => signIn(server, peer, person('ada'), {})));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ body }) => body.user_id as string)).size).toBe(1);
  });

  it('that is down is told as such, on a page and in the envelope, and works again afterwards', async () => {
    peer.visitor = person('bob');
    const isBack = (url: string): boolean => url.startsWith(callbackOf(server));
    const browser = new Browser('application/json');
    const { url } = await browser.follow(await start(server, {}), isBack);
    peer.fail();
    expect(answerOf(await browser.visit(url))).toMatchObject(failure(502, 'sso_provider_failed'));
    const shown = await new Browser().follow(await start(server, {}), isBack);
    expect(shown.text).not.toContain('at Object');
    serve();
    expect((await signIn(server, peer, person('bob'), {})).status).toBe(200);
  });
});
