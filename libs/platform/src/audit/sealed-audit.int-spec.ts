import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { type AppConfig, loadConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { Audit } from './audit.js';
import { AuditChainsRepository } from './audit-chains.repository.js';
import { AuditSealer } from './audit-sealer.js';
import { AuditSealsRepository } from './audit-seals.repository.js';
import { type AuditProblem, AuditVerifier, type VerifySummary } from './audit-verifier.js';
import { genesisOf, headStatement, PLATFORM_CHAIN, sealHash, type SealedEntry, SEALED_ENTRY_SQL } from './seal.js';
import { AuditSigningKey, auditPublicKey, signatureCheck } from './signing-key.js';

const [ADA, BOB] = [randomUUID(), randomUUID()];

let database: TestDatabase;
let source: DataSource;
let db: Database;
let audit: Audit;
let config: AppConfig;
let sealer: AuditSealer;

const newSealer = (): AuditSealer =>
  new AuditSealer(db, new AuditSealsRepository(db), new AuditSigningKey(config), config);

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url, poolSize: 10 }).initialize();
  db = new Database(source);
  audit = new Audit(db);
});

afterAll(async () => {
  await source.destroy();
  await database.drop();
});

/** An empty log, as a new database has it, and a key of its own. */
beforeEach(async () => {
  await db.query('truncate audit, audit_seal, audit_head, audit_ledger restart identity');
  await db.query('insert into audit_ledger default values');
  config = loadConfig({ DATABASE_URL: database.url, DATA_DIR: mkdtempSync(join(tmpdir(), 'roundhouse-audit-')) });
  sealer = newSealer();
});

afterEach(() => {
  rmSync(config.DATA_DIR, { recursive: true, force: true });
});

const write = (accountId: string | null, id: string): Promise<void> =>
  audit.record(null, 'thing.change', { accountId, kind: 'thing', id }, { n: 1.5, text: 'é' });

async function sealAll(limit?: number): Promise<void> {
  await othersEnded();
  await sealWhatIsOver(limit);
}

async function sealWhatIsOver(limit?: number): Promise<void> {
  while (await sealer.sealBatch(limit));
}

/** Transactions of the server's other databases hold rows back too, for a moment: waits for them, as long as a busy machine takes. */
async function othersEnded(): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 20) {
    const [row] = await db.query<{ isOver: boolean }>(
      `select coalesce(max(xid) filter (where xid < pg_snapshot_xmax(pg_current_snapshot()))
         < pg_snapshot_xmin(pg_current_snapshot()), true) as "isOver" from audit`,
    );
    if (row?.isOver) return;
    await sleep(20);
  }
}

/** Twelve sealed rows: six of Ada, three of Bob, three of nobody. Row ids as they are in the table. */
async function sealedRows(): Promise<string[]> {
  for (let index = 0; index < 3; index += 1) {
    await write(ADA, `a${index}`);
    await write(BOB, `b${index}`);
    await write(null, `p${index}`);
    await write(ADA, `c${index}`);
  }
  await sealAll();
  return (await db.query<{ id: string }>('select id::text from audit order by audit.id')).map((row) => row.id);
}

async function verify(accountSlug?: string): Promise<VerifySummary & { found: AuditProblem[] }> {
  const found: AuditProblem[] = [];
  const summary = await new AuditVerifier(new AuditChainsRepository(db)).verify({
    ...(accountSlug !== undefined && { accountSlug }),
    isSigned: signatureCheck(auditPublicKey(config.DATA_DIR)!),
    onChain: () => undefined,
    onProblem: (problem) => found.push(problem),
  });
  return { ...summary, found };
}

const kinds = (found: readonly AuditProblem[]): string[] =>
  found.map(({ kind, auditId }) => `${kind} ${auditId ?? '-'}`).sort();

