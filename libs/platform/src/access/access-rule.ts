import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import { type Scope, WILDCARD } from './scopes.js';

/** What a route demands of its caller. A route without one is refused at boot. */
export type AccessRule =
  | { readonly kind: 'public' }
  /** Any credential that holds at least one scope. */
  | { readonly kind: 'authenticated' }
  /** A user's own unrestricted key: account and key management. */
  | { readonly kind: 'user' }
  /** An unrestricted key of a platform administrator. */
  | { readonly kind: 'admin' }
  /** All of `scopes`; anonymous callers pass when `anonymous`, and the resource decides whether it is public. */
  | { readonly kind: 'scopes'; readonly scopes: readonly Scope[]; readonly anonymous: boolean };

export const ACCESS_RULE = 'roundhouse:access-rule';
/** OpenAPI's list of the scopes a route demands; `*` is an unrestricted user key. */
export const REQUIRED_SCOPES = 'x-required-scopes';

const CREDENTIALS = ['apiKey', 'bearer', 'pinnedSession'] as const;

function demand(rule: AccessRule, scopes: readonly string[]): MethodDecorator & ClassDecorator {
  const security = rule.kind === 'public' ? [] : CREDENTIALS.map((name) => ApiSecurity(name));
  return applyDecorators(SetMetadata(ACCESS_RULE, rule), ApiExtension(REQUIRED_SCOPES, scopes), ...security);
}

/** No credential needed. */
export const Public = (): MethodDecorator & ClassDecorator => demand({ kind: 'public' }, []);

/** Any credential that holds at least one scope. */
export const Authenticated = (): MethodDecorator & ClassDecorator => demand({ kind: 'authenticated' }, []);

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
  if (rule.kind !== 'scopes') return rule.kind;
  return `scopes ${rule.scopes.join(',')}${rule.anonymous ? ' or public resource' : ''}`;
}
