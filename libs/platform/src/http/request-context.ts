import { AsyncLocalStorage } from 'node:async_hooks';
import type { IdempotencyClaim } from '../idempotency/claim.js';

/** Facts of the request (or job) in progress; travels with its asynchronous work. */
export interface RequestContext {
  /** 8 hex characters, sent as X-Request-Id and written into log, audit and error bodies. */
  readonly requestId: string;
  /** Client address after TRUST_PROXY was applied. */
  readonly address: string | null;
  /** Database statements issued so far on behalf of this request. */
  queries: number;
  /** Set while the request holds its Idempotency-Key. */
  claim?: IdempotencyClaim;
  /** Asked by handlers that are gated once their body has been validated; refuses by throwing. */
  beforeHandler?: () => Promise<void>;
}

const storage = new AsyncLocalStorage<RequestContext>();

export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}

export function currentContext(): RequestContext | undefined {
  return storage.getStore();
}
