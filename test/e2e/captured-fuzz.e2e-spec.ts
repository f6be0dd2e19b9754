import { gunzipSync, gzipSync } from 'node:zlib';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { RouteTable } from '../../libs/platform/src/index.js';
import { type Client, signUp, type TestAccount } from '../support/client.js';
import { generator } from '../support/hostile-requests.js';
import { createOrg } from '../support/organisations.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { type TestMember, tarGz } from '../../libs/sessions/src/archive/testing/archives.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 60);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

let server: TestServer;
let plain: TestAccount;
let redacted: TestAccount;
/** Every way to look at one session. */
let looks: string[];

beforeAll(async () => {
  server = await startTestServer();
  looks = server.app
    .get(RouteTable)
    .routes()
    .filter(({ method, path }) => method === 'GET' && /^\/api\/v1\/sessions\/:session_id(\/[a-z-]+)*$/.test(path))
    .map(({ path }) => path.replace('/api/v1/sessions/:session_id', ''));
  expect(looks).toEqual(expect.arrayContaining(['', '/messages', '/versions', '/workspace', '/tools', '/sync']));
  [plain, redacted] = [await signUp(server), await signUp(server)];
  await createOrg(redacted);
  expect((await redacted.put('/api/v1/dlp/policy', { enabled: true, mode: 'redact' })).status).toBe(200);
});

afterAll(async () => {
  await server.close();
});

/** JSON text whose bytes nobody should send; `$` stands where a value is wanted. */
const POISON = [
  ...['null', 'true', '0', '-1', '1e400', '-1e400', '123456789012345678901234567890', '0.1', '""', '[]', '{}', '[[]]'],
  ...[
    '"\\u0000"',
    '"\\ud800"',
    '"a\\udfffb"',
    '"\\u0000\\u0001\\u0002"',
    '"🦊"',
    '{"toString":1}',
    '[null]',
    '["",""]',
  ],
  ...['{"__proto__":{"x":1}}', '{"constructor":1}', '{"a":{"b":{"c":[1,{"d":"\\u0000"}]}}}', '[1,"x",{},[],null,true]'],
  `"${'x'.repeat(70_000)}"`,
  `"${'0123456789abcdef'.repeat(4)}"`,
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  `${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`,
  `[${'"t",'.repeat(3_000)}"t"]`,
  'nonsense',
  '"sk-ant-api03-' + 'a1B2'.repeat(10) + '"',
  '"2026-07-02T08:00:00Z"',
];

const MANIFEST = [
  ...['title', 'tags', 'source', 'model', 'stats', 'sync', 'parent_session_id', '_resume_parent_id', 'persona_name'],
  ...['ticket_id', 'retrieval_audit_id', 'instruction_provenance', 'session_id', 'sfs_version', 'created_at', 'alias'],
];
const INNER = [
  ...['tool', 'tool_version', 'original_session_id', 'provider', 'model_id', 'message_count', 'turn_count', 'etag'],
  ...['tool_use_count', 'total_input_tokens', 'total_output_tokens', 'duration_ms', 'rules_source', 'rules_version'],
  ...[
    'rules_hash',
    'instruction_artifacts',
    'remote_url',
    'branch',
    'commit_sha',
    'commits',
    'mcp_servers',
    'tools_used',
  ],
];
const BLOCK = ['type', 'text', 'name', 'tool_use_id', 'input', 'content', 'is_error', 'source', 'summary'];
const MESSAGE = ['msg_id', 'role', 'content', 'timestamp', 'is_sidechain', 'is_meta', 'usage', 'metadata', 'model'];

class Poisoner {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Some of these names, each with poison or with an object of names below. */
  private object(names: readonly string[], inner: readonly string[]): string {
    const members = Array.from({ length: 1 + this.below(6) }, () => {
      const nested = inner.length > 0 && this.random() < 0.5;
      return `${JSON.stringify(this.pick(names))}:${nested ? this.object(inner, []) : this.pick(POISON)}`;
    });
    return `{${members.join(',')}}`;
  }

  private document(names: readonly string[]): string {
    return this.random() < 0.15 ? this.pick(POISON) : this.object(names, INNER);
  }

