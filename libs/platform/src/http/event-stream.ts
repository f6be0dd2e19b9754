import { once } from 'node:events';
import type { Response } from 'express';
import { clientGone } from './client-gone.js';

/** Proxies cut connections that say nothing for a minute. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Sends server-sent events until there are no more, or the client is gone: then `signal` is aborted. A source that fails
 * breaks the connection, so that the client knows that it has not read everything.
 */
export async function sendEventStream(
  response: Response,
  frames: (signal: AbortSignal) => AsyncIterable<string>,
): Promise<void> {
  const gone = clientGone(response);
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  response.setHeader('Cache-Control', 'no-cache, no-transform');
  response.setHeader('X-Accel-Buffering', 'no');
  response.flushHeaders();
  if (response.req.method === 'HEAD') return void response.end();
  const timer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': keep-alive\n\n');
  }, KEEP_ALIVE_MS);
  try {
    for await (const frame of frames(gone)) {
      if (gone.aborted) return;
      if (!response.write(frame)) await drained(response, gone);
    }
    response.end();
  } finally {
    clearInterval(timer);
  }
}

async function drained(response: Response, gone: AbortSignal): Promise<void> {
  try {
    await once(response, 'drain', { signal: gone });
  } catch (error) {
    if (!gone.aborted) throw error;
  }
}
