import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestServer } from './server.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text when it is not JSON. */
  readonly body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look into any answer
}

type Json = Record<string, unknown> | readonly unknown[] | string | number | boolean | null;

/** A caller of a test server: plain HTTP with a key. */
export class Client {
  constructor(
    readonly url: string,
    readonly key: string | null,
    private readonly extraHeaders: Readonly<Record<string, string>> = {},
  ) {}

  /** The same caller with more headers on every request. */
  with(headers: Record<string, string>): Client {
    return new Client(this.url, this.key, { ...this.extraHeaders, ...headers });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, undefined, headers);
  }

  post(path: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, body, headers);
  }

  put(path: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('PUT', path, body, headers);
  }

  patch(path: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('PATCH', path, body, headers);
  }

  delete(path: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('DELETE', path, body, headers);
  }

  /** Sends a JSON value, or `raw` bytes when `body` is a Buffer. */
  async send(
    method: string,
    path: string,
    body?: Json | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(this.key !== null && { 'x-api-key': this.key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...this.extraHeaders,
        ...headers,
      },
      ...(body !== undefined && { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parse(text) };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

let accounts = 0;

export interface TestAccount extends Client {
  readonly slug: string;
  readonly userId: string;
  readonly keyId: string;
}

/** Signs a new user up; the client carries the user's first key. */
export async function signUp(server: Pick<TestServer, 'url'>, name = `user${(accounts += 1)}`): Promise<TestAccount> {
  const anonymous = new Client(server.url, null);
  const email = `${name}-${process.pid}-${Date.now().toString(36)}@example.com`;
  const { status, body } = await anonymous.post('/api/v1/auth/signup', { email });
  if (status !== 201) throw new Error(`sign-up answered ${status}: ${JSON.stringify(body)}`);
  const client = new Client(server.url, body.raw_key as string);
  const me = await client.get('/api/v1/auth/me');
  return Object.assign(client, {
    slug: me.body.account_slug as string,
    userId: body.user_id as string,
    keyId: body.key_id as string,
  });
}

/** The platform administrator of the first start. */
export async function admin(server: Pick<TestServer, 'url' | 'dataDir'>): Promise<Client> {
  return new Client(server.url, (await readFile(join(server.dataDir, 'admin.key'), 'utf8')).trim());
}

/** Creates a repository for the caller and answers its slug. */
export async function createRepo(client: Client, slug: string, more: Record<string, Json> = {}): Promise<string> {
  const { status, body } = await client.post('/v1/repos', { slug, ...more });
  if (status !== 201) throw new Error(`creating ${slug} answered ${status}: ${JSON.stringify(body)}`);
  return slug;
}
