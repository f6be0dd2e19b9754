import * as oidc from 'openid-client';
import { DomainError } from '#kernel';
import { OUTBOUND_REFUSED } from '#platform';

/** Mistakes of our registration at the provider: nothing the person who signs in could mend. */
const OUR_MISTAKES = new Set(['invalid_client', 'unauthorized_client', 'unsupported_grant_type', 'invalid_scope']);
/** The provider answered, but not as one: down, overloaded, or something else at that address. */
const NO_PROVIDER = new Set([
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
]);

/** 502: the other side of a sign-in does not work. */
export function providerFailed(message: string, cause?: unknown): DomainError {
  return new DomainError('upstream_failed', message, { reason: 'sso_provider_failed', cause });
}

/** What an OpenID Connect exchange failed with, as the caller may read it; never the provider's own page or tokens. */
export function explainFailure(error: unknown): DomainError {
  const ours = ownError(error);
  if (ours) return ours.reason === OUTBOUND_REFUSED ? notAllowed(ours) : unreachable(ours);
  if (error instanceof oidc.AuthorizationResponseError) {
    return new DomainError('forbidden', `The identity provider refused: ${words(error.error)}`, {
      reason: 'sso_denied',
      cause: error,
    });
  }
  if (error instanceof oidc.ResponseBodyError) {
    if (OUR_MISTAKES.has(error.error) || error.status >= 500)
      return providerFailed(`The identity provider answered ${words(error.error)}`, error);
    return new DomainError('forbidden', 'The identity provider does not know this sign-in', {
      reason: 'sso_refused',
      cause: error,
    });
  }
  if (error instanceof oidc.ClientError && error.code !== undefined && !NO_PROVIDER.has(error.code)) {
    return new DomainError('forbidden', 'What the identity provider sent does not belong to this sign-in', {
      reason: 'sso_token_invalid',
      cause: error,
    });
  }
  return providerFailed('The identity provider does not answer as one', error);
}

/** As explainFailure, for somebody who signs in and has no say in where the provider is. */
export function explainSignIn(error: unknown): DomainError {
  const failure = explainFailure(error);
  if (failure.reason !== OUTBOUND_REFUSED) return failure;
  return providerFailed('The identity provider names an address that may not be called', failure);
}

/** An error of ours below those of the library, which wraps what its fetch throws. */
function ownError(error: unknown): DomainError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof DomainError) return cause;
  return null;
}

function notAllowed(cause: DomainError): DomainError {
  return new DomainError('invalid_input', cause.message, { reason: OUTBOUND_REFUSED, field: 'issuer', cause });
}

function unreachable(cause: DomainError): DomainError {
  if (cause.reason === 'sso_provider_failed') return cause;
  return providerFailed('The identity provider could not be reached', cause);
}

function words(code: string): string {
  return code.replace(/[^\w .-]/g, '?').slice(0, 60);
}
