import { Injectable } from '@nestjs/common';
import * as oidc from 'openid-client';
import { Clock, DomainError, urlSafeId } from '#kernel';
import { IdentityProviders } from './identity-providers.js';
import { ATTEMPT_MS, challengeOf, checkRedirect, CODE_MS, digestOf, type NewAttempt } from './sso-attempt.js';
import type { ReturnedAttempt } from './sso-attempt.js';
import { SsoAttemptsRepository } from './sso-attempts.repository.js';
import type { SsoConnection } from './sso-connection.js';
import { SsoConnections } from './sso-connections.js';
import { type SsoKey, SsoKeys } from './sso-keys.js';
import { SsoPeople } from './sso-people.js';

/** What a browser brings back from the provider. */
export interface Return {
  /** The query as it came. */
  readonly query: string;
  readonly state: string;
  /** The secret it was given when it left; empty when it has none. */
  readonly browser: string;
}

/** How a sign-in ends: with a key to show, or where the browser takes a one-time code or the reason of a refusal. */
export type SignedIn = { readonly key: SsoKey } | { readonly redirect: string };

const SECRET_LENGTH = 43;
const KEPT_MS = 24 * 3_600_000;
const SCOPE = 'openid email profile';

/** Sign-ins: started by anybody, taken to the provider and back by one browser, ended by a key (docs/sso.md). */
@Injectable()
export class SsoSignInService {
  constructor(
    private readonly attempts: SsoAttemptsRepository,
    private readonly connections: SsoConnections,
    private readonly providers: IdentityProviders,
    private readonly people: SsoPeople,
    private readonly keys: SsoKeys,
    private readonly clock: Clock,
  ) {}

  /** A secret that lets a browser leave. The same for every address, whoever has it. Errors: `invalid_input`. */
  async start(attempt: NewAttempt): Promise<string> {
    checkRedirect(attempt);
    const secret = urlSafeId(SECRET_LENGTH);
    await this.attempts.sweep(new Date(this.clock.now() - KEPT_MS));
    await this.attempts.insert(digestOf(secret), attempt, new Date(this.clock.now() + ATTEMPT_MS));
    return secret;
  }

  /**
   * Where the browser goes, and the secret it must bring back. Errors: `bad_request` for an attempt that is used or
   * over; `not_found` when nobody signs the address in; `upstream_failed`.
   */
  async depart(attempt: string, redirectUri: string): Promise<{ url: string; state: string; browser: string }> {
    const digest = digestOf(attempt);
    const asked = await this.attempts.findOpen(digest, this.clock.date());
    if (!asked) throw attemptOver();
    const connection = await this.connections.find(asked);
    if (!connection) throw new DomainError('not_found', 'No single sign-on is set up for this address');
    const [state, nonce, browser] = [urlSafeId(SECRET_LENGTH), urlSafeId(SECRET_LENGTH), urlSafeId(SECRET_LENGTH)];
    const pkceVerifier = oidc.randomPKCECodeVerifier();
    const url = await this.providers.authorizationUrl(connection, {
      redirect_uri: redirectUri,
      scope: SCOPE,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceVerifier),
      code_challenge_method: 'S256',
      ...(asked.email !== null && { login_hint: asked.email }),
    });
    const { orgId, issuer, clientId } = connection;
    const digests = { stateDigest: digestOf(state), browserDigest: digestOf(browser) };
    const departed = { orgId, issuer, clientId, redirectUri, ...digests, nonce, pkceVerifier };
    if (!(await this.attempts.depart(digest, departed, this.clock.date()))) throw attemptOver();
    return { url: url.href, state, browser };
  }

  /**
   * Ends the sign-in. Each state counts once, for the browser that left with it, within ten minutes. Errors:
   * `bad_request`, those of the provider (`IdentityProviders.redeem`) and of the person (`SsoPeople.settle`); they go
   * to the client instead when it waits for a code.
   */
  async finish(back: Return): Promise<SignedIn> {
    const stateDigest = digestOf(back.state);
    const attempt = await this.attempts.use(stateDigest, digestOf(back.browser), this.clock.date());
    if (!attempt) throw attemptOver();
    try {
      const identityId = await this.identify(attempt, back);
      if (attempt.redirect === null) return { key: await this.keys.mint(identityId) };
      const code = urlSafeId(SECRET_LENGTH);
      const expiresAt = new Date(this.clock.now() + CODE_MS);
      await this.attempts.leaveCode(stateDigest, { identityId, digest: digestOf(code), expiresAt });
      return { redirect: withQuery(attempt.redirect, { code }) };
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'internal' || attempt.redirect === null) throw error;
      const reason = { error: error.reason ?? error.code, error_description: error.message };
      return { redirect: withQuery(attempt.redirect, reason) };
    }
  }

  /** Hands the key to the client that started. Errors: `bad_request` for a code that is unknown, used, over or another's. */
  async exchange(code: string, verifier: string): Promise<SsoKey> {
    const identityId = await this.attempts.redeemCode(digestOf(code), challengeOf(verifier), this.clock.date());
    if (!identityId) throw new DomainError('bad_request', 'The code is not valid any more', { reason: 'invalid_code' });
    return this.keys.mint(identityId);
  }

  private async identify(attempt: ReturnedAttempt, { query, state }: Return): Promise<string> {
    const connection = await this.connections.get(attempt.orgId);
    if (!connection || !isOf(attempt, connection)) throw attemptOver();
    const returned = new URL(attempt.redirectUri);
    returned.search = query;
    const proven = await this.providers.redeem(connection, attempt, returned, state);
    return (await this.people.settle(connection, proven)).id;
  }
}

/** Settings that changed meanwhile would send one provider's code to another. */
function isOf(attempt: ReturnedAttempt, connection: SsoConnection): boolean {
  return attempt.issuer === connection.issuer && attempt.clientId === connection.clientId;
}

/** Works for paths too: what stands before the query stays as it was given. */
function withQuery(target: string, parameters: Readonly<Record<string, string>>): string {
  return `${target}${target.includes('?') ? '&' : '?'}${new URLSearchParams(parameters).toString()}`;
}

function attemptOver(): DomainError {
  return new DomainError('bad_request', 'This sign-in was used, is over, or belongs to another browser. Start again.', {
    reason: 'sso_attempt_invalid',
  });
}
