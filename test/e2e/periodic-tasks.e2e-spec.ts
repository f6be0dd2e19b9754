import { setTimeout } from 'node:timers/promises';
import { getQueueToken } from '@nestjs/bullmq';
import type { DynamicModule } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { AppModule } from '../../apps/server/src/app.module.js';
import { Database, type PeriodicTask, PeriodicTasks } from '../../libs/platform/src/index.js';
import { admin } from '../support/client.js';
import { type RootModule, startOn, startTestServer, type TestServer } from '../support/server.js';

/** The application with tasks of the test's own. */
function withTasks(...tasks: PeriodicTask[]): RootModule {
  return (config) => {
    class Tasked {
      constructor(registry: PeriodicTasks) {
        for (const task of tasks) registry.register(task);
      }
    }
    Reflect.defineMetadata('design:paramtypes', [PeriodicTasks], Tasked);
    const module: DynamicModule = { module: Tasked, imports: [AppModule.forRoot(config)] };
    return module;
  };
}

const LONG = 3_600_000;
const rounds: string[] = [];
let running = 0;
let most = 0;
let isBroken = true;

/** Takes longer than its interval, so that another node's turn comes while it runs. */
const slow = (node: string): PeriodicTask => ({
  name: 'test.slow',
  everyMs: 200,
  run: async () => {
    rounds.push(node);
    running += 1;
    most = Math.max(most, running);
    await setTimeout(700);
    running -= 1;
  },
});
const broken: PeriodicTask = {
  name: 'test.broken',
  everyMs: LONG,
  run: async () => {
    if (isBroken) throw new Error('nothing works today');
  },
};

let server: TestServer;
let other: TestServer;

beforeAll(async () => {
  server = await startTestServer({}, withTasks(slow('one'), broken));
  other = await startOn(server.databaseUrl, server.dataDir, {}, withTasks(slow('two'), broken));
});

afterAll(async () => {
  await other.close();
  await server.close();
});

const queueOf = ({ app }: TestServer): Queue => app.get<Queue>(getQueueToken('platform.periodic'), { strict: false });

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(50);
}

it('runs one round of a task at a time, though every node would', async () => {
  await until(() => rounds.length >= 4);
  expect(most).toBe(1);
  await until(async () => {
    const metrics = await Promise.all([server, other].map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    return /roundhouse_periodic_rounds_total\{task="test.slow",outcome="skipped"\} [1-9]/.test(metrics.join('\n'));
  });
  expect(most).toBe(1);
});

it('shows a failed round to administrators and in metrics, and the next one repairs it', async () => {
  const root = await admin(server);
  const failures = async () => (await root.get('/api/v1/admin/jobs/failed?queue=platform.periodic')).body;
  await until(async () => (await failures()).total > 0);
  const { jobs } = await failures();
  expect(jobs).toMatchObject([{ name: 'test.broken', failed_reason: 'nothing works today', attempts: 1 }]);
  isBroken = false;
  await root.post(`/api/v1/admin/jobs/platform.periodic/${encodeURIComponent(jobs[0].id)}/retry`);
  await until(async () => (await failures()).total === 0);
});

it('runs a round at once where it is asked to, and knows no task twice or by a wrong name', async () => {
  const tasks = server.app.get(PeriodicTasks);
  expect(await tasks.runNow('blobs.sweep')).toBe(0);
  await expect(tasks.runNow('no.such')).rejects.toThrow('No periodic task');
  expect(() => tasks.register(broken)).toThrow('test.broken');
});

it('forgets a task that the next version does not have, and leaves the rounds of the others where they were', async () => {
  const nextOf = async (name: string) => (await queueOf(server).getJobScheduler(name))?.next;
  const before = await nextOf('test.broken');
  expect(before).toEqual(expect.any(Number));
  await other.close();
  other = await startOn(server.databaseUrl, server.dataDir, {}, withTasks(broken));
  expect(await nextOf('test.broken')).toBe(before);
  expect(await nextOf('test.slow')).toBeUndefined();
});

it('begins a schedule anew whose next round was lost', async () => {
  const queue = queueOf(server);
  const { app } = server;
  const db = app.get(Database);
  await db.query('delete from jobs.job where scheduler_id = $1', [broken.name]);
  await db.query('update jobs.scheduler set next_run_ms = next_run_ms - 7200000 where scheduler_id = $1', [
    broken.name,
  ]);
  await app.get(PeriodicTasks).schedule();
  const next = (await queue.getJobScheduler(broken.name))!.next!;
  expect(next).toBeGreaterThan(Date.now());
  expect(await queue.getJob(`repeat:${broken.name}:${next}`)).toBeDefined();
});

it('schedules nothing and runs nothing in a process that only answers requests', async () => {
  const seen: string[] = [];
  const extra: PeriodicTask = { name: 'test.extra', everyMs: LONG, run: async () => seen.push('round') };
  const api = await startOn(server.databaseUrl, server.dataDir, { APP_MODE: 'api' }, withTasks(extra));
  expect(await queueOf(api).getJobScheduler('test.extra')).toBeUndefined();
  expect(await queueOf(api).getJobScheduler('test.broken')).toBeDefined();
  await queueOf(api).add('test.extra', {}, { attempts: 1 });
  const failure = async (): Promise<string | undefined> =>
    (await queueOf(server).getFailed()).find(({ name }) => name === 'test.extra')?.failedReason;
  await until(async () => (await failure()) !== undefined);
  expect(await failure()).toContain('knows no periodic task called test.extra');
  expect(seen).toEqual([]);
  await api.close();
});
