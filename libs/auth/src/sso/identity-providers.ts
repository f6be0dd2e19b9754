import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import * as oidc from 'openid-client';
import { DomainError } from '#kernel';
import { Outbound, OUTBOUND_REFUSED } from '#platform';
import { explainFailure, explainSignIn, providerFailed } from './provider-failures.js';
import type { ReturnedAttempt } from './sso-attempt.js';
import type { ProvenIdentity, SsoConnection } from './sso-connection.js';

type Client = Pick<SsoConnection, 'issuer' | 'clientId' | 'clientSecret'>;

const DISCOVERED_MS = 10 * 60_000;
const TIMEOUT_SECONDS = 10;
const METADATA = { [oidc.clockTolerance]: 60 };
const LONGEST_SUBJECT = 255;

/** Speaks OpenID Connect with providers (authorization code, PKCE, nonce), through the outbound door only. */
@Injectable()
export class IdentityProviders {
  private readonly discovered = new LRUCache<string, oidc.Configuration>({ max: 1_000, ttl: DISCOVERED_MS });

  constructor(private readonly outbound: Outbound) {}

  /**
   * Reads the provider's own description anew. Errors: `invalid_input` when the issuer may not be called,
   * `upstream_failed` when it does not answer as a provider does.
   */
  async discover(client: Client): Promise<oidc.Configuration> {
    try {
      const issuer = new URL(client.issuer);
      const isPlain = issuer.protocol === 'http:';
      if (isPlain && !(await this.outbound.mayBePlain(issuer.hostname))) throw plainIssuer();
      const configuration = await oidc.discovery(issuer, client.clientId, METADATA, authentication(client), {
        timeout: TIMEOUT_SECONDS,
        [oidc.customFetch]: (url, { method, headers, body, signal }) =>
          this.outbound.fetch(url, { method, headers, body: textOf(body), signal }),
        // The signature is checked although TLS vouches for the sender: inside a network there may be none.
        execute: [oidc.enableNonRepudiationChecks, ...(isPlain ? [oidc.allowInsecureRequests] : [])],
      });
      assertUsable(configuration, isPlain);
      return configuration;
    } catch (error) {
      throw explainFailure(error);
    }
  }

  /** Where the browser goes. Errors: `upstream_failed`. */
  async authorizationUrl(client: Client, parameters: Readonly<Record<string, string>>): Promise<URL> {
    return oidc.buildAuthorizationUrl(await this.configurationOf(client), { ...parameters });
  }

  /**
   * Redeems the code in `returned`, the callback's URL as the browser brought it, and checks issuer, audience,
   * signature, times and nonce. Errors: `forbidden` (`sso_denied`, `sso_refused`, `sso_token_invalid`),
   * `upstream_failed`.
   */
  async redeem(client: Client, attempt: ReturnedAttempt, returned: URL, state: string): Promise<ProvenIdentity> {
    const configuration = await this.configurationOf(client);
    try {
      const tokens = await oidc.authorizationCodeGrant(configuration, returned, {
        expectedState: state,
        expectedNonce: attempt.nonce,
        pkceCodeVerifier: attempt.pkceVerifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims || claims.sub.length > LONGEST_SUBJECT) throw providerFailed('The ID token names no usable subject');
      const source =
        claims['email'] === undefined && configuration.serverMetadata().userinfo_endpoint !== undefined
          ? await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)
          : claims;
      return { issuer: claims.iss, subject: claims.sub, verifiedEmail: verifiedEmail(source) };
    } catch (error) {
      throw explainSignIn(error);
    }
  }

  private async configurationOf(client: Client): Promise<oidc.Configuration> {
    const key = JSON.stringify([client.issuer, client.clientId, client.clientSecret]);
    const known = this.discovered.get(key);
    if (known) return known;
    try {
      const configuration = await this.discover(client);
      this.discovered.set(key, configuration);
      return configuration;
    } catch (error) {
      throw explainSignIn(error);
    }
  }
}

/** The way the provider wants clients to prove themselves; Basic unless it says otherwise (Discovery §3). */
function authentication({ clientSecret }: Client): oidc.ClientAuth {
  if (clientSecret === null) return oidc.None();
  const [basic, post] = [oidc.ClientSecretBasic(clientSecret), oidc.ClientSecretPost(clientSecret)];
  return (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (methods.includes('client_secret_basic') ? basic : post)(server, client, body, headers);
  };
}

/** The browser is sent where the provider says: never to anything but a web page, and never in the clear by surprise. */
function assertUsable(configuration: oidc.Configuration, isPlain: boolean): void {
  const { authorization_endpoint: page, token_endpoint: token, jwks_uri: keys } = configuration.serverMetadata();
  for (const endpoint of [page, token, keys]) {
    const protocol = endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint).protocol : '';
    if (protocol !== 'https:' && !(isPlain && protocol === 'http:'))
      throw providerFailed('The provider does not name its authorization, token and key endpoints');
  }
}

function verifiedEmail(claims: Readonly<Record<string, unknown>>): string | null {
  const { email, email_verified: isVerified } = claims;
  // Some providers write their booleans as text.
  if (typeof email !== 'string' || (isVerified !== true && isVerified !== 'true')) return null;
  const address = email.trim().toLowerCase();
  return address.length <= 254 && /^[^\s@\0]+@[^\s@\0]+$/.test(address) ? address : null;
}

function plainIssuer(): DomainError {
  return new DomainError('invalid_input', 'The issuer must be https', { reason: OUTBOUND_REFUSED });
}

function textOf(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new DomainError('internal', 'The OpenID client sent a body of an unknown kind');
}
