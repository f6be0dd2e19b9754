import { channel } from 'node:diagnostics_channel';
import type { RequestContext } from './request-context.js';

export interface RequestEvent {
  readonly context: RequestContext;
  readonly method: string;
  /** Path without the query string. */
  readonly path: string;
}

/** Identity, limits, resource and body are settled; the controller is next. Message: RequestEvent. */
export const ACCESS_GRANTED = channel('roundhouse:access-granted');

/** The answer is out. Message: RequestEvent. */
export const REQUEST_COMPLETED = channel('roundhouse:request-completed');
