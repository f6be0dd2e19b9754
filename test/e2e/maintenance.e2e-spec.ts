import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import { type MaintainRepo, MaintenanceJobs } from '../../libs/repos/src/maintenance.jobs.js';
import { RefProjector } from '../../libs/repos/src/ref-projector.js';
import { type Client, createRepo, signUp } from '../support/client.js';
import { eventually } from '../support/pinned-sessions.js';
import { hasRedis, startRedis, type TestRedis } from '../support/redis.js';
import { startTestServer, type TestServer } from '../support/server.js';

const PACKS_BEFORE_MAINTENANCE = 6;

function repositoryOf(server: TestServer): string {
  const root = join(server.dataDir, 'repos');
  const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith('.git'));
  if (!found) throw new Error('no repository on disk');
  return join(root, found);
}

const packsIn = (directory: string): number =>
  readdirSync(join(directory, 'objects', 'pack')).filter((name) => name.endsWith('.pack')).length;

/** Bytes of packs and their indexes. */
const packBytesIn = (directory: string): number =>
  readdirSync(join(directory, 'objects', 'pack'))
    .filter((name) => /\.(pack|idx)$/.test(name))
    .reduce((bytes, name) => bytes + statSync(join(directory, 'objects', 'pack', name)).size, 0);

async function commitMany(client: Client, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const changes = [{ path: `file-${index}.txt`, content: `content ${index}\n` }];
    const answer = await client.post('/v1/repos/demo/commits', { branch: 'main', message: `Commit ${index}`, changes });
    expect(answer.status).toBe(201);
  }
}

/** Commits until a maintenance job is due, waits for it, and checks that nothing but the number of packs changed. */
async function expectMaintenance(server: TestServer): Promise<void> {
  const client = await signUp(server);
  await createRepo(client, 'demo');
  await commitMany(client, PACKS_BEFORE_MAINTENANCE);
  const directory = repositoryOf(server);
  await eventually(() => Promise.resolve(packsIn(directory) <= 2));
  execFileSync('git', ['-C', directory, 'fsck', '--strict'], { stdio: 'pipe' });
  const history = await client.get('/v1/repos/demo/commits?limit=100');
  expect(history.body.commits).toHaveLength(PACKS_BEFORE_MAINTENANCE + 1);
  // What the account is told it stores follows what the repack left, to the KiB that git counts in.
  await eventually(async () => {
    const { body } = await client.get('/v1/usage');
    return Math.abs((body.storage_bytes as number) - packBytesIn(directory)) <= 1_024;
  });
}

describe('maintenance jobs', () => {
  it('write the refs on disk anew before they decide what is reachable', async () => {
    const server = await startTestServer();
    try {
      const client = await signUp(server);
      await createRepo(client, 'demo');
      await commitMany(client, 2);
      const directory = repositoryOf(server);
      const repo = await client.get('/v1/repos/demo');
      await server.app.get(RefProjector).catchUp(repo.body.id as string);
      const projected = readFileSync(join(directory, 'packed-refs'), 'utf8');
      // What a power cut leaves of a file that was renamed into place and never synced.
      writeFileSync(join(directory, 'packed-refs'), '');
      await server.app.get(MaintenanceJobs).process({ data: { repoId: repo.body.id as string } } as Job<MaintainRepo>);
      expect(readFileSync(join(directory, 'packed-refs'), 'utf8')).toBe(projected);
    } finally {
      await server.close();
    }
  });

  it('roll the packs of a busy repository up, on the PostgreSQL backend', async () => {
    const server = await startTestServer({ MAINTENANCE_PACKS: String(PACKS_BEFORE_MAINTENANCE) });
    try {
      await expectMaintenance(server);
    } finally {
      await server.close();
    }
  });

  it('are left to others by a process that only serves requests, and wait for one that runs jobs', async () => {
    const server = await startTestServer({ MAINTENANCE_PACKS: '3', APP_MODE: 'api' });
    try {
      const client = await signUp(server);
      await createRepo(client, 'demo');
      await commitMany(client, 4);
      await sleep(1_500);
      expect(packsIn(repositoryOf(server))).toBeGreaterThanOrEqual(4);
    } finally {
      await server.close();
    }
  });

  // redis-server is installed by .ci/run where it can; without it the Redis backend cannot be tried.
  (hasRedis() ? it : it.skip)('run on Redis when REDIS_URL is set', async () => {
    const redis: TestRedis = await startRedis();
    const server = await startTestServer({ MAINTENANCE_PACKS: String(PACKS_BEFORE_MAINTENANCE), REDIS_URL: redis.url });
    try {
      await expectMaintenance(server);
    } finally {
      await server.close();
      await redis.close();
    }
  });
});
