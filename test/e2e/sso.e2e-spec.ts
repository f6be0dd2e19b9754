import { Browser } from '../support/browser.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { OidcPeer } from '../support/peers/oidc.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';
import {
  answerOf,
  callbackOf,
  CLIENT_ID,
  CLIENT_SECRET,
  connectOrg,
  keyed,
  newDomain,
  signIn,
  start,
  verifierPair,
} from '../support/sso.js';

let server: TestServer;
let peer: OidcPeer;
let owner: TestAccount;
let people = 0;

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

/** Somebody new at the provider, with an address under `domain`. */
function person(domain: string, more: { email?: string; email_verified?: boolean } = {}) {
  people += 1;
  return { sub: `subject-${people}`, email: `person${people}@${domain}`, email_verified: true, ...more };
}

const count = async (query: string, ...parameters: unknown[]): Promise<number> =>
  Number((await sql<{ n: string }>(server, `select count(*) as n ${query}`, parameters))[0]!.n);

describe('a first sign-in', () => {
  it('makes a user and a membership, and a key for the organisation that ends by itself', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const ada = person(org.domain);
    const answer = await signIn(server, peer, ada, { email: ada.email });
    expect(answer).toMatchObject({ status: 200, body: { email: ada.email, account_slug: org.slug, org_id: org.id } });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(new Date(answer.body.expires_at as string).getTime() - Date.now()).toBeLessThan(12.1 * 3_600_000);

    const me = await keyed(server, answer).get('/api/v1/auth/me');
    expect(me.body).toMatchObject({ email: ada.email, email_verified: true, account_slug: org.slug });
    const orgs = await keyed(server, answer).get('/api/v1/orgs');
    expect(orgs.body.orgs).toMatchObject([{ org_id: org.id, role: 'member' }]);
  });

  it('shows the key to a browser on a page that nobody keeps, and in no address', async () => {
    const org = await connectOrg(server, owner, peer.issuer, { default_role: 'admin' });
    const ada = person(org.domain);
    peer.visitor = ada;
    const page = await new Browser().follow(await start(server, { org_slug: org.slug }));
    expect(page.status).toBe(200);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    const [raw] = /rhu_\w{38}/.exec(page.text)!;
    expect(page.url).not.toContain(raw);
    const orgs = await new Client(server.url, raw).get('/api/v1/orgs');
    expect(orgs.body.orgs).toMatchObject([{ org_id: org.id, role: 'admin' }]);
  });

  it('is one user and one membership when twenty arrive at once', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const ada = person(org.domain);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => signIn(server, peer, ada, { email: ada.email })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ body }) => body.user_id as string)).size).toBe(1);
    expect(await count('from app_user where email = $1', ada.email)).toBe(1);
    expect(await count(`from org_member where org_id = $1 and role = 'member'`, org.id)).toBe(1);
    expect(await count('from sso_identity where org_id = $1', org.id)).toBe(1);
  });

  it('takes a seat, and is told plainly when none is free', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    await sql(server, 'update organisation set seats_limit = 3 where id = $1', [org.id]);
    const crowd = Array.from({ length: 6 }, () => person(org.domain));
    const statuses: number[] = [];
    for (const ada of crowd) statuses.push((await signIn(server, peer, ada, { email: ada.email })).status);
    expect(statuses).toEqual([200, 200, 403, 403, 403, 403]);
    const refused = await signIn(server, peer, crowd[5]!, { email: crowd[5]!.email });
    expect(refused.body.error.details).toMatchObject({ error: 'seat_limit', seats_used: 3, seats_limit: 3 });
    expect(await count('from app_user where email = $1', crowd[5]!.email)).toBe(0);
  });
});

