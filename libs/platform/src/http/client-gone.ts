import type { ServerResponse } from 'node:http';

/** Aborted once the connection of a response is closed, be it before anybody asked: no event tells of that any more. */
export function clientGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (response.closed) gone.abort();
  return gone.signal;
}
