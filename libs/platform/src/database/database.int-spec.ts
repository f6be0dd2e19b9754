import { AsyncLocalStorage } from 'node:async_hooks';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { Database } from './database.js';

describe('Database', () => {
  let database: TestDatabase;
  let source: DataSource;
  let db: Database;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    db = new Database(source);
  });

  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const event = (type: string): Record<string, unknown> => ({
    type,
    account_id: null,
    subject_kind: 'thing',
    subject_id: '1',
    payload: { text: 'it\'s "quoted"', list: [1, null] },
  });
  const audit = (action: string): Record<string, unknown> => ({
    actor_kind: 'system',
    action,
    subject_kind: 'thing',
    subject_id: '1',
    facts: {},
  });
  const types = async (prefix: string): Promise<string[]> => {
    const rows = await db.query<{ type: string }>('select type from event where starts_with(type, $1) order by id', [
      prefix,
    ]);
    return rows.map((row) => row.type);
  };

  it('writes what a transaction appends in its order, as the last statement, with what the database adds', async () => {
    await db.transaction(async () => {
      for (const type of ['order.c', 'order.a', 'order.b']) await db.append('event', event(type));
      await db.append('audit', audit('order.audit'));
      expect(await types('order.')).toEqual([]);
    });
    expect(await types('order.')).toEqual(['order.c', 'order.a', 'order.b']);
    const [row] = await db.query<Record<string, unknown>>(
      `select e.payload, e.at is not null as dated, e.xid = a.xid as together, a.account_id as account
         from event e, audit a where e.type = 'order.a' and a.action = 'order.audit'`,
    );
    expect(row).toEqual({ payload: event('').payload, dated: true, together: true, account: null });
  });

  it('appends nothing when the transaction rolls back', async () => {
    const failing = db.transaction(async () => {
      await db.append('event', event('lost.a'));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await types('lost.')).toEqual([]);
  });

  it('rolls back the effect when what it appends cannot be written', async () => {
    const failing = db.transaction(async () => {
      await db.query(`insert into event (type, subject_kind, subject_id) values ('half.a', 'thing', '1')`);
      await db.append('audit', { ...audit('half'), subject_id: null });
    });
    await expect(failing).rejects.toMatchObject({ code: '23502' });
    expect(await types('half.')).toEqual([]);
  });

  it('appends at once outside a transaction', async () => {
    await db.append('event', event('single.a'));
    expect(await types('single.')).toEqual(['single.a']);
  });

  it('prepares a statement once and takes other parameters each time', async () => {
    const sql = 'select $1::int + 1 as next, pg_backend_pid() as pid';
    const pids = await db.transaction(async () => {
      const first = await db.query<{ next: number; pid: number }>(sql, [1]);
      const second = await db.query<{ next: number; pid: number }>(sql, [41]);
      expect([first[0]?.next, second[0]?.next]).toEqual([2, 42]);
      const prepared = await db.query<{ count: string }>(
        'select count(*) from pg_prepared_statements where statement = $1',
        [sql],
      );
      expect(prepared[0]?.count).toBe('1');
      return [first[0]?.pid, second[0]?.pid];
    });
    expect(pids[0]).toBe(pids[1]);
  });

  it('refuses two statements at once inside a transaction, and any after its end', async () => {
    const twice = db.transaction(() => Promise.all([db.query('select 1'), db.query('select 2')]));
    await expect(twice).rejects.toThrow('two statements at once');
    let late: (() => Promise<unknown>) | undefined;
    await db.transaction(() => {
      const resume = AsyncLocalStorage.snapshot();
      late = () => resume(() => db.query('select 1'));
      return Promise.resolve();
    });
    await expect(late?.()).rejects.toThrow('has ended');
  });
});
