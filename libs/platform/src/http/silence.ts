import type { ServerResponse } from 'node:http';

/**
 * Lets the client wait for an answer of which nothing is sent before it is whole, however long that takes: silence is no
 * sign of a dead connection then. For work that ends by itself; the next request on the connection is as any other.
 */
export function allowSilence(response: ServerResponse): void {
  response.setTimeout(0);
}
