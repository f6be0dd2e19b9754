import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import type { Principal } from '../access/principal.js';
import { Database } from '../database/database.js';
import { runInContext } from '../http/request-context.js';
import { Audit } from './audit.js';

const CALLER: Principal = Object.freeze({
  kind: 'user_key',
  keyId: randomUUID(),
  userId: randomUUID(),
  accountId: randomUUID(),
  accountSlug: 'someone',
  keyName: null,
  orgId: null,
  projectIds: null,
  tier: 'free',
  scopes: new Set(['*']),
  isAdmin: false,
  pinnedSessionId: null,
});
const SUBJECT = { accountId: CALLER.accountId, kind: 'repo', id: 'r1' };

let database: TestDatabase;
let source: DataSource;
let db: Database;
let audit: Audit;

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  db = new Database(source);
  audit = new Audit(db);
});

beforeEach(async () => {
  await db.query('delete from audit');
});

afterAll(async () => {
  await source.destroy();
  await database.drop();
});

const rows = (): Promise<Record<string, unknown>[]> => db.query('select * from audit order by xid, id');

const inRequest = <T>(work: () => Promise<T>): Promise<T> =>
  runInContext({ requestId: 'abcd1234', address: '192.0.2.7', queries: 0 }, work);

it('a row says who did what to which thing, from where and in which request', async () => {
  await inRequest(() => db.transaction(() => audit.record(CALLER, 'repo.create', SUBJECT, { slug: 'a' })));
  expect(await rows()).toMatchObject([
    {
      account_id: CALLER.accountId,
      actor_kind: 'user_key',
      actor_user_id: CALLER.userId,
      actor_key_id: CALLER.keyId,
      action: 'repo.create',
      subject_kind: 'repo',
      subject_id: 'r1',
      facts: { slug: 'a' },
      address: '192.0.2.7',
      request_id: 'abcd1234',
    },
  ]);
});

it('what no request did is the work of the system', async () => {
  await db.transaction(() => audit.record(null, 'user.create', SUBJECT));
  expect(await rows()).toMatchObject([{ actor_kind: 'system', actor_user_id: null, address: null, request_id: null }]);
});

it('a row shares the fate and the transaction of its effect', async () => {
  const failing = db.transaction(async () => {
    await audit.record(CALLER, 'repo.create', SUBJECT);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await rows()).toEqual([]);

  const xid = await db.transaction(async () => {
    await audit.record(CALLER, 'repo.create', SUBJECT);
    const [row] = await db.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
    return row?.xid;
  });
  expect(await rows()).toMatchObject([{ xid }]);
});

it('an effect whose row cannot be written does not happen', async () => {
  await db.query('alter table audit rename to audit_away');
  const failing = db.transaction(async () => {
    await db.query(`insert into event (type, subject_kind, subject_id) values ('effect', 'repo', 'r1')`);
    await audit.record(CALLER, 'repo.create', SUBJECT);
  });
  await expect(failing).rejects.toMatchObject({ code: '42P01' });
  await db.query('alter table audit_away rename to audit');
  expect(await db.query(`select 1 from event where type = 'effect'`)).toEqual([]);
});

it('a denial is written even when everything around it is undone', async () => {
  const failing = inRequest(() =>
    db.transaction(async () => {
      await audit.denied(CALLER, { rule: 'admin', route: 'PUT /api/v1/admin' });
      throw new Error('refused');
    }),
  );
  await expect(failing).rejects.toThrow('refused');
  expect(await rows()).toMatchObject([
    {
      action: 'access.denied',
      account_id: CALLER.accountId,
      actor_key_id: CALLER.keyId,
      subject_kind: 'route',
      subject_id: 'PUT /api/v1/admin',
      facts: { rule: 'admin' },
    },
  ]);
});