  private messageLine(): Buffer {
    const kind = this.random();
    if (kind < 0.2) return Buffer.from(JSON.stringify(userSays('fine')));
    if (kind < 0.3) return Buffer.from(Array.from({ length: this.below(200) }, () => this.below(256)));
    if (kind < 0.6) return Buffer.from(`{"role":"user","content":[${this.object(BLOCK, BLOCK)}]}`);
    return Buffer.from(this.random() < 0.3 ? this.pick(POISON) : this.object(MESSAGE, BLOCK));
  }

  /** A well-formed archive of bad content. */
  async poisoned(): Promise<Buffer> {
    const lines = Array.from({ length: this.below(12) }, () => this.messageLine());
    const members: TestMember[] = [
      { name: 'manifest.json', content: this.document(MANIFEST) },
      { name: 'messages.jsonl', content: Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])) },
      { name: 'workspace.json', content: this.random() < 0.2 ? this.pick(POISON) : `{"git":${this.document(INNER)}}` },
      { name: 'tools.json', content: this.document(INNER) },
      { name: this.pick(['notes.md', 'x/y/z', 'checkpoints/a/messages.jsonl', 'a.b']), content: this.pick(POISON) },
    ];
    return tarGz(...members.filter(() => this.random() < 0.85));
  }

  /** Bytes of which some were changed, taken away or put in. */
  private damaged(bytes: Buffer): Buffer {
    const out = Buffer.from(bytes);
    const at = this.below(out.length);
    const kind = this.random();
    if (kind < 0.3) return out.subarray(0, at);
    if (kind < 0.4) return Buffer.concat([out.subarray(0, at), out.subarray(this.below(out.length))]);
    if (kind < 0.5) return Buffer.concat([out, out.subarray(0, at)]);
    for (let count = 1 + this.below(8); count > 0; count -= 1) out[this.below(out.length)] = this.below(256);
    return out;
  }

  /** An archive damaged on the way, or one whose tar was made by something broken. */
  async broken(): Promise<Buffer> {
    const archive = this.random() < 0.5 ? await this.poisoned() : await sessionArchive({ title: 'x' }, [userSays('y')]);
    if (this.random() < 0.5) return this.damaged(archive);
    const tar = gunzipSync(archive);
    // Headers are where it hurts: most of the damage goes there.
    for (let count = 1 + this.below(4); count > 0; count -= 1)
      tar[this.below(Math.min(tar.length, 512))] = this.below(256);
    return gzipSync(this.random() < 0.5 ? tar : this.damaged(tar));
  }
}

/** Every page of the list, all of which must be readable. */
async function listed(client: Client): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const answer = await client.get(`/api/v1/sessions?page_size=100${cursor && `&cursor=${cursor}`}`);
    expect(answer.status).toBe(200);
    ids.push(...answer.body.sessions.map(({ id }: { id: string }) => id));
    cursor = answer.body.next_cursor as string | null;
  }
  return ids;
}

/** Pushes what nobody should send, and looks at whatever got in by every way there is; answers the ids of that. */
async function attack(client: Client, poisoner: Poisoner, rounds: number): Promise<Set<string>> {
  const accepted = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const archive = await (round % 3 === 2 ? poisoner.broken() : poisoner.poisoned());
    const isAgain = accepted.size > 0 && round % 5 === 4;
    const id = isAgain ? poisoner.pick([...accepted]) : newSessionId();
    const { status, body } = await pushSession(client, id, archive);
    expect({ round, known: [200, 201, 400, 413, 422].includes(status), body }).toMatchObject({ round, known: true });
    if (status >= 300) {
      expect(body.error.message).toMatch(/\S/);
      continue;
    }
    accepted.add(id);
    const answers = await Promise.all(looks.map((look) => client.get(`/api/v1/sessions/${id}${look}`)));
    const failed = looks.filter((_, index) => answers[index]!.status >= 500);
    expect({ round, failed }).toEqual({ round, failed: [] });
    if (round % 12 === 0) await listed(client);
  }
  return accepted;
}

describe('archives nobody should send', () => {
  it(`are refused or stored with what was wrong, never fail, and leave the account readable (seed ${SEED})`, async () => {
    await Promise.all(
      [plain, redacted].map(async (client, lane) => {
        const ids = await attack(client, new Poisoner(2 * SEED + lane), Math.ceil(ROUNDS / 2));
        expect((await listed(client)).sort()).toEqual([...ids].sort());
        expect(ids.size).toBeGreaterThan(ROUNDS / 10);
      }),
    );
  });
});