describe('sealing', () => {
  it('chains every row per account and leaves nothing behind', async () => {
    await sealedRows();
    expect(await verify()).toEqual({ chains: 3, sealed: 12, unsealed: 0, problems: 0, found: [] });
    const rows = await db.query<{ chain: string; n: number }>(
      'select chain, count(*)::integer as n, max(seq)::integer as last from audit_seal group by chain',
    );
    expect(rows).toEqual(
      expect.arrayContaining([
        { chain: ADA, n: 6, last: 6 },
        { chain: BOB, n: 3, last: 3 },
        { chain: PLATFORM_CHAIN, n: 3, last: 3 },
      ]),
    );
  });

  it('takes up chains where they ended, batch by batch', async () => {
    for (let index = 0; index < 25; index += 1) await write(index % 2 === 0 ? ADA : BOB, `t${index}`);
    await sealAll(4);
    expect(await verify()).toMatchObject({ chains: 2, sealed: 25, unsealed: 0, problems: 0 });
    expect(await db.query('select chain from audit_seal where signature is null limit 1')).toHaveLength(1);
  });

  it('tells the rows it has not come to from those it should have sealed', async () => {
    await sealedRows();
    await write(ADA, 'late');
    await write(null, 'later');
    expect(await verify()).toMatchObject({ sealed: 12, unsealed: 2, problems: 0 });
    await db.query(
      `insert into audit (xid, actor_kind, action, subject_kind, subject_id) values ('3', 'system', 'forged', 'x', 'y')`,
    );
    await db.query(
      `insert into audit (xid, actor_kind, action, subject_kind, subject_id) values ('9000000000000', 'system', 'forged', 'x', 'y')`,
    );
    expect((await verify()).found.map(({ kind }) => kind)).toEqual(['not_sealed', 'not_sealed']);
  });

  it('waits for transactions that commit late, and never skips them', async () => {
    await sealedRows();
    const slow = new pg.Client({ connectionString: database.url });
    await slow.connect();
    await slow.query('begin');
    await slow.query(
      `insert into audit (account_id, actor_kind, action, subject_kind, subject_id) values ('${ADA}', 'system', 'slow', 'x', 'slow')`,
    );
    await write(ADA, 'fast');
    await sealWhatIsOver();
    expect(await verify()).toMatchObject({ sealed: 12, unsealed: 1, problems: 0 });
    await slow.query('commit');
    await slow.end();
    await sealAll();
    expect(await verify()).toMatchObject({ sealed: 14, unsealed: 0, problems: 0 });
    const order = await db.query<{ subject_id: string }>(
      `select a.subject_id from audit_seal s join audit a on a.id = s.audit_id where chain = $1 order by seq desc limit 2`,
      [ADA],
    );
    expect(order.map((row) => row.subject_id)).toEqual(['fast', 'slow']);
  });

  it('is the work of one process at a time', async () => {
    const sealers = [newSealer(), newSealer(), newSealer(), newSealer()];
    const writing = (async () => {
      for (let index = 0; index < 60; index += 1) await write(index % 3 === 0 ? ADA : BOB, `t${index}`);
    })();
    let isWriting = true;
    void writing.finally(() => (isWriting = false));
    while (isWriting) await Promise.all(sealers.map((one) => one.sealBatch(5)));
    await writing;
    await sealAll();
    expect(await verify()).toMatchObject({ sealed: 60, unsealed: 0, problems: 0 });
  });

  it('loses nothing when its connection dies in the middle of a batch', async () => {
    for (let index = 0; index < 20; index += 1) await write(ADA, `t${index}`);
    await othersEnded();
    await sealer.sealBatch(5);
    await sealer.sealBatch(5);
    const blocker = new pg.Client({ connectionString: database.url });
    await blocker.connect();
    await blocker.query('begin; lock table audit_head in access exclusive mode');
    const dying = expect(sealer.sealBatch(5)).rejects.toThrow();
    for (let killed = 0; killed === 0;) {
      const { rowCount } = await blocker.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where wait_event_type = 'Lock' and datname = current_database()`,
      );
      killed = rowCount ?? 0;
    }
    await dying;
    await blocker.query('rollback');
    await blocker.end();
    await sealAll();
    expect(await verify()).toMatchObject({ sealed: 20, unsealed: 0, problems: 0 });
  });

  it('goes on after a restore into a server whose transaction ids start anew', async () => {
    const ids = await sealedRows();
    // As a dump of a server that was far ahead, taken before its last two rows were sealed.
    await db.query(`update audit_ledger set cluster = 'another', xid = '900000000000'`);
    const cut = ids.at(-1)!;
    await db.query('delete from audit');
    await db.query('delete from audit_seal');
    await db.query('delete from audit_head');
    await db.query(`update audit_ledger set sealed = 0, id = 0`);
    for (let index = 0; index < 3; index += 1) {
      await db.query(
        `insert into audit (xid, account_id, actor_kind, action, subject_kind, subject_id)
         values ('90000000000${index}', $1, 'system', 'old', 'x', $2)`,
        [ADA, String(index)],
      );
    }
    await write(ADA, 'new');
    await sealAll(2);
    await write(ADA, 'newer');
    await sealAll(2);
    expect(cut).toBeDefined();
    expect(await verify()).toMatchObject({ sealed: 5, unsealed: 0, problems: 0 });
  });
});

describe('verification', () => {
  let ids: string[];

  beforeEach(async () => {
    ids = await sealedRows();
  });

  it.each([
    ['account_id', `'${randomUUID()}'`],
    ['actor_kind', `'user_key'`],
    ['actor_user_id', `'${randomUUID()}'`],
    ['actor_key_id', `'${randomUUID()}'`],
    ['action', `'thing.other'`],
    ['subject_kind', `'other'`],
    ['subject_id', `'other'`],
    ['facts', `'{"n": 1.50, "text": "é"}'`],
    ['address', `'192.0.2.1'`],
    ['request_id', `'00000000'`],
    ['at', `at + interval '1 microsecond'`],
    ['xid', `'4'`],
  ])('names the row whose %s was altered', async (column, value) => {
    await db.query(`update audit set ${column} = ${value} where id = $1`, [ids[4]]);
    expect(kinds((await verify()).found)).toEqual([`altered ${ids[4]}`]);
  });

  it('names every altered and every missing row', async () => {
    await db.query(`update audit set action = 'x' where id = any($1::bigint[])`, [[ids[0], ids[3]]]);
    await db.query('delete from audit where id = any($1::bigint[])', [[ids[4], ids[5], ids[6]]]);
    expect(kinds((await verify()).found)).toEqual(
      [`altered ${ids[0]}`, `altered ${ids[3]}`, `missing ${ids[4]}`, `missing ${ids[5]}`, `missing ${ids[6]}`].sort(),
    );
  });

  it('notices that two rows changed places', async () => {
    await db.query('alter table audit alter id drop identity');
    await db.query(`update audit set id = -1 where id = $1`, [ids[0]]);
    await db.query(`update audit set id = $1 where id = $2`, [ids[0], ids[3]]);
    await db.query(`update audit set id = $1 where id = -1`, [ids[3]]);
    expect(kinds((await verify()).found)).toEqual([`altered ${ids[0]}`, `altered ${ids[3]}`]);
    await db.query('alter table audit alter id add generated always as identity');
  });

  it('notices the tail that was cut off, with and without its seals', async () => {
    await db.query('delete from audit where id >= $1', [ids[10]]);
    expect(kinds((await verify()).found)).toEqual([`missing ${ids[10]}`, `missing ${ids[11]}`].sort());
    await db.query('delete from audit_seal where audit_id >= $1', [ids[10]]);
    expect((await verify()).found.map(({ kind }) => kind)).toEqual(['truncated', 'truncated']);
  });

  it('notices a tail cut off up to an older, rightly signed seal', async () => {
    await write(BOB, 'last');
    await sealAll();
    await db.query(`delete from audit where subject_id = 'last'`);
    await db.query('delete from audit_seal where audit_id > $1', [ids.at(-1)]);
    await db.query(
      `update audit_head h set seq = s.seq, hash = s.hash, signature = s.signature
         from audit_seal s where s.chain = h.chain and h.chain = $1 and s.seq = 3`,
      [BOB],
    );
    expect(kinds((await verify()).found)).toEqual(['wrong_total -']);
  });

  it('notices a chain that is gone as a whole, and one without its head', async () => {
    await db.query('delete from audit_head where chain = $1', [BOB]);
    expect(kinds((await verify()).found)).toEqual(['no_head -', 'wrong_total -']);
    await db.query('delete from audit where account_id = $1', [BOB]);
    await db.query('delete from audit_seal where chain = $1', [BOB]);
    expect(kinds((await verify()).found)).toEqual(['wrong_total -']);
    await db.query(`update audit_ledger set sealed = 9`);
    expect(kinds((await verify()).found)).toEqual(['wrong_ledger_signature -']);
  });

  it('notices seals taken out of the middle', async () => {
    const [row] = await db.query<{ audit_id: string }>(
      'delete from audit_seal where chain = $1 and seq = 3 returning audit_id',
      [ADA],
    );
    expect(kinds((await verify()).found)).toEqual(['gap -', `not_sealed ${row?.audit_id}`]);
  });

  it('notices history rewritten with matching hashes but without the key', async () => {
    await db.query(`update audit set action = 'forged' where id = $1`, [ids[0]]);
    let hash = genesisOf(ADA);
    const rows = await db.query<{ seq: string; entry: SealedEntry }>(
      `select s.seq::text, ${SEALED_ENTRY_SQL} as entry from audit_seal s join audit a on a.id = s.audit_id
        where s.chain = $1 order by s.seq`,
      [ADA],
    );
    for (const { seq, entry } of rows) {
      hash = sealHash(hash, entry);
      await db.query('update audit_seal set hash = $3 where chain = $1 and seq = $2', [ADA, seq, hash]);
    }
    await db.query('update audit_head set hash = $2 where chain = $1', [ADA, hash]);
    // Both the last seal and the head; with a key of the forger's own as well.
    expect(kinds((await verify()).found)).toEqual(['wrong_signature -', `wrong_signature ${ids[11]}`]);
    const other = new AuditSigningKey({ ...config, DATA_DIR: join(config.DATA_DIR, 'other') } as AppConfig);
    const signature = await other.sign(headStatement(ADA, '6', hash));
    await db.query('update audit_head set signature = $2 where chain = $1', [ADA, signature]);
    await db.query('update audit_seal set signature = $2 where chain = $1 and signature is not null', [ADA, signature]);
    expect(kinds((await verify()).found)).toEqual(['wrong_signature -', `wrong_signature ${ids[11]}`]);
  });

  it('looks at one account alone', async () => {
    await db.query(
      `with claimed as (insert into account_slug (account_id, slug) values ($1, 'ada'))
       insert into account (id, kind, slug, tier) values ($1, 'personal', 'ada', 'free')`,
      [ADA],
    );
    await db.query(`update audit set action = 'x' where id = any($1::bigint[])`, [[ids[0], ids[1]]]);
    expect(await verify('ada')).toMatchObject({ chains: 1, sealed: 6, problems: 1 });
    await expect(verify('nobody')).rejects.toThrow('No account');
  });
});
