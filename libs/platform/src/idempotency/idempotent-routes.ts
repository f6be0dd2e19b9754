import { SetMetadata } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { ACCESS_RULE, type AccessRule } from '../access/access-rule.js';
import { BODY_RULE, type BodyRule } from '../http/body-reader.js';

export const IDEMPOTENCY_HEADER = 'Idempotency-Key';
export const MAX_KEY_LENGTH = 255;

const SELF_SETTLED = 'roundhouse:self-settled';
const HOLDS_SECRET = 'roundhouse:holds-secret';
const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** The route's service records the answer in its own transaction; the interceptor opens none around it. */
export const SelfSettled = (): MethodDecorator => SetMetadata(SELF_SETTLED, true);

/** The route's answer holds a secret: its idempotency record is encrypted. */
export const HoldsSecret = (): MethodDecorator => SetMetadata(HOLDS_SECRET, true);

type Handler = Parameters<Reflector['get']>[1];

export function isSelfSettled(reflector: Reflector, handler: Handler): boolean {
  return reflector.get<boolean | undefined>(SELF_SETTLED, handler) === true;
}

export function holdsSecret(reflector: Reflector, handler: Handler): boolean {
  return reflector.get<boolean | undefined>(HOLDS_SECRET, handler) === true;
}

/**
 * True for routes that honour an Idempotency-Key: they change something on behalf of an identified caller. A POST that
 * needs nothing but read scopes changes nothing, and a streamed body cannot be compared.
 */
export function isIdempotentRoute(
  method: string,
  rule: AccessRule | undefined,
  body: Pick<BodyRule, 'form'> | undefined,
): boolean {
  if (!rule || rule.kind === 'public' || body?.form === 'stream' || !MUTATING.has(method)) return false;
  return rule.kind !== 'scopes' || rule.scopes.some((scope) => !scope.endsWith(':read'));
}

/** As `isIdempotentRoute`, for a handler with its decorators. */
export function honoursIdempotencyKey(reflector: Reflector, method: string, targets: [Handler, Handler]): boolean {
  const rule = reflector.getAllAndOverride<AccessRule | undefined>(ACCESS_RULE, targets);
  return isIdempotentRoute(method, rule, reflector.get<BodyRule | undefined>(BODY_RULE, targets[0]));
}
