import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { SystemClock } from '#kernel';
import { Database, type PeriodicTasks } from '#platform';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import type { AgentOutcome, StoredEvent } from './agent-event.js';
import { newResponseId, type NewAgentRun } from './agent-run.js';
import { AgentRunsRepository } from './agent-runs.repository.js';
import { AgentRuns, type AgentWork, type RunningAgent } from './agent-runs.service.js';

const DONE: AgentOutcome = {
  type: 'completed',
  status: 'completed',
  reason: null,
  usage: { inputTokens: 1, outputTokens: 2 },
};
const accountId = randomUUID();
const userId = randomUUID();

let database: TestDatabase;
const open: Node[] = [];
let slots = 0;

/** One process of the deployment. */
class Node {
  readonly ended: [string, AgentOutcome][] = [];

  private constructor(
    readonly source: DataSource,
    readonly db: Database,
    readonly runs: AgentRuns,
  ) {
    runs.register('test', async (run, outcome) => {
      this.ended.push([run.id, outcome]);
      return Promise.resolve();
    });
  }

  static async open(): Promise<Node> {
    const source = await new DataSource({ type: 'postgres', url: database.url, poolSize: 4 }).initialize();
    const db = new Database(source);
    const clock = new SystemClock();
    const tasks = { register: () => undefined } as unknown as PeriodicTasks;
    const runs = new AgentRuns(db, new AgentRunsRepository(db), tasks, clock);
    const node = new Node(source, db, runs);
    open.push(node);
    return node;
  }

  /** What a crash leaves: nobody keeps the runs any more. */
  async lose(): Promise<void> {
    await this.db.query(`update agent_run set lease_expires_at = now() - interval '1 second' where ended_at is null`);
  }

  async begin(work: AgentWork, more: Partial<NewAgentRun> = {}): Promise<string> {
    const createdAt = new Date();
    const run = {
      id: newResponseId('msg_'),
      kind: 'test',
      accountId,
      userId,
      sandboxId: null,
      slot: `slot-${(slots += 1)}`,
      createdAt,
      deadlineAt: new Date(createdAt.getTime() + 60_000),
      ...more,
    };
    await this.db.transaction(() => this.runs.begin(run, work));
    return run.id;
  }

  async events(id: string, after = -1): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const batch of this.runs.follow(id, after, new AbortController().signal)) events.push(...batch);
    return events;
  }

  async close(): Promise<void> {
    await this.runs.beforeApplicationShutdown();
    await this.source.destroy();
  }
}

const outcomes = (events: readonly StoredEvent[]): unknown[] => events.slice(-1).map(({ data }) => data);

/** Until it is told to stop. */
function forever({ signal }: RunningAgent): Promise<AgentOutcome> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

let node: Node;
let other: Node;

beforeAll(async () => {
  database = await createTestDatabase();
  [node, other] = [await Node.open(), await Node.open()];
  await node.db.query(
    `with slug as (insert into account_slug (slug, account_id) values ('ada', $1))
     insert into account (id, kind, slug, tier) values ($1, 'personal', 'ada', 'free')`,
    [accountId],
  );
  await node.db.query(`insert into app_user (id, account_id, email) values ($1, $2, 'ada@example.com')`, [
    userId,
    accountId,
  ]);
});

afterAll(async () => {
  await Promise.all(open.map((each) => each.close()));
  await database.drop();
});

