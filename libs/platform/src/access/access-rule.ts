import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import { type Scope, WILDCARD } from './scopes.js';

/** What a route demands of its caller. A route without one is refused at boot. */
export type AccessRule =
  | { readonly kind: 'public' }
  /** Any credential that holds at least one scope; `pinnedSession` says what a session id may stand for. */
  | { readonly kind: 'authenticated'; readonly pinnedSession: PinnedSessionUse }
  /** A user's own unrestricted key: account and key management. */
  | { readonly kind: 'user' }
  /** An unrestricted key of a platform administrator. */
  | { readonly kind: 'admin' }
  /** All of `scopes`; anonymous callers pass when `anonymous`, and the resource decides whether it is public. */
  | { readonly kind: 'scopes'; readonly scopes: readonly Scope[]; readonly anonymous: boolean };

/**
 * What an `X-Session-Id` means to a route. `accept`: it stands in for a key. `ignore`: only keys count. `capability`: as
 * `accept`, but a caller without a live credential passes on to the resource, which admits who names its secret id.
 */
export type PinnedSessionUse = 'accept' | 'ignore' | 'capability';

export const ACCESS_RULE = 'roundhouse:access-rule';
/** OpenAPI's list of the scopes a route demands; `*` is an unrestricted user key. */
export const REQUIRED_SCOPES = 'x-required-scopes';

const CREDENTIALS = ['apiKey', 'bearer', 'pinnedSession'] as const;

function demand(rule: AccessRule, scopes: readonly string[]): MethodDecorator & ClassDecorator {
  const accepted = rule.kind === 'public' ? [] : CREDENTIALS;
  const keysOnly = rule.kind === 'authenticated' && rule.pinnedSession === 'ignore';
  const security = accepted.filter((name) => !keysOnly || name !== 'pinnedSession').map((name) => ApiSecurity(name));
  return applyDecorators(SetMetadata(ACCESS_RULE, rule), ApiExtension(REQUIRED_SCOPES, scopes), ...security);
}

/** No credential needed. */
export const Public = (): MethodDecorator & ClassDecorator => demand({ kind: 'public' }, []);

/** Any credential that holds at least one scope. */
export const Authenticated = (): MethodDecorator & ClassDecorator =>
  demand({ kind: 'authenticated', pinnedSession: 'accept' }, []);

/** Any key that holds at least one scope; pinned sessions are not looked at. */
export const KeyOnly = (): MethodDecorator & ClassDecorator =>
  demand({ kind: 'authenticated', pinnedSession: 'ignore' }, []);

/** As Authenticated, but who presents the resource's own secret id needs no other credential; the resource checks it. */
export const AuthenticatedOrCapability = (): MethodDecorator & ClassDecorator =>
  demand({ kind: 'authenticated', pinnedSession: 'capability' }, []);

/** A user key that holds `*`. */
export const UserOnly = (): MethodDecorator & ClassDecorator => demand({ kind: 'user' }, [WILDCARD]);

/** A platform administrator's user key that holds `*`. */
export const RequireAdmin = (): MethodDecorator & ClassDecorator => demand({ kind: 'admin' }, [WILDCARD]);

/** Every one of `scopes` (`*` holds all). */
export const RequireScopes = (...scopes: Scope[]): MethodDecorator & ClassDecorator =>
  demand({ kind: 'scopes', scopes, anonymous: false }, scopes);

/** As RequireScopes, but callers without a credential pass on to the resource, which admits them if it is public. */
export const RequireScopesUnlessPublic = (...scopes: Scope[]): MethodDecorator & ClassDecorator =>
  demand({ kind: 'scopes', scopes, anonymous: true }, scopes);

/** One line for the route snapshot and for messages, e.g. `scopes repos:read`. */
export function describeRule(rule: AccessRule): string {
  if (rule.kind === 'authenticated') {
    return { accept: 'authenticated', ignore: 'key', capability: 'authenticated or capability' }[rule.pinnedSession];
  }
  if (rule.kind !== 'scopes') return rule.kind;
  return `scopes ${rule.scopes.join(',')}${rule.anonymous ? ' or public resource' : ''}`;
}
