import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { principalOf } from '../access/caller.js';
import { presentedCredential } from '../access/presented-credential.js';
import { BodyReader } from '../http/body-reader.js';
import { ReplayedAnswer } from '../http/replayed-answer.js';
import { currentContext } from '../http/request-context.js';
import { Idempotency } from './idempotency.js';
import { holdsSecret, honoursIdempotencyKey, toIdempotencyKey } from './idempotent-routes.js';
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
    const header = request.headers['idempotency-key'];
    const caller = principalOf(request);
    const here = currentContext();
    if (header === undefined || !caller || !here) return true;
    const handler = context.getHandler();
    if (!honoursIdempotencyKey(this.reflector, request.method, [handler, context.getClass()])) return true;
    const key = toIdempotencyKey(header);
    if (key === null) return true;

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
