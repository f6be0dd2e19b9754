import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { Database } from '../database/database.js';
import { type ClaimedMail, MailOutboxRepository } from './mail-outbox.repository.js';

const FACTS = { token: 'secret', expiresAt: '2026-11-23T00:00:00.000Z' };

let database: TestDatabase;
let source: DataSource;
let db: Database;
let outbox: MailOutboxRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  db = new Database(source);
  outbox = new MailOutboxRepository(db);
});

beforeEach(async () => {
  await db.query('delete from mail');
});

afterAll(async () => {
  await source.destroy();
  await database.drop();
});

async function queue(): Promise<string> {
  const id = randomUUID();
  await outbox.insert({ id, recipient: 'a@example.com', template: 'verification', facts: FACTS, origin: null });
  return id;
}

async function claimOne(): Promise<ClaimedMail> {
  const [mail] = await outbox.claim(1);
  return mail!;
}

const endLease = (id: string): Promise<unknown> => db.query('update mail set next_try_at = now() where id = $1', [id]);

describe('a claimed mail', () => {
  it('is nobody else’s until its lease ends, and then counts another attempt', async () => {
    const id = await queue();
    expect(await claimOne()).toMatchObject({ id, recipient: 'a@example.com', facts: FACTS, attempts: 1 });
    expect(await outbox.claim(5)).toEqual([]);
    await endLease(id);
    expect(await claimOne()).toMatchObject({ id, attempts: 2 });
  });

  it('is settled by its last holder alone', async () => {
    const id = await queue();
    const late = await claimOne();
    await endLease(id);
    const holder = await claimOne();
    await outbox.markFailed(late, 'too late');
    await outbox.tryLater(late, 0, 'too late');
    await outbox.markSent(late, 'file');
    expect(await outbox.find([id])).toEqual([{ id, state: 'waiting', sentBy: null, lastError: null }]);
    await outbox.markSent(holder, 'smtp');
    await outbox.markFailed(holder, 'after all');
    expect(await outbox.find([id])).toEqual([{ id, state: 'sent', sentBy: 'smtp', lastError: null }]);
  });

  it('is passed over, not waited for, while another node takes it', async () => {
    const [first, second] = [await queue(), await queue()];
    await db.transaction(async () => {
      const [taken] = await outbox.claim(1);
      const others = await db.detached(() => outbox.claim(5));
      expect([taken!.id, ...others.map(({ id }) => id)].sort()).toEqual([first, second].sort());
    });
  });
});

describe('sweeping', () => {
  it('forgets what was settled a month ago and nothing that waits', async () => {
    const [sent, failed, waiting, young] = [await queue(), await queue(), await queue(), await queue()];
    for (const mail of await outbox.claim(4)) {
      if (mail.id === failed) await outbox.markFailed(mail, 'no');
      else if (mail.id !== waiting) await outbox.markSent(mail, 'smtp');
    }
    await db.query(`update mail set created_at = now() - interval '31 days' where id <> $1`, [young]);
    expect(await outbox.sweep()).toBe(2);
    const left = await db.query<{ id: string }>('select id from mail');
    expect(left.map(({ id }) => id).sort()).toEqual([waiting, young].sort());
    expect(await outbox.find([sent])).toEqual([]);
  });
});
