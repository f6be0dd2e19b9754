import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { principalOf } from '../access/caller.js';
import { presentedCredential } from '../access/presented-credential.js';
import { BodyReader } from '../http/body-reader.js';
import { ReplayedAnswer } from '../http/replayed-answer.js';
import { currentContext } from '../http/request-context.js';
import { Idempotency } from './idempotency.js';
import { holdsSecret, honoursIdempotencyKey, MAX_KEY_LENGTH } from './idempotent-routes.js';
import { sealingKey } from './sealed-body.js';

/**
 * Claims the request's Idempotency-Key: after access was granted, since keys belong to a caller, and before the
 * resource is looked up, since the retry of a deletion must find its answer and not a 404.
 */
@Injectable()
export class IdempotencyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly bodies: BodyReader,
    private readonly idempotency: Idempotency,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const key = request.headers['idempotency-key'];
    const caller = principalOf(request);
    const here = currentContext();
    if (key === undefined || !caller || !here) return true;
    const handler = context.getHandler();
    if (!honoursIdempotencyKey(this.reflector, request.method, [handler, context.getClass()])) return true;
    if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_LENGTH) throw badKey();

    const secret = holdsSecret(this.reflector, handler) ? presentedCredential(request) : null;
    const claimed = await this.idempotency.claim({
      caller,
      key,
      method: request.method,
      url: request.originalUrl,
      bodyHash: await this.bodies.hash(request, handler),
      sealingKey: secret === null ? null : sealingKey(secret, key),
    });
    if ('status' in claimed) throw new ReplayedAnswer(claimed.status, claimed.body);
    here.claim = claimed;
    return true;
  }
}

function badKey(): DomainError {
  return new DomainError('bad_request', `Idempotency-Key must be 1-${MAX_KEY_LENGTH} characters`, {
    field: 'Idempotency-Key',
  });
}
