import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { Database, type Transaction } from './database.js';

let database: TestDatabase;
let source: DataSource;
let db: Database;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url, poolSize: 4 }).initialize();
  db = new Database(source);
  await db.query('create table note (name text primary key, value integer not null default 0)');
});

afterEach(async () => {
  jest.restoreAllMocks();
  await db.query('delete from note');
});

afterAll(async () => {
  await source.destroy();
  await database.drop();
});

const write = (name: string): Promise<unknown[]> => db.query('insert into note (name) values ($1)', [name]);

async function names(): Promise<string[]> {
  const rows = await db.query<{ name: string }>('select name from note order by name');
  return rows.map(({ name }) => name);
}

/** Fails as PostgreSQL would. */
const failWith = (state: string): Promise<unknown> =>
  db.query(`do $$ begin raise exception 'forced' using errcode = '${state}'; end $$`);

describe('a transaction', () => {
  it('is joined by those opened inside it: all or nothing', async () => {
    const pid = async (): Promise<number | undefined> =>
      (await db.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid;
    const failing = db.transaction(async () => {
      const outer = await pid();
      await db.transaction(async () => {
        await write('inner');
        expect(await pid()).toBe(outer);
      });
      await write('outer');
      throw new Error('after both');
    });
    await expect(failing).rejects.toThrow('after both');
    expect(await names()).toEqual([]);
  });

  it('is invisible to others until it ends', async () => {
    await db.transaction(async () => {
      await write('mine');
      expect(await names()).toEqual(['mine']);
      expect(await db.detached(names)).toEqual([]);
    });
    expect(await names()).toEqual(['mine']);
  });

  it('leaves its connection clean when a statement was still running as it failed', async () => {
    for (let round = 0; round < 8; round += 1) {
      const failing = db.transaction(() => Promise.all([db.query('select pg_sleep(0.02)'), write('second')]));
      await expect(failing).rejects.toThrow('two statements at once');
    }
    const states = await db.query<{ state: string }>(
      `select state from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'`,
    );
    expect(states).toEqual([]);
  });

  it('takes nothing after its end: no statement, no appended row, no follow-up', async () => {
    let resume: ((work: () => unknown) => unknown) | undefined;
    let ended: Transaction | undefined;
    await db.transaction((tx) => {
      resume = AsyncLocalStorage.snapshot() as typeof resume;
      ended = tx;
      return Promise.resolve();
    });
    await expect(resume!(() => write('late'))).rejects.toThrow('has ended');
    await expect(resume!(() => db.append('event', {}))).rejects.toThrow('has ended');
    expect(() => ended!.afterCommit(() => undefined)).toThrow('has ended');
    expect(await names()).toEqual([]);
  });

  it('that ran longer than 10 s keeps nothing', async () => {
    const failing = db.transaction(async () => {
      await write('slow');
      const later = Date.now() + 10_001;
      jest.spyOn(Date, 'now').mockReturnValue(later);
    });
    await expect(failing).rejects.toMatchObject({ code: 'timeout', message: 'The write took too long; retry' });
    jest.restoreAllMocks();
    expect(await names()).toEqual([]);
  });
});

describe('a repeated transaction', () => {
  it.each(['40001', '40P01'])('succeeds after two failures with %s, with one effect', async (state) => {
    const followed: number[] = [];
    let attempts = 0;
    const result = await db.transaction(async (tx) => {
      attempts += 1;
      const attempt = attempts;
      tx.afterCommit(() => void followed.push(attempt));
      await write('once');
      if (attempt < 3) await failWith(state);
      return attempt;
    });
    expect(result).toBe(3);
    expect(followed).toEqual([3]);
    expect(await names()).toEqual(['once']);
  });

  it('gives up after three attempts', async () => {
    let attempts = 0;
    const failing = db.transaction(async () => {
      attempts += 1;
      await failWith('40001');
    });
    await expect(failing).rejects.toThrow('forced');
    expect(attempts).toBe(3);
  });

  it('is not one that failed for another reason', async () => {
    let attempts = 0;
    const failing = db.transaction(async () => {
      attempts += 1;
      await write('twice');
      await write('twice');
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect(attempts).toBe(1);
  });

  it('resolves a real deadlock', async () => {
    await write('a');
    await write('b');
    let attempts = 0;
    const both = (first: string, second: string): Promise<void> =>
      db.transaction(async () => {
        attempts += 1;
        await db.query('update note set value = value + 1 where name = $1', [first]);
        await sleep(100);
        await db.query('update note set value = value + 1 where name = $1', [second]);
      });
    await Promise.all([both('a', 'b'), both('b', 'a')]);
    // Two that began, and one chosen as the victim at least once: on a busy machine the repeat may meet the winner again.
    expect(attempts).toBeGreaterThanOrEqual(3);
    expect(attempts).toBeLessThanOrEqual(8);
    expect(await db.query('select name, value from note order by name')).toEqual([
      { name: 'a', value: 2 },
      { name: 'b', value: 2 },
    ]);
  });
});

describe('work after the commit', () => {
  it('runs in order, outside the transaction, and sees its effect', async () => {
    const seen: unknown[] = [];
    await db.transaction(async (tx) => {
      tx.afterCommit(async () => {
        await sleep(5);
        seen.push('first', await names(), db.inTransaction);
      });
      await db.transaction(async (inner) => {
        inner.afterCommit(() => void seen.push('second'));
        await write('done');
      });
      expect(seen).toEqual([]);
    });
    expect(seen).toEqual(['first', ['done'], false, 'second']);
  });

  it('does not run when the transaction rolls back', async () => {
    const seen: string[] = [];
    const failing = db.transaction((tx) => {
      tx.afterCommit(() => void seen.push('ran'));
      return Promise.reject(new Error('no'));
    });
    await expect(failing).rejects.toThrow('no');
    expect(seen).toEqual([]);
  });

  it('undoes nothing and stops nothing when it fails', async () => {
    const seen: string[] = [];
    await db.transaction(async (tx) => {
      tx.afterCommit(() => Promise.reject(new Error('mail server away')));
      tx.afterCommit(() => void seen.push('next'));
      await write('kept');
    });
    expect(seen).toEqual(['next']);
    expect(await names()).toEqual(['kept']);
  });
});
