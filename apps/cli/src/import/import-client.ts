import { openAsBlob } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { isJson, type Json } from './lines.js';

/** The server does not know the key: nothing else will go either. */
export class KeyRefused extends Error {}

/** What the server did with an archive, or why it would not. */
export type Outcome =
  | { readonly kind: 'imported' | 'updated' | 'unchanged' }
  | { readonly kind: 'skipped' | 'failed'; readonly reason: string };

const TRIES = 8;
const LONGEST_WAIT_MS = 120_000;
const ANSWER_MS = 300_000;
const BUSY = new Set([429, 502, 503, 504]);

interface Answer {
  readonly status: number;
  readonly body: Json;
}

/** Pushes archives over HTTP, as any client does; waits as long as a busy server asks for. */
export class ImportClient {
  private readonly base: string;
  /** Until then the server wants nothing from anybody here. */
  private quietUntil = 0;

  constructor(
    url: string,
    private readonly key: string,
  ) {
    this.base = url.replace(/\/+$/, '');
  }

  /** The ETag of the session that is there; null when there is none. Errors: KeyRefused. */
  async etagOf(id: string): Promise<string | null> {
    const { status, body } = await this.ask('GET', id);
    if (status === 404) return null;
    if (status !== 200) throw new Error(reasonOf(status, body));
    return typeof body['etag'] === 'string' ? body['etag'] : null;
  }

  /** `known` is what is there already, by `etagOf`; the server keeps what is overwritten as a version. */
  async push(id: string, archive: string, known: string | null): Promise<Outcome> {
    const { status, body } = await this.ask('PUT', `${id}/sync`, archive);
    if (status === 201) return { kind: 'imported' };
    if (status === 200) return { kind: body['etag'] === known ? 'unchanged' : 'updated' };
    if (status === 410) return { kind: 'skipped', reason: 'it was deleted on the server' };
    return { kind: 'failed', reason: reasonOf(status, body) };
  }

  private async ask(method: string, path: string, archive?: string): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      await pause(Math.max(0, this.quietUntil - Date.now()));
      let wait = Math.min(1_000 * 2 ** (attempt - 1), LONGEST_WAIT_MS);
      try {
        const response = await this.send(method, path, archive);
        if (response.status === 401) throw new KeyRefused('The server does not accept the key.');
        if (!BUSY.has(response.status) || attempt === TRIES) return await answerOf(response);
        await response.body?.cancel();
        const asked = Number(response.headers.get('retry-after'));
        if (asked > 0) wait = Math.min(asked * 1_000, LONGEST_WAIT_MS);
        if (response.status === 429) this.quietUntil = Date.now() + wait;
      } catch (error) {
        if (error instanceof KeyRefused || attempt === TRIES) throw error;
      }
      await pause(wait);
    }
  }

  private async send(method: string, path: string, archive?: string): Promise<Response> {
    const headers = { authorization: `Bearer ${this.key}` };
    const signal = AbortSignal.timeout(ANSWER_MS);
    if (archive === undefined) return fetch(`${this.base}/api/v1/sessions/${path}`, { method, headers, signal });
    const body = new FormData();
    // Read from disk as it is sent.
    body.append('file', await openAsBlob(archive, { type: 'application/gzip' }), 'session.tar.gz');
    return fetch(`${this.base}/api/v1/sessions/${path}`, { method, headers, body, signal });
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const content = await response.text();
  let body: unknown = null;
  if (response.headers.get('content-type')?.includes('json')) body = JSON.parse(content);
  return { status: response.status, body: isJson(body) ? body : {} };
}

function reasonOf(status: number, body: Json): string {
  const error = isJson(body['error']) ? body['error'] : {};
  return typeof error['message'] === 'string' ? `${error['message']} (${status})` : `the server answered ${status}`;
}
