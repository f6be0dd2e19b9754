import { request } from 'node:http';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';

const VERSION = '0.13.2';
const CLIENT = {
  'User-Agent': `sessionfs-cli/${VERSION}`,
  'X-Client-Version': VERSION,
  'X-Client-Platform': 'linux-x86_64',
  'X-Client-Device': 'workbench',
};

const BUSY: readonly number[] = [429, 502, 503, 504];
const PAUSES_S = [1, 2];

type Headers = Readonly<Record<string, string>>;
type Json = Record<string, unknown> | null;

export interface SfsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  /** Parsed JSON; null when it is none. */
  readonly json: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look into any answer
}

/** A session as the command line holds it on disk: text of its members by name. */
export interface LocalSession {
  readonly manifest: Record<string, unknown>;
  readonly members: Readonly<Record<string, string>>;
}

/** What the command line prints instead of a result. */
export class SfsFailure extends Error {
  constructor(
    readonly answer: SfsAnswer,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The unmodified command line `sfs` 0.13.2 as it is seen from a server (sessionfs-1.md §18): its two HTTP clients, which
 * follow no redirect, and what it does with answers. It knows nothing else of the server.
 */
export class Sfs {
  readonly sessions = new Map<string, LocalSession>();
  /** Sessions it was told to delete: pushing one asks first. */
  readonly deleted = new Set<string>();

  constructor(
    readonly url: string,
    readonly key: string | null,
  ) {}

  /** Has the daemon capture a conversation of one message on this machine; answers the session's id. */
  capture(says = 'the lexer skips tabs', manifest: Record<string, unknown> = {}): string {
    const id = `ses_${randomBytes(8).toString('hex')}`;
    const stats = {
      message_count: 4,
      turn_count: 1,
      tool_use_count: 1,
      total_input_tokens: 910,
      total_output_tokens: 120,
    };
    this.sessions.set(id, {
      manifest: {
        ...{ sfs_version: '0.1.0', session_id: id, title: 'Teach the parser about tabs', tags: ['parser'], stats },
        source: { tool: 'codex', tool_version: '9.9.1', original_session_id: 'native-77' },
        model: { provider: 'openai', model_id: 'demo-1' },
        created_at: '2026-07-02T08:00:00Z',
        ...manifest,
      },
      members: { 'messages.jsonl': lineOf(says) },
    });
    return id;
  }

  /** The conversation goes on, or is another one on this machine. */
  rewrite(id: string, ...says: string[]): void {
    const { manifest, members } = this.local(id);
    this.sessions.set(id, { manifest, members: { ...members, 'messages.jsonl': says.map(lineOf).join('') } });
  }

  /** The client of everything but archives and lists: a key, JSON, and one try. */
  plain(method: string, path: string, json?: Json): Promise<SfsAnswer> {
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
    return this.send(method, path, body, {
      'User-Agent': 'python-httpx/0.28.1',
      ...(this.key !== null && { Authorization: `Bearer ${this.key}` }),
      'Content-Type': 'application/json',
    });
  }

  /**
   * The client of push, pull, lists and log-in: says what it is, comes back to a busy server twice, and reads no body of
   * a 401 or 403.
   */
  async sync(method: string, path: string, headers: Headers = {}, body?: Buffer): Promise<SfsAnswer> {
    const all = { ...CLIENT, ...(this.key !== null && { Authorization: `Bearer ${this.key}` }), ...headers };
    let answer = await this.send(method, path, body, all);
    for (const pause of PAUSES_S) {
      if (!BUSY.includes(answer.status)) break;
      await sleep(1_000 * Math.max(pause, Number(answer.headers['retry-after'] ?? 0)));
      answer = await this.send(method, path, body, all);
    }
    if ([401, 403].includes(answer.status)) throw new SfsFailure(answer, `Authentication failed: ${answer.status}`);
    return answer;
  }

  /** `sfs push ID`: the three calls in their order; keeps the ETag it is answered. */
  async push(id: string, { yes = false } = {}): Promise<SfsAnswer> {
    await this.plain('GET', '/api/v1/dlp/policy');
    await this.memberLimit();
    return this.put(id, yes && this.deleted.has(id) ? { 'X-SessionFS-Undelete': 'true' } : {});
  }

  /** The push itself, as `sfs sync`, `sfs handoff` and the daemon do it, too. */
  async put(id: string, headers: Headers = {}): Promise<SfsAnswer> {
    const local = this.local(id);
    const known = (local.manifest['sync'] as { etag?: string } | undefined)?.etag;
    const boundary = randomBytes(16).toString('hex');
    const form = Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="session.tar.gz"\r\nContent-Type: application/gzip\r\n\r\n`,
      ),
      await packed(local),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const type = { 'Content-Type': `multipart/form-data; boundary=${boundary}` };
    const condition: Headers = known === undefined ? {} : { 'If-Match': `"${known}"` };
    const answer = await this.sync('PUT', `/api/v1/sessions/${id}/sync`, { ...type, ...condition, ...headers }, form);
    if (answer.status === 410) {
      this.sessions.delete(id);
      this.deleted.add(id);
    }
    if ([200, 201].includes(answer.status)) this.synced(id, answer.json.etag as string);
    return answer;
  }

  /** `sfs pull ID`: replaces the local copy, whose members are held against the limit the server names. */
  async pull(id: string): Promise<SfsAnswer> {
    const known = (this.sessions.get(id)?.manifest['sync'] as { etag?: string } | undefined)?.etag;
    const answer = await this.sync(
      'GET',
      `/api/v1/sessions/${id}/sync`,
      known === undefined ? {} : { 'If-None-Match': `"${known}"` },
    );
    if (answer.status !== 200) return answer;
    this.sessions.set(id, await unpacked(answer.bytes, await this.memberLimit()));
    this.synced(id, String(answer.headers['etag']).replaceAll('"', ''));
    return answer;
  }

  /** `sfs sync`: all pages, then what is missing on either side. Answers the ids it pushed and pulled. */
  async syncAll(): Promise<{ pushed: string[]; pulled: string[] }> {
    await this.memberLimit();
    const remote = new Map<string, string>();
    for (let page = 1, more = true; more; page += 1) {
      const { json } = await this.sync('GET', `/api/v1/sessions?page=${page}&page_size=100`);
      for (const { id, etag } of json.sessions as { id: string; etag: string }[]) remote.set(id, etag);
      more = json.has_more as boolean;
    }
    const etagOf = (id: string): unknown => (this.local(id).manifest['sync'] as { etag?: string } | undefined)?.etag;
    const pushed = [...this.sessions.keys()].filter((id) => !remote.has(id) || etagOf(id) !== remote.get(id));
    const pulled = [...remote.keys()].filter((id) => !this.sessions.has(id) && !this.deleted.has(id));
    await Promise.all(pushed.map((id) => this.put(id)));
    await Promise.all(pulled.map((id) => this.pull(id)));
    return { pushed, pulled };
  }

  private async memberLimit(): Promise<number> {
    const { json } = await this.plain('GET', '/api/v1/sync/settings');
    return json.max_member_bytes as number;
  }

  private local(id: string): LocalSession {
    const session = this.sessions.get(id);
    if (!session) throw new Error(`No session found matching ${id}`);
    return session;
  }

  private synced(id: string, etag: string): void {
    const { manifest, members } = this.local(id);
    this.sessions.set(id, { manifest: { ...manifest, sync: { etag, dirty: false } }, members });
    this.deleted.delete(id);
  }

  private send(method: string, path: string, body: Buffer | undefined, headers: Headers): Promise<SfsAnswer> {
    const isEmptyPost = body === undefined && ['POST', 'PUT', 'PATCH'].includes(method);
    return new Promise((resolve, reject) => {
      const sent = request(this.url + path, {
        method,
        headers: {
          Accept: '*/*',
          'Accept-Encoding': 'gzip, deflate',
          ...headers,
          ...(isEmptyPost && { 'Content-Length': '0' }),
          ...(body && { 'Content-Length': String(body.length) }),
        },
      });
      sent.once('error', reject);
      sent.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const bytes = Buffer.concat(chunks);
          resolve({ status: response.statusCode!, headers: response.headers, bytes, json: parsed(bytes) });
        });
      });
      sent.end(body);
    });
  }
}

const lineOf = (text: string): string =>
  `${JSON.stringify({ msg_id: text, role: 'user', content: [{ type: 'text', text }], timestamp: '2026-07-02T08:00:00Z' })}\n`;

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

let packings = Date.UTC(2026, 6, 2);

/** Members sorted by name, with the time of packing: the same session is never packed into the same bytes again. */
async function packed({ manifest, members }: LocalSession): Promise<Buffer> {
  const all = { ...members, 'manifest.json': JSON.stringify(manifest) };
  const tar = pack();
  const mtime = new Date((packings += 1_000));
  for (const [name, content] of Object.entries(all).toSorted()) tar.entry({ name, mtime }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

async function unpacked(archive: Buffer, limit: number): Promise<LocalSession> {
  const members: Record<string, string> = {};
  const tar = extract();
  Readable.from([gunzipSync(archive)]).pipe(tar);
  for await (const entry of tar) {
    const { name, type, size = 0 } = entry.header;
    if (type !== 'file' || name.startsWith('/') || name.includes('..')) throw new Error(`unsafe member ${name}`);
    if (size > limit) throw new Error(`Member too large: ${name}`);
    members[name] = await text(entry);
  }
  const { 'manifest.json': manifest, ...others } = members;
  return { manifest: JSON.parse(manifest!) as Record<string, unknown>, members: others };
}