describe('who somebody is', () => {
  it('is issuer and subject: a changed address is the same person, a reused address is not', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const ada = person(org.domain);
    const first = await signIn(server, peer, ada, { email: ada.email });
    const renamed = await signIn(server, peer, { ...ada, email: 'x@elsewhere.example' }, { org_slug: org.slug });
    expect(renamed.body).toMatchObject({ user_id: first.body.user_id, email: ada.email });

    const unverified = await signIn(server, peer, { ...ada, email_verified: false }, { org_slug: org.slug });
    expect(unverified.body.user_id).toBe(first.body.user_id);
  });

  it.each<[string, { email?: string; email_verified?: boolean }, string]>([
    ['says that the address is not verified', { email_verified: false }, 'email_not_verified'],
    ['names an address of another domain', { email: 'ada@elsewhere.example' }, 'domain_not_verified'],
    ['names a subdomain of the proved one', { email: 'ada@sub.DOMAIN' }, 'domain_not_verified'],
  ])('is nobody new when the provider %s', async (_, claims, reason) => {
    const org = await connectOrg(server, owner, peer.issuer);
    const email = claims.email?.replace('DOMAIN', org.domain);
    const ada = person(org.domain, { ...claims, ...(email !== undefined && { email }) });
    const answer = await signIn(server, peer, ada, { org_slug: org.slug });
    expect(answer).toMatchObject({ status: 403, body: { error: { details: { error: reason } } } });
    expect(await count('from sso_identity where org_id = $1', org.id)).toBe(0);
    expect(await count('from app_user where email = $1', ada.email)).toBe(0);
  });

  it('is the user whose address was proved, with the keys that user has', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const bob = await signUp(server);
    const email = `bob@${org.domain}`;
    await sql(server, 'update app_user set email = $2, email_verified = true where id = $1', [bob.userId, email]);
    const answer = await signIn(server, peer, person(org.domain, { email }), { email });
    expect(answer.body.user_id).toBe(bob.userId);
    expect((await bob.get('/api/v1/auth/me')).status).toBe(200);
  });

  it('takes an address back from who registered it without proof', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const squatter = await signUp(server);
    const email = `ceo@${org.domain}`;
    await sql(server, 'update app_user set email = $2 where id = $1', [squatter.userId, email]);
    const answer = await signIn(server, peer, person(org.domain, { email }), { email });
    expect(answer).toMatchObject({ status: 200, body: { user_id: squatter.userId } });
    const refused = await eventually(async () => {
      const seen = await squatter.get('/api/v1/auth/me');
      return seen.status !== 200 && seen;
    });
    expect(refused).toMatchObject({ status: 401, body: { error: { details: { error: 'api_key_revoked' } } } });
  });
});

describe('a sign-in of a client', () => {
  const redirect = 'http://127.0.0.1:49152/done?tab=1';
  const exchange = (code: string, verifier: string) =>
    new Client(server.url, null).post('/api/v1/auth/sso/exchange', { code, verifier });

  async function codeFor(asked: Record<string, string>): Promise<URL> {
    const page = await new Browser().follow(await start(server, asked), (url) => url.includes(':49152'));
    return new URL(page.url);
  }

  it('takes a one-time code to the client, which only its verifier turns into the key, once', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    peer.visitor = person(org.domain);
    const { verifier, code_challenge } = verifierPair();
    const back = await codeFor({ org_slug: org.slug, redirect, code_challenge });
    expect(back.href).toMatch(/^http:\/\/127\.0\.0\.1:49152\/done\?tab=1&code=[\w-]{43}$/);
    const code = back.searchParams.get('code')!;

    expect((await exchange(code, verifierPair().verifier)).status).toBe(400);
    const answers = await Promise.all(Array.from({ length: 5 }, () => exchange(code, verifier)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400]);
    const won = answers.find(({ status }) => status === 200)!;
    expect((await keyed(server, won).get('/api/v1/auth/me')).body.account_slug).toBe(org.slug);
  });

  it('tells the client the reason of a refusal', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const { code_challenge } = verifierPair();
    peer.visitor = null;
    const denied = await codeFor({ org_slug: org.slug, redirect, code_challenge });
    expect(denied.searchParams.get('error')).toBe('sso_denied');
    peer.visitor = person('elsewhere.example');
    const refused = await codeFor({ org_slug: org.slug, redirect, code_challenge });
    expect(refused.searchParams.get('error')).toBe('domain_not_verified');
  });

  it.each([
    'https://evil.example/x',
    'http://evil.example/x',
    'http://127.0.0.1.evil.example/',
    'http://user@127.0.0.1/',
    '//evil.example/x',
    '/\\evil.example',
    'javascript:alert(1)',
    'x',
  ])('is refused with a redirect that would carry the code away: %s', async (target) => {
    const body = { redirect: target, code_challenge: verifierPair().code_challenge };
    const { status, body: answer } = await new Client(server.url, null).post('/api/v1/auth/sso/start', body);
    expect([status, answer.error.details.field]).toEqual([422, 'redirect']);
  });

  it('is refused with a redirect and no challenge, a challenge and no redirect', async () => {
    const anonymous = new Client(server.url, null);
    const { code_challenge } = verifierPair();
    expect((await anonymous.post('/api/v1/auth/sso/start', { redirect: '/x' })).status).toBe(422);
    expect((await anonymous.post('/api/v1/auth/sso/start', { code_challenge })).status).toBe(422);
    expect((await anonymous.post('/api/v1/auth/sso/start', { redirect: '/x', code_challenge: 'short' })).status).toBe(
      422,
    );
  });
});

