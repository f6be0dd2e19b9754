import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { Metrics } from '../telemetry/metrics.js';
import { EventConsumerGauges } from './event-consumer-gauges.js';
import { type EventConsumer, EventConsumers } from './event-consumers.js';
import { EventConsumersRepository } from './event-consumers.repository.js';
import { Events } from './events.js';

const SUBJECT = { accountId: null, kind: 'thing', id: '1' };

let database: TestDatabase;
let node: Node;
const nodes: Node[] = [];
let names = 0;

/** One process of the deployment. */
class Node {
  private constructor(
    readonly source: DataSource,
    readonly db: Database,
    readonly events: Events,
    readonly positions: EventConsumersRepository,
    readonly consumers: EventConsumers,
  ) {}

  static async open(mode: AppConfig['APP_MODE'] = 'all'): Promise<Node> {
    const source = await new DataSource({ type: 'postgres', url: database.url, poolSize: 4 }).initialize();
    const db = new Database(source);
    const events = new Events(db);
    const positions = new EventConsumersRepository(db);
    const config = Object.assign(new AppConfig(), { APP_MODE: mode });
    const opened = new Node(source, db, events, positions, new EventConsumers(events, positions, config));
    nodes.push(opened);
    return opened;
  }

  async start(...consumers: readonly EventConsumer[]): Promise<void> {
    for (const consumer of consumers) this.consumers.register(consumer);
    await this.consumers.onApplicationBootstrap();
  }

  async close(): Promise<void> {
    await this.consumers.beforeApplicationShutdown();
    if (this.source.isInitialized) await this.source.destroy();
  }

  record(type: string, number = 0): Promise<void> {
    return this.db.transaction(() => this.events.record(type, SUBJECT, { number }));
  }
}

/** Notes what it is given; `work` may fail or wait first. */
function noting(seen: number[], type: string, work: (number: number) => unknown = () => undefined): EventConsumer {
  return {
    name: `noting-${(names += 1)}`,
    types: [type],
    from: 'now',
    handle: async ({ payload }) => {
      const number = Number(payload['number']);
      await work(number);
      seen.push(number);
    },
  };
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await sleep(10);
}

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createTestDatabase();
});

beforeEach(async () => {
  node = await Node.open();
});

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((each) => each.close()));
});

afterAll(() => database.drop());

