import { Injectable, SetMetadata } from '@nestjs/common';

export const SELF_SETTLED = 'roundhouse:self-settled';

/** The route's service records the answer in its own transaction; the interceptor opens none around it. */
export const SelfSettled = (): MethodDecorator => SetMetadata(SELF_SETTLED, true);

@Injectable()
export class Idempotency {
  async settle(_status: number, _body: unknown): Promise<void> {}
}
