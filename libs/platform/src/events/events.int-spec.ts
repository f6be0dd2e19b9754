import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { Database } from '../database/database.js';
import { type EventCursor, Events, EVENTS_START, type RecordedEvent } from './events.js';

const SUBJECT = { accountId: null, kind: 'thing', id: '1' };

let database: TestDatabase;
let source: DataSource;
let db: Database;
let events: Events;

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  db = new Database(source);
  events = new Events(db);
});

beforeEach(async () => {
  await db.query('delete from event');
});

afterAll(async () => {
  await source.destroy();
  await database.drop();
});

const typesOf = (read: readonly RecordedEvent[]): string[] => read.map(({ type }) => type);

/** Reads until `count` events came: transactions of other databases on the server hold events back for a moment too. */
async function readAll(count: number, from: EventCursor = EVENTS_START): Promise<RecordedEvent[]> {
  const read: RecordedEvent[] = [];
  let cursor = from;
  while (read.length < count) {
    const next = await events.readAfter(cursor, 7);
    read.push(...next);
    const last = next.at(-1);
    if (last) cursor = { xid: last.xid, id: last.id };
    else await sleep(5);
  }
  return read;
}

it('an event is there with the effect it reports, or not at all', async () => {
  await db.transaction(() => events.record('repo.created', SUBJECT, { slug: 'a' }));
  const failing = db.transaction(async () => {
    await events.record('repo.lost', SUBJECT);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  const [event] = await readAll(1);
  expect(event).toMatchObject({ type: 'repo.created', subjectKind: 'thing', subjectId: '1', payload: { slug: 'a' } });
  expect(event?.at).toBeInstanceOf(Date);
  expect(typesOf(await events.readAfter(EVENTS_START, 10))).toEqual(['repo.created']);
});

it('events of one transaction keep their order', async () => {
  await db.transaction(async () => {
    await events.record('a.one', SUBJECT);
    await events.record('a.two', SUBJECT);
    await events.record('a.three', SUBJECT);
  });
  expect(typesOf(await readAll(3))).toEqual(['a.one', 'a.two', 'a.three']);
});

it('transactions are ordered as numbers, also where these grow longer', async () => {
  for (const type of ['nine.first', 'ten.second']) await db.transaction(() => events.record(type, SUBJECT));
  await db.query(`update event set xid = (case type when 'nine.first' then '9' else '10' end)::xid8`);
  expect(typesOf(await readAll(2))).toEqual(['nine.first', 'ten.second']);
});

it('events are held back while an older transaction is open, and follow it when it commits', async () => {
  const older = new pg.Client({ connectionString: database.url });
  await older.connect();
  try {
    await older.query('begin');
    await older.query(`insert into event (type, subject_kind, subject_id) values ('slow.first', 'thing', '1')`);
    await db.transaction(() => events.record('quick.second', SUBJECT));
    expect(await events.readAfter(EVENTS_START, 10)).toEqual([]);
    await older.query('commit');
    expect(typesOf(await readAll(2))).toEqual(['slow.first', 'quick.second']);
  } finally {
    await older.end();
  }
});

it('events are held back while an older transaction is open, and do not wait for it when it rolls back', async () => {
  const older = new pg.Client({ connectionString: database.url });
  await older.connect();
  try {
    await older.query('begin');
    await older.query('select pg_current_xact_id()');
    await db.transaction(() => events.record('quick.only', SUBJECT));
    expect(await events.readAfter(EVENTS_START, 10)).toEqual([]);
    await older.query('rollback');
    expect(typesOf(await readAll(1))).toEqual(['quick.only']);
  } finally {
    await older.end();
  }
});

it('a reader that follows many writers skips nothing, repeats nothing and keeps each one in order', async () => {
  const WRITERS = 6;
  const EACH = 25;
  const reading = readAll(WRITERS * EACH);
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let number = 0; number < EACH; number += 1) {
        await db.transaction(async () => {
          // Takes the transaction's number now and commits later, past others that began after it.
          await db.query('select pg_current_xact_id()');
          await sleep(randomInt(8));
          await events.record('load.written', { ...SUBJECT, id: String(writer) }, { number });
        });
      }
    }),
  );
  const read = await reading;
  expect(new Set(read.map(({ id }) => id)).size).toBe(WRITERS * EACH);
  for (let writer = 0; writer < WRITERS; writer += 1) {
    const numbers = read
      .filter(({ subjectId }) => subjectId === String(writer))
      .map(({ payload }) => payload['number']);
    expect(numbers).toEqual(Array.from({ length: EACH }, (_, number) => number));
  }
});
