import { createHash, randomBytes } from 'node:crypto';
import { Browser, type Page } from './browser.js';
import { admin, type Answer, Client, type TestAccount } from './client.js';
import { type OrgRow, seedOrg } from './org-rows.js';
import type { OidcPeer, OidcPerson } from './peers/oidc.js';
import type { TestServer } from './server.js';

export const CLIENT_ID = 'roundhouse';
export const CLIENT_SECRET = 'a-secret-of-the-client-x7Qw';
export const callbackOf = (server: Pick<TestServer, 'url'>): string => `${server.url}/api/v1/auth/sso/callback`;

let domains = 0;

/** A domain nobody else in this test run has. */
export function newDomain(): string {
  return `corp${(domains += 1)}-${randomBytes(3).toString('hex')}.example`;
}

/** An organisation with a proved domain and a connection to `issuer`. */
export async function connectOrg(
  server: TestServer,
  owner: TestAccount,
  issuer: string,
  more: Record<string, string | boolean | null> = {},
): Promise<OrgRow & { readonly domain: string }> {
  const org = await seedOrg(server, owner);
  const domain = await proveDomain(server, owner, org);
  const body = { issuer, client_id: CLIENT_ID, client_secret: CLIENT_SECRET, ...more };
  const { status, body: answer } = await owner.put(`/api/v1/orgs/${org.id}/sso`, body);
  if (status !== 200) throw new Error(`connecting answered ${status}: ${JSON.stringify(answer)}`);
  return { ...org, domain };
}

/** A platform administrator vouches for it. */
export async function proveDomain(
  server: TestServer,
  owner: Client,
  org: Pick<OrgRow, 'id'>,
  domain = newDomain(),
): Promise<string> {
  await owner.post(`/api/v1/orgs/${org.id}/domains`, { domain });
  const verified = await (await admin(server)).post(`/api/v1/admin/orgs/${org.id}/domains/${domain}/verify`);
  if (verified.status !== 200) throw new Error(`vouching answered ${verified.status}`);
  return domain;
}

export async function start(server: Pick<TestServer, 'url'>, body: Record<string, string>): Promise<string> {
  const { status, body: answer } = await new Client(server.url, null).post('/api/v1/auth/sso/start', body);
  if (status !== 200) throw new Error(`start answered ${status}: ${JSON.stringify(answer)}`);
  return answer.authorization_url as string;
}

/** The whole way of a program that reads JSON: what the callback answered. */
export async function signIn(
  server: Pick<TestServer, 'url'>,
  peer: Pick<OidcPeer, 'visitor'> | null,
  person: OidcPerson | null,
  asked: Record<string, string>,
): Promise<Answer> {
  if (peer) peer.visitor = person;
  return answerOf(await new Browser('application/json').follow(await start(server, asked)));
}

export function answerOf({ status, headers, text }: Page): Answer {
  return { status, headers, body: text.startsWith('{') ? JSON.parse(text) : text };
}

/** The client that carries the key a sign-in answered. */
export function keyed(server: Pick<TestServer, 'url'>, { body }: Answer): Client {
  return new Client(server.url, body.raw_key as string);
}

/** A verifier and what the start is told of it. */
export function verifierPair(): { verifier: string; code_challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, code_challenge: createHash('sha256').update(verifier).digest('base64url') };
}
