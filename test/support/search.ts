import type { Answer, Client } from './client.js';
import { newSessionId, pushSession, sessionArchive, userSays } from './captured-sessions.js';

/** `GET /sessions/search`. */
export function search(client: Client, q: string, more: Record<string, string> = {}): Promise<Answer> {
  return client.get(`/api/v1/sessions/search?${new URLSearchParams({ q, ...more })}`);
}

interface Found {
  readonly session_id: string;
}

/** Sessions of a page of results, best first. */
export const idsOf = ({ body }: Answer): string[] => body.results.map(({ session_id: id }: Found) => id);

/** All sessions that are found, in the order of their ids; they fit onto one page. */
export async function found(client: Client, q: string, more: Record<string, string> = {}): Promise<string[]> {
  const answer = await search(client, q, more);
  if (answer.status !== 200) throw new Error(`searching ${q} answered ${answer.status}`);
  const ids = idsOf(answer);
  if (answer.body.total !== ids.length) throw new Error(`${ids.length} of ${answer.body.total} results for ${q}`);
  return ids.toSorted();
}

export const snippetOf = ({ body }: Answer): string => body.results[0].matches[0].snippet;

/** Pushes a session that says this, and gives its id. */
export async function say(
  client: Client,
  texts: readonly string[],
  manifest: Record<string, unknown> = {},
  git?: object,
): Promise<string> {
  const id = newSessionId();
  const workspace = git ? [{ name: 'workspace.json', content: JSON.stringify({ git }) }] : [];
  const archive = await sessionArchive({ title: 'Untold', ...manifest }, texts.map(userSays), workspace);
  const { status } = await pushSession(client, id, archive);
  if (status !== 201) throw new Error(`pushing a session answered ${status}`);
  return id;
}

/** Text of about so many bytes in which nothing is looked for. */
export const filler = (bytes: number): string => 'Nothing to see here, move along.\n'.repeat(Math.ceil(bytes / 33));
