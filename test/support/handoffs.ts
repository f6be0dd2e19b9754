import { newSessionId, pushSession, sessionArchive, userSays } from './captured-sessions.js';
import { type Answer, type Client, signUp, type TestAccount } from './client.js';
import { sql } from './pinned-sessions.js';
import type { TestServer } from './server.js';

export interface Person extends TestAccount {
  readonly email: string;
}

/** Somebody whose address is shown to be theirs, unless it is not to be. */
export async function person(server: TestServer, name: string, isVerified = true): Promise<Person> {
  const account = await signUp(server, name);
  const email = (await account.get('/api/v1/auth/me')).body.email as string;
  if (isVerified) await sql(server, 'update app_user set email_verified = true where email = $1', [email]);
  return Object.assign(account, { email });
}

/** Pushes a session of its own and answers its id. */
export async function ownSession(owner: Client, manifest: Record<string, unknown> = {}): Promise<string> {
  const id = newSessionId();
  const archive = await sessionArchive({ session_id: id, title: 'Teach the parser about tabs', ...manifest }, [
    userSays('Why does a tab break line 7?'),
  ]);
  const { status, body } = await pushSession(owner, id, archive);
  if (status !== 201) throw new Error(`pushing answered ${status}: ${JSON.stringify(body)}`);
  return id;
}

export function handOff(sender: Client, session: string, more: Record<string, string | number>): Promise<Answer> {
  return sender.post('/api/v1/handoffs', { session_id: session, ...more });
}

/** A new session of the sender, handed off; answers the handoff's id. */
export async function handedOff(sender: Client, more: Record<string, string | number>): Promise<string> {
  const { status, body } = await handOff(sender, await ownSession(sender), more);
  if (status !== 201) throw new Error(`handing off answered ${status}: ${JSON.stringify(body)}`);
  return body.id as string;
}

export const at = (id: string, tail = ''): string => `/api/v1/handoffs/${id}${tail}`;

/** Types of what happened to it, oldest first. */
export async function eventsOf(party: Client, id: string): Promise<string[]> {
  const { body } = await party.get(at(id, '/events'));
  return (body as { event_type: string }[]).map(({ event_type }) => event_type);
}
