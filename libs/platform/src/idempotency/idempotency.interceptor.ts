import { type CallHandler, type ExecutionContext, Injectable, Logger, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Response } from 'express';
import { lastValueFrom, type Observable, of } from 'rxjs';
import { Database } from '../database/database.js';
import { currentContext } from '../http/request-context.js';
import { allowSilence } from '../http/silence.js';
import type { IdempotencyClaim } from './claim.js';
import { Idempotency } from './idempotency.js';
import { isRecordedAfterwards, isSelfSettled } from './idempotent-routes.js';

/**
 * Runs a handler that holds an idempotency claim in one transaction with the record of its answer: whatever the
 * handler's services open joins it. Self-settled routes do that themselves; of long work the answer is recorded
 * afterwards. Claims of failed requests are dropped by the dialect filter, which sees failures of guards too.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly log = new Logger(IdempotencyInterceptor.name);

  constructor(
    private readonly reflector: Reflector,
    private readonly db: Database,
    private readonly idempotency: Idempotency,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const claim = currentContext()?.claim;
    const response = context.switchToHttp().getResponse<Response>();
    const isLong = isRecordedAfterwards(this.reflector, context.getHandler());
    if (isLong) allowSilence(response);
    if (!claim) return next.handle();
    if (isSelfSettled(this.reflector, context.getHandler())) {
      const result = await resultOf(next);
      await this.assertSettled(claim, context);
      return of(result);
    }
    if (isLong) {
      const result = await resultOf(next);
      await this.idempotency.record(claim, response.statusCode, result);
      return of(result);
    }
    const result = await this.db.transaction(async () => {
      const answer = await resultOf(next);
      await this.idempotency.settle(response.statusCode, answer);
      return answer;
    });
    return of(result);
  }

  private async assertSettled(claim: IdempotencyClaim, context: ExecutionContext): Promise<void> {
    if (claim.isSettled) return;
    this.log.error({ msg: 'a self-settled route did not settle', route: context.getHandler().name });
    await this.idempotency.drop(claim);
  }
}

// handle() is called inside the transaction: Nest binds the handler to the asynchronous context of this call.
function resultOf(next: CallHandler): Promise<unknown> {
  return lastValueFrom(next.handle() as Observable<unknown>, { defaultValue: undefined });
}