describe('an attempt', () => {
  const over = { status: 400, body: { error: { details: { error: 'sso_attempt_invalid' } } } };

  it('counts once, for the browser that left with it', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    peer.visitor = person(org.domain);
    const isBack = (url: string): boolean => url.startsWith(callbackOf(server));
    const browser = new Browser('application/json');
    const { url } = await browser.follow(await start(server, { org_slug: org.slug }), isBack);
    expect(answerOf(await new Browser('application/json').visit(url))).toMatchObject(over);
    expect((await browser.visit(url)).status).toBe(200);
    expect(answerOf(await browser.visit(url))).toMatchObject(over);
  });

  it('refuses a code that belongs to another sign-in', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const isBack = (url: string): boolean => url.startsWith(callbackOf(server));
    const [victim, attacker] = [new Browser('application/json'), new Browser('application/json')];
    peer.visitor = person(org.domain);
    const stolen = new URL((await victim.follow(await start(server, { org_slug: org.slug }), isBack)).url);
    const own = new URL((await attacker.follow(await start(server, { org_slug: org.slug }), isBack)).url);
    own.searchParams.set('code', stolen.searchParams.get('code')!);
    expect(answerOf(await attacker.visit(own.href))).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'sso_refused' } } },
    });
  });

  it('is over after ten minutes, on the way there and on the way back', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const isBack = (url: string): boolean => url.startsWith(callbackOf(server));
    peer.visitor = person(org.domain);
    const browser = new Browser('application/json');
    const unopened = await start(server, { org_slug: org.slug });
    const { url } = await browser.follow(await start(server, { org_slug: org.slug }), isBack);
    moveClock([server], 10 * 60_000 + 1);
    expect(answerOf(await browser.visit(unopened))).toMatchObject(over);
    expect(answerOf(await browser.visit(url))).toMatchObject(over);
    expect(answerOf(await browser.visit(`${callbackOf(server)}?state=unknown&code=x`))).toMatchObject(over);
    expect(answerOf(await browser.visit(`${callbackOf(server)}?state=a&state=b`))).toMatchObject(over);
    expect(answerOf(await browser.visit(callbackOf(server)))).toMatchObject(over);
  });

  it('looks the same for every address, known or not', async () => {
    const org = await connectOrg(server, owner, peer.issuer);
    const anonymous = new Client(server.url, null);
    const asked = [
      { email: `a@${org.domain}` },
      { email: `a@${newDomain()}` },
      { org_slug: org.slug },
      { org_slug: 'no-such' },
    ];
    const shapes = [];
    for (const body of asked) {
      const { status, body: answer } = await anonymous.post('/api/v1/auth/sso/start', body);
      const url = (answer.authorization_url as string).replace(answer.attempt as string, 'ATTEMPT');
      shapes.push({ status, members: Object.keys(answer as object), url, length: (answer.attempt as string).length });
    }
    for (const shape of shapes) expect(shape).toEqual(shapes[0]);
    const page = await new Browser().visit(await start(server, { email: `a@${newDomain()}` }));
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
  });
});
