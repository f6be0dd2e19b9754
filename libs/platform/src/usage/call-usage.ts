import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import type { Principal } from '../access/principal.js';
import { dialectOf } from '../http/dialects.js';
import { Usage } from './usage.js';

/** Answers that stand for a request that was not handled. */
const NOT_HANDLED = new Set([401, 429]);

/** Meters API calls (coregit.md §2.2): in memory, once the answer is known, without a query. */
@Injectable()
export class CallUsage {
  constructor(private readonly usage: Usage) {}

  /** One `api_call` for each handled request of the git surface, failed ones included, but not 401 and 429. */
  countCall(request: Request, principal: Principal): void {
    if (dialectOf(request).name !== 'git') return;
    request.res?.once('close', () => {
      if (!NOT_HANDLED.has(request.res!.statusCode)) this.usage.count(principal.accountId, 'api_call');
    });
  }
}
