import { applyDecorators, SetMetadata } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import { DomainError } from '#kernel';
import { ACCESS_RULE, type AccessRule } from '../access/access-rule.js';
import { BODY_RULE, type BodyRule } from '../http/body-reader.js';

export const IDEMPOTENCY_HEADER = 'Idempotency-Key';
export const MAX_KEY_LENGTH = 255;

const SELF_SETTLED = 'roundhouse:self-settled';
const HOLDS_SECRET = 'roundhouse:holds-secret';
const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** The route's service records the answer in its own transaction; the interceptor opens none around it. */
export const SelfSettled = (): MethodDecorator => SetMetadata(SELF_SETTLED, true);

const RECORDED_AFTERWARDS = 'roundhouse:recorded-afterwards';
/**
 * The route's work takes longer than a transaction may, or talks to processes and networks, and doing it again does no harm:
 * its answer is recorded once it is done, on its own. A repeat while it is under way waits its turn as everywhere.
 */
export const RecordedAfterwards = (): MethodDecorator => SetMetadata(RECORDED_AFTERWARDS, true);

/** The route's answer holds a secret: its idempotency record is encrypted. */
export const HoldsSecret = (): MethodDecorator => SetMetadata(HOLDS_SECRET, true);

const OWN_IDEMPOTENCY = 'roundhouse:own-idempotency';
/** OpenAPI's mark of a route that documents its own rules for repeats. */
export const OWN_REPEATS = 'x-own-repeats';

/** The route has rules of its own for repeated requests, e.g. because its answer is a stream: no answer is recorded. */
export const OwnIdempotency = (): MethodDecorator =>
  applyDecorators(SetMetadata(OWN_IDEMPOTENCY, true), ApiExtension(OWN_REPEATS, true));
/** Errors: `bad_request`. */
export function toIdempotencyKey(header: string | readonly string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && header.length > 0 && header.length <= MAX_KEY_LENGTH) return header;
  throw new DomainError('bad_request', `Idempotency-Key must be 1-${MAX_KEY_LENGTH} characters`, {
    field: IDEMPOTENCY_HEADER,
  });
}

type Handler = Parameters<Reflector['get']>[1];

export function isSelfSettled(reflector: Reflector, handler: Handler): boolean {
  return reflector.get<boolean | undefined>(SELF_SETTLED, handler) === true;
}

export function isRecordedAfterwards(reflector: Reflector, handler: Handler): boolean {
  return reflector.get<boolean | undefined>(RECORDED_AFTERWARDS, handler) === true;
}

export function holdsSecret(reflector: Reflector, handler: Handler): boolean {
  return reflector.get<boolean | undefined>(HOLDS_SECRET, handler) === true;
}

/** A POST that needs nothing but read scopes changes nothing. */
export function isMutating(method: string, scopes: readonly string[]): boolean {
  return MUTATING.has(method) && (scopes.length === 0 || scopes.some((scope) => !scope.endsWith(':read')));
}

/**
 * True for routes whose Idempotency-Key is honoured here: they change something on behalf of an identified caller, and their
 * body can be compared, which a streamed one cannot.
 */
export function honoursIdempotencyKey(reflector: Reflector, method: string, targets: [Handler, Handler]): boolean {
  const rule = reflector.getAllAndOverride<AccessRule | undefined>(ACCESS_RULE, targets);
  const body = reflector.get<BodyRule | undefined>(BODY_RULE, targets[0]);
  if (!rule || rule.kind === 'public' || body?.form === 'stream') return false;
  if (reflector.get<boolean | undefined>(OWN_IDEMPOTENCY, targets[0])) return false;
  return isMutating(method, rule.kind === 'scopes' ? rule.scopes : []);
}
