import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Client, createRepo, signUp } from '../support/client.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';

describe('the log', () => {
  let database: TestDatabase;
  let folder: string;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'roundhouse-logs-'));
    server = await startServerProcess({ DATA_DIR: folder, DATABASE_URL: database.url, LOG_LEVEL: 'trace' });
  });

  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('tells what of a workspace a session was refused, which its client is not told', async () => {
    const alice = await signUp(server);
    const { id } = (await alice.post('/v1/sessions', { file_access: { read: ['a'] } })).body as { id: string };
    expect((await alice.get(`/v1/sessions/${id}/files/b/secret`)).status).toBe(403);
    expect((await alice.get(`/v1/sessions/${id}/files/a/missing`)).status).toBe(404);
    while (!server.output().includes('is not in scope')) await sleep(20);
    const lines = server.output().split('\n');
    const told = lines.filter((line) => line.includes('is not in scope')).map((line) => JSON.parse(line) as object);
    expect(told).toMatchObject([{ sandboxId: id, path: 'b/secret' }]);
  });

  it('names request, account and key of a call, and never holds keys, bodies or query strings', async () => {
    const alice = await signUp(server);
    await createRepo(alice, 'demo');
    const changes = [{ path: 'secret.txt', content: 'the-content-of-a-file' }];
    await alice.post('/v1/repos/demo/commits', { branch: 'main', message: 'the-commit-message', changes });
    const basic = Buffer.from(`me:${alice.key}`).toString('base64');
    await new Client(server.url, null).get('/v1/repos?token=the-query-secret', { authorization: `Basic ${basic}` });
    const answer = await alice.get('/v1/repos/demo');
    const requestId = answer.headers.get('x-request-id') ?? 'none';
    const adminKey = (await readFile(join(folder, 'admin.key'), 'utf8')).trim();
    while (!server.output().includes(requestId)) await sleep(20);

    const lines = server
      .output()
      .split('\n')
      .filter((line) => line.includes(`"request_id":"${requestId}"`));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ key: alice.keyId, dialect: 'git', res: { status: 200 } });
    for (const secret of [
      alice.key ?? '',
      basic,
      adminKey,
      'the-content-of-a-file',
      'the-commit-message',
      'the-query-secret',
    ]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(server.output()).not.toContain(secret);
    }
  });
});