describe('a consumer of the event log', () => {
  it('is given every event of its types in order, and none of others', async () => {
    const seen: number[] = [];
    await node.start(noting(seen, 'a.happened'));
    for (let number = 1; number <= 120; number += 1) {
      await node.record('b.happened', -number);
      await node.record('a.happened', number);
    }
    await until(() => seen.length >= 120);
    expect(seen).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
  });

  it('that is new begins with the whole log, or with what happens from then on', async () => {
    const all: number[] = [];
    const later: number[] = [];
    await node.record('old.happened', 1);
    await node.start({ ...noting(all, 'old.happened'), from: 'start' });
    // Settled by now: what is still in doubt, for a transaction that is open anywhere, counts as later.
    await until(() => all.length === 1);
    await (await Node.open()).start(noting(later, 'old.happened'));
    await node.record('old.happened', 2);
    await until(() => all.length === 2 && later.length === 1);
    expect([all, later]).toEqual([[1, 2], [2]]);
  });

  it('is found by a node that only polls, and runs on no node that serves requests only', async () => {
    const seen: number[] = [];
    const consumer = noting(seen, 'polled.happened');
    const api = await Node.open('api');
    await api.start({ ...consumer, handle: () => Promise.reject(new Error('not here')) });
    await api.record('polled.happened', 7);
    await node.start(consumer);
    await until(() => seen.length === 1);
    await api.record('polled.happened', 8);
    await until(() => seen.length === 2);
    expect(seen).toEqual([7, 8]);
  });

  it('runs on one node at a time, and each event is handled once by two nodes that want it', async () => {
    const seen: number[] = [];
    let atOnce = 0;
    let most = 0;
    const consumer = noting(seen, 'shared.happened', async () => {
      most = Math.max(most, (atOnce += 1));
      await sleep(2);
      atOnce -= 1;
    });
    const other = await Node.open();
    await node.start(consumer);
    await other.start(consumer);
    await Promise.all(
      Array.from({ length: 40 }, (_, number) => (number % 2 ? node : other).record('shared.happened', number)),
    );
    await until(() => seen.length >= 40);
    expect(most).toBe(1);
    expect(new Set(seen).size).toBe(40);
    expect(seen).toHaveLength(40);
  });

  it('learns of an event only when its transaction commits, and of none that was rolled back', async () => {
    const seen: number[] = [];
    await node.start(noting(seen, 'careful.happened'));
    const failing = node.db.transaction(async () => {
      await node.events.record('careful.happened', SUBJECT, { number: 1 });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await node.record('careful.happened', 2);
    await until(() => seen.length === 1);
    expect(seen).toEqual([2]);
  });
});

describe('a consumer that fails', () => {
  it('is tried again on the same event, shown in the metrics, and holds no other consumer up', async () => {
    const seen: number[] = [];
    const others: number[] = [];
    let isBroken = true;
    const consumer = noting(seen, 'hard.happened', (number) => {
      if (isBroken && number === 2) throw new Error('the index is away');
    });
    await node.start(consumer, noting(others, 'hard.happened'));
    const metrics = new Metrics();
    new EventConsumerGauges(metrics, node.positions).onModuleInit();
    for (const number of [1, 2, 3]) await node.record('hard.happened', number);
    const failures = async (): Promise<number> =>
      Number(
        new RegExp(`event_consumer_failures\\{consumer="${consumer.name}"\\} (\\d+)`).exec(
          await metrics.registry.metrics(),
        )?.[1],
      );
    await until(async () => others.length === 3 && (await failures()) >= 1);
    expect(seen).toEqual([1]);
    const failing = (await node.positions.states()).find(({ name }) => name === consumer.name);
    expect(failing?.lagSeconds).toBeGreaterThan(0);
    isBroken = false;
    await until(() => seen.length === 3);
    expect(seen).toEqual([1, 2, 3]);
    await until(async () => (await failures()) === 0);
  });

  it('by dying between effect and position is given the event again, on another node once its lease is over', async () => {
    const effects: number[] = [];
    const consumer = noting([], 'fatal.happened');
    const victim = await Node.open();
    const died = new Promise<void>((resolve) => {
      void victim.start({
        ...consumer,
        handle: async ({ payload }) => {
          effects.push(Number(payload['number']));
          if (payload['number'] !== 2) return;
          await victim.source.destroy();
          resolve();
        },
      });
    });
    await until(async () => (await node.positions.states()).some(({ name }) => name === consumer.name));
    for (const number of [1, 2, 3]) await node.record('fatal.happened', number);
    await died;
    const seen: number[] = [];
    await node.start({ ...consumer, handle: async ({ payload }) => void seen.push(Number(payload['number'])) });
    expect(await node.positions.claim(consumer.name, '00000000-0000-4000-8000-000000000000')).toBeNull();
    // Time passes: the lease of the dead node ends.
    await node.db.query('update event_consumer set lease_until = now() where name = $1', [consumer.name]);
    await until(() => seen.length === 2);
    expect([effects, seen]).toEqual([
      [1, 2],
      [2, 3],
    ]);
  });
});

describe('the end of a process', () => {
  it('waits for the event being handled, and leaves the next one to another node at once', async () => {
    const seen: number[] = [];
    const taken: number[] = [];
    const consumer = noting(seen, 'last.happened');
    const leaving = await Node.open();
    let finish = (): void => undefined;
    const inside = new Promise<void>((resolve) => {
      void leaving.start({
        ...consumer,
        handle: async ({ payload }, signal) => {
          resolve();
          await new Promise<void>((done) => (finish = done));
          expect(signal.aborted).toBe(true);
          seen.push(Number(payload['number']));
        },
      });
    });
    await until(async () => (await node.positions.states()).some(({ name }) => name === consumer.name));
    await node.record('last.happened', 1);
    await node.record('last.happened', 2);
    await inside;
    const gone = leaving.close();
    finish();
    await gone;
    await node.start({ ...consumer, handle: async ({ payload }) => void taken.push(Number(payload['number'])) });
    await until(() => taken.length === 1);
    expect([seen, taken]).toEqual([[1], [2]]);
  });
});

it('on another database server, where transaction ids begin anew, a consumer goes on where it was', async () => {
  const seen: number[] = [];
  const consumer = { ...noting(seen, 'moved.happened'), from: 'start' as const };
  await node.start(consumer);
  await node.record('moved.happened', 1);
  await until(() => seen.length === 1);
  await node.consumers.beforeApplicationShutdown();
  // What a restore leaves: positions and events of transactions that this server has yet to come to.
  await node.record('moved.happened', 2);
  await node.db.query(
    `update event set xid = (xid::text::numeric + 1000000000)::text::xid8 where type = 'moved.happened'`,
  );
  await node.db.query(
    `update event_consumer set cluster = 'elsewhere', xid = (select xid from event
       where type = 'moved.happened' order by id limit 1) where name = $1`,
    [consumer.name],
  );
  const restored = await Node.open();
  await restored.start(consumer);
  await restored.record('moved.happened', 3);
  await until(() => seen.length === 3);
  expect(seen).toEqual([1, 2, 3]);
});
