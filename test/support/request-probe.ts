import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Answer } from './client.js';

interface Seen {
  readonly context: { readonly requestId: string; readonly queries: number };
}

/** How many database statements a request had issued when its controller was entered, and over the whole of it. */
export interface QueryCounts {
  readonly beforeController: number | undefined;
  readonly whole: number;
}

/** Sends one request and counts its statements. The server must run in this process. */
export async function countQueries(send: () => Promise<Answer>): Promise<QueryCounts & { readonly answer: Answer }> {
  const granted = new Map<string, number>();
  const completed = new Map<string, number>();
  const arrivals = new EventTarget();
  const onGranted = (message: unknown): void => {
    const { context } = message as Seen;
    granted.set(context.requestId, context.queries);
  };
  const onCompleted = (message: unknown): void => {
    const { context } = message as Seen;
    completed.set(context.requestId, context.queries);
    arrivals.dispatchEvent(new Event(context.requestId));
  };
  subscribe('roundhouse:access-granted', onGranted);
  subscribe('roundhouse:request-completed', onCompleted);
  try {
    const answer = await send();
    const id = answer.headers.get('x-request-id')!;
    if (!completed.has(id)) await new Promise((resolve) => arrivals.addEventListener(id, resolve, { once: true }));
    return { answer, beforeController: granted.get(id), whole: completed.get(id)! };
  } finally {
    unsubscribe('roundhouse:access-granted', onGranted);
    unsubscribe('roundhouse:request-completed', onCompleted);
  }
}

const ROUNDS = 5;

/** A node that could not look at the revocations for a moment must ask again, so the best of a few counts. */
export async function fewest(measure: () => Promise<number | undefined>): Promise<number> {
  const counts: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) counts.push((await measure()) ?? Infinity);
  return Math.min(...counts);
}