describe('a run', () => {
  it('is told in the order of its events, from any of them on, while it runs and after it, in every process', async () => {
    const id = await node.begin(async ({ emit }) => {
      for (let part = 0; part < 300; part += 1) {
        await emit({ type: 'text-delta', id: `t${part % 30}`, text: `${part} \0 \ud800 ` });
        if (part % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 60));
      }
      return DONE;
    });
    const [live, afar] = await Promise.all([node.events(id), other.events(id)]);
    expect(live.map(({ seq }) => seq)).toEqual(live.map((_, index) => index));
    expect(live[0]?.data).toEqual({ type: 'started' });
    expect(outcomes(live)).toEqual([DONE]);
    expect(live.flatMap(({ data }) => (data.type === 'text-delta' ? [data.text] : [])).join('')).toBe(
      Array.from({ length: 300 }, (_, part) => `${part} \0 \ud800 `).join(''),
    );
    expect(JSON.stringify(afar)).toBe(JSON.stringify(live));
    for (const after of [-1, 0, 7, live.length - 2, live.length - 1, live.length + 5])
      expect(await other.events(id, after)).toEqual(live.slice(after + 1));
  });

  it('stores parts of a text together that come faster than transactions', async () => {
    const id = await node.begin(async ({ emit }) => {
      for (let part = 0; part < 5_000; part += 1) await emit({ type: 'text-delta', id: 't', text: 'x' });
      return DONE;
    });
    const events = await node.events(id);
    expect(events.length).toBeLessThan(200);
    expect(events.reduce((sum, { data }) => sum + (data.type === 'text-delta' ? data.text.length : 0), 0)).toBe(5_000);
  });

  it('holds its slot alone, however many begin at once, until it has ended', async () => {
    const slot = 'contested';
    const begun = await Promise.allSettled([node, other, node, other].map((each) => each.begin(forever, { slot })));
    const won = begun.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(won).toHaveLength(1);
    for (const result of begun)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ reason: 'session.busy' });
    expect(await node.runs.cancel(accountId, won[0]!)).toBe(true);
    expect(outcomes(await node.events(won[0]!))).toEqual([{ type: 'cancelled' }]);
    expect(await other.runs.cancel(accountId, won[0]!)).toBe(false);
    expect(outcomes(await node.events(await node.begin(() => Promise.resolve(DONE), { slot })))).toEqual([DONE]);
  });

  it('is cancelled from another process', async () => {
    const id = await node.begin(forever);
    expect(await other.runs.cancel(accountId, id)).toBe(true);
    expect(outcomes(await other.events(id))).toEqual([{ type: 'cancelled' }]);
  });

  it('fails with what its work failed with, and tells no secrets of a failure of ours', async () => {
    const id = await node.begin(() => Promise.reject(new Error('password=1')));
    expect(outcomes(await node.events(id))).toEqual([
      { type: 'failed', error: 'internal', message: 'Internal server error' },
    ]);
  });

  it('is ended by a process that shuts down', async () => {
    const leaving = await Node.open();
    const id = await leaving.begin(forever);
    await leaving.runs.beforeApplicationShutdown();
    expect(outcomes(await node.events(id))).toMatchObject([{ type: 'failed', error: 'interrupted' }]);
  });

  it('is not given up by its own process, which only stood still', async () => {
    const slot = 'still';
    const id = await node.begin(forever, { slot });
    await node.lose();
    expect(await node.runs.reclaim()).toBe(0);
    await expect(node.begin(forever, { slot })).rejects.toMatchObject({ reason: 'session.busy' });
    await node.runs.cancel(accountId, id);
    expect(outcomes(await node.events(id))).toEqual([{ type: 'cancelled' }]);
  });

  it('does what is to be done after its end also when that was said too late', async () => {
    let agent!: RunningAgent;
    await node.begin((given) => {
      agent = given;
      return Promise.resolve(DONE);
    });
    await new Promise<void>((resolve) => agent.afterEnd(resolve));
    await new Promise<void>((resolve) => agent.afterEnd(resolve));
  });

  it('ends with its deadline', async () => {
    const id = await node.begin(forever, { deadlineAt: new Date(Date.now() + 50) });
    expect(outcomes(await node.events(id))).toMatchObject([{ type: 'failed', error: 'session.expired' }]);
  });
});

describe('a run whose process is gone', () => {
  it.each<[string, (id: string, slot: string) => Promise<unknown>]>([
    ['by who follows it', (id) => other.events(id)],
    [
      'by who wants its slot',
      async (_, slot) => other.events(await other.begin(() => Promise.resolve(DONE), { slot })),
    ],
    ['by the round that looks for such', () => other.runs.reclaim()],
  ])('is ended %s, once, and takes nothing more', async (_, meet) => {
    const slot = `slot-${(slots += 1)}`;
    let running: RunningAgent | undefined;
    const id = await node.begin(
      (agent) => {
        running = agent;
        return forever(agent);
      },
      { slot },
    );
    await node.lose();
    await meet(id, slot);
    const events = await other.events(id);
    expect(events.map(({ data }) => data)).toMatchObject([
      { type: 'started' },
      { type: 'failed', error: 'interrupted' },
    ]);
    await running?.emit({ type: 'text-delta', id: 't', text: 'too late' }).catch(() => undefined);
    await expect(node.begin(() => Promise.resolve(DONE), { slot })).resolves.toEqual(expect.any(String));
    expect(await node.events(id)).toEqual(events);
    expect([...node.ended, ...other.ended].filter(([ended]) => ended === id)).toHaveLength(1);
  });
});
