import { createHash } from 'node:crypto';
import { DomainError } from '#kernel';

/** How a sign-in begins: whose provider, and where the one-time code shall go. */
export interface NewAttempt {
  readonly email: string | null;
  readonly orgSlug: string | null;
  /** A loopback URL of the client, or a path of this server; null shows the key on a page. */
  readonly redirect: string | null;
  /** S256 of the secret that redeems the code; with `redirect` only. */
  readonly codeChallenge: string | null;
}

/** A sign-in that a browser has taken to the provider and back. */
export interface ReturnedAttempt {
  readonly orgId: string | null;
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly nonce: string;
  readonly pkceVerifier: string;
  readonly redirect: string | null;
}

/** What is sent along to the provider and must come back. */
export interface Departure {
  readonly state: string;
  readonly nonce: string;
  readonly pkceVerifier: string;
}

export const ATTEMPT_MS = 10 * 60_000;
export const CODE_MS = 60_000;

const CHALLENGE = /^[\w-]{43}$/;
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Errors: `invalid_input` for a redirect that could carry the code away, or one that nobody could redeem. */
export function checkRedirect({ redirect, codeChallenge }: NewAttempt): void {
  if (redirect === null && codeChallenge === null) return;
  if (redirect === null) throw invalid('redirect', 'redirect is required with code_challenge');
  if (!isOwnPath(redirect) && !isLoopback(redirect))
    throw invalid('redirect', 'redirect must be a path or an http URL of the loopback interface');
  if (codeChallenge === null || !CHALLENGE.test(codeChallenge))
    throw invalid('code_challenge', 'code_challenge must be the base64url SHA-256 of your verifier');
}

/** What the database keeps of a secret that somebody else brings back. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** RFC 7636 §4.2. */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url');
}

/** `//host` and `/\host` are other hosts to a browser. */
function isOwnPath(redirect: string): boolean {
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(redirect) && !redirect.includes('\\');
}

function isLoopback(redirect: string): boolean {
  if (!URL.canParse(redirect)) return false;
  const { protocol, hostname, username, password, hash } = new URL(redirect);
  return protocol === 'http:' && LOOPBACK.has(hostname) && `${username}${password}${hash}` === '';
}

function invalid(field: string, message: string): DomainError {
  return new DomainError('invalid_input', message, { field });
}
