import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSessionId } from '../support/captured-sessions.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { pushLarge } from '../support/large-archive.js';
import { createOrg } from '../support/organisations.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';

const MEBIBYTE = 1_048_576;
/** More than memory may rise by, so that keeping it would show; `npm run soak` sends the 300 MB of the promise. */
const MEGABYTES = Number(process.env['PUSH_MEGABYTES'] || 100);
const LIMIT = 64;
const KEY = 'sk-' + 'ant-api03-' + 'a1B2'.repeat(10);

let database: TestDatabase;
let dataDir: string;
let server: ServerProcess;
let ann: TestAccount;

beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'roundhouse-memory-'));
  server = await startServerProcess({ DATABASE_URL: database.url, DATA_DIR: dataDir, LOG_LEVEL: 'warn' });
  ann = await signUp(server);
  await createOrg(ann);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

async function residentBytes(): Promise<number> {
  const [, pages] = (await readFile(`/proc/${server.child.pid}/statm`, 'utf8')).split(' ');
  return Number(pages) * 4_096;
}

/** How far the memory of the server rises at most while `work` runs, sampled every 50 ms, in megabytes. */
async function rise(work: () => Promise<unknown>): Promise<number> {
  const before = await residentBytes();
  let peak = before;
  const sampler = setInterval(() => void residentBytes().then((now) => (peak = Math.max(peak, now))), 50);
  try {
    await work();
  } finally {
    clearInterval(sampler);
  }
  return (peak - before) / MEBIBYTE;
}

describe('the memory of the server', () => {
  it.each([
    ['stored as it came', { enabled: false }],
    ['redacted', { enabled: true, mode: 'redact' }],
  ])(
    `rises by at most ${LIMIT} MB while ${MEGABYTES} MB are pushed and %s`,
    async (what, policy) => {
      expect((await ann.put('/api/v1/dlp/policy', policy)).status).toBe(200);
      expect((await pushLarge(ann, newSessionId(), 20, KEY)).status).toBe(201);
      const id = newSessionId();
      const risen = await rise(async () => {
        const { status, body } = await pushLarge(ann, id, MEGABYTES, KEY);
        expect({ status, title: 'Large one' }).toEqual({ status: 201, title: 'Large one' });
        expect(body['blob_size_bytes']).toBeGreaterThan(0.85 * MEGABYTES * MEBIBYTE);
      });
      console.log(`${MEGABYTES} MB ${what}: memory rose by ${risen.toFixed(1)} MB`);
      const { body } = await new Client(server.url, ann.key).get(`/api/v1/sessions/${id}/messages?page=2&page_size=50`);
      const text = JSON.stringify(body.messages.at(-1));
      expect([text.includes(KEY), text.includes('[REDACTED:anthropic_api_key]')]).toEqual([
        !policy.enabled,
        policy.enabled,
      ]);
      expect(risen).toBeLessThan(LIMIT);
    },
    180_000 * Math.max(1, MEGABYTES / 100),
  );
});
