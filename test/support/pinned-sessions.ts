import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../libs/platform/src/index.js';
import { Client } from './client.js';
import type { TestServer } from './server.js';

/** What a session id that is not accepted (any more) gets without a key. */
export const DEAD = { status: 401, body: { error: 'Session expired or invalid', code: 'UNAUTHORIZED' } };

/** A caller that has nothing but a session id. */
export function holder(server: Pick<TestServer, 'url'>, sessionId: string): Client {
  return new Client(server.url, null, { 'x-session-id': sessionId });
}

/** Opens a session with the client's key and answers its id. */
export async function openSession(owner: Client, body: Record<string, number | boolean> = {}): Promise<string> {
  const { status, body: opened } = await owner.post('/v1/session', body);
  if (status !== 201) throw new Error(`opening a session answered ${status}: ${JSON.stringify(opened)}`);
  return opened.session_id as string;
}

/** A further key of the client's user. */
export async function mintKey(owner: Client, input: Record<string, string | string[]> = {}): Promise<Client> {
  const { status, body } = await owner.post('/api/v1/auth/keys', { name: 'further', ...input });
  if (status !== 201) throw new Error(`minting a key answered ${status}: ${JSON.stringify(body)}`);
  return new Client(owner.url, body.raw_key as string);
}

/** One statement on the server's database, outside any request. */
export function sql<Row>(server: Pick<TestServer, 'app'>, statement: string, values: unknown[] = []): Promise<Row[]> {
  return server.app.get(Database).query<Row>(statement, values);
}

/** Repeats `look` until it answers something; a state that never comes ends in the test's own time limit. */
export async function eventually<T>(look: () => Promise<T | null | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await sleep(50);
  }
}

/** As long as a node may go on with what another node has ended. */
export const oneSecond = (): Promise<void> => sleep(1_000);
