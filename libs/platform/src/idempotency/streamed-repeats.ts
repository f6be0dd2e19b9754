import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import type { Principal } from '../access/principal.js';
import { ReplayedAnswer } from '../http/replayed-answer.js';
import { currentContext } from '../http/request-context.js';
import { Idempotency } from './idempotency.js';
import { toIdempotencyKey } from './idempotent-routes.js';

/**
 * Idempotency-Keys of routes that read their body themselves: the guard cannot compare what has not arrived. Such a route
 * is marked OwnIdempotency.
 */
@Injectable()
export class StreamedRepeats {
  constructor(private readonly idempotency: Idempotency) {}

  /**
   * Before the body is read: answers what claims the request's key once it is there, with its SHA-256. From then on the
   * request is like any other: what has its effect settles it, what fails gives the key back. That throws the answer of a
   * request that was the same. Errors: `bad_request` for the key; those of `Idempotency.claim`.
   */
  of(caller: Principal, request: Request): (bodyHash: Buffer) => Promise<void> {
    const key = toIdempotencyKey(request.headers['idempotency-key']);
    return async (bodyHash) => {
      const here = currentContext();
      if (key === null || !here) return;
      const { method, originalUrl: url } = request;
      const claimed = await this.idempotency.claim({ caller, key, method, url, bodyHash, sealingKey: null });
      if ('status' in claimed) throw new ReplayedAnswer(claimed.status, claimed.body);
      here.claim = claimed;
    };
  }
}
