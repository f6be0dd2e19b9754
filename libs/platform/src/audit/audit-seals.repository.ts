import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { PLATFORM_CHAIN, SEALED_ENTRY_SQL, type SealedEntry } from './seal.js';

export interface UnsealedRow {
  readonly id: string;
  readonly xid: string;
  readonly chain: string;
  readonly entry: SealedEntry;
  /** Only met again after a restore, whose transaction ids start anew. */
  readonly isSealed: boolean;
}

export interface Ledger {
  readonly cluster: string;
  readonly xid: string;
  readonly id: string;
  readonly sealed: string;
}

export interface Head {
  readonly chain: string;
  readonly seq: string;
  readonly hash: Buffer;
}

export interface SignedHead extends Head {
  readonly signature: Buffer;
}

export interface NewSeal extends Head {
  readonly auditId: string;
  /** On the last one of a batch. */
  readonly signature: Buffer | null;
}

const CHAIN = `coalesce(a.account_id, '${PLATFORM_CHAIN}'::uuid)`;

/** Every query of the sealer. */
@Injectable()
export class AuditSealsRepository {
  constructor(private readonly db: Database) {}

  /** Whether a round is worth a transaction; one index look-up. */
  async isDue(): Promise<boolean> {
    const rows = await this.db.query(
      `select 1 from audit_ledger l
        where l.cluster <> ${CLUSTER} or exists (
          select 1 from audit a
           where a.xid < pg_snapshot_xmin(pg_current_snapshot()) and (a.xid, a.id) > (l.xid, l.id))`,
    );
    return rows.length > 0;
  }

  /** The ledger with its row locked until the transaction ends, or null while another sealer holds it. */
  async lockLedger(): Promise<(Ledger & { currentCluster: string }) | null> {
    const [row] = await this.db.query<Ledger & { currentCluster: string }>(
      `select cluster, xid::text, id::text, sealed::text, ${CLUSTER} as "currentCluster"
         from audit_ledger for update skip locked`,
    );
    return row ?? null;
  }

  /** The next rows in (xid, id) order. Rows of transactions still open, or begun before one still open, wait. */
  listSettledAfter({ xid, id }: Pick<Ledger, 'xid' | 'id'>, limit: number): Promise<UnsealedRow[]> {
    return this.db.query<UnsealedRow>(
      `select ${ROW}, s.audit_id is not null as "isSealed"
         from audit a left join audit_seal s on s.audit_id = a.id
        where a.xid < pg_snapshot_xmin(pg_current_snapshot()) and (a.xid, a.id) > ($1::xid8, $2::bigint)
        order by a.xid, a.id limit $3`,
      [xid, id, limit],
    );
  }

  /** What another database server left unsealed behind its ledger: its transaction ids may lie in this one's future. */
  listForeignAfter({ xid, id }: Pick<Ledger, 'xid' | 'id'>, limit: number): Promise<UnsealedRow[]> {
    return this.db.query<UnsealedRow>(
      `select ${ROW}, false as "isSealed"
         from audit a left join audit_seal s on s.audit_id = a.id
        where s.audit_id is null and (a.xid, a.id) > ($1::xid8, $2::bigint)
          and (a.xid < pg_snapshot_xmin(pg_current_snapshot()) or a.xid >= pg_snapshot_xmax(pg_current_snapshot()))
        order by a.xid, a.id limit $3`,
      [xid, id, limit],
    );
  }

  findHeads(chains: readonly string[]): Promise<Head[]> {
    return this.db.query<Head>('select chain, seq::text, hash from audit_head where chain = any($1::uuid[])', [chains]);
  }

  async insertSeals(seals: readonly NewSeal[]): Promise<void> {
    await this.db.query(
      `insert into audit_seal (chain, seq, audit_id, hash, signature)
       select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])`,
      [
        seals.map((seal) => seal.chain),
        seals.map((seal) => seal.seq),
        seals.map((seal) => seal.auditId),
        seals.map((seal) => seal.hash),
        seals.map((seal) => seal.signature),
      ],
    );
  }

  async saveHeads(heads: readonly SignedHead[]): Promise<void> {
    await this.db.query(
      `insert into audit_head (chain, seq, hash, signature)
       select * from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[])
       on conflict (chain) do update
         set seq = excluded.seq, hash = excluded.hash, signature = excluded.signature, at = now()`,
      [
        heads.map((head) => head.chain),
        heads.map((head) => head.seq),
        heads.map((head) => head.hash),
        heads.map((head) => head.signature),
      ],
    );
  }

  async saveLedger({ cluster, xid, id, sealed }: Ledger, signature: Buffer): Promise<void> {
    await this.db.query(
      'update audit_ledger set cluster = $1, xid = $2::xid8, id = $3, sealed = $4, signature = $5, at = now()',
      [cluster, xid, id, sealed, signature],
    );
  }

  /** How far the sealer is behind. */
  async lag(): Promise<{ sealed: number; unsealed: number; oldestUnsealedAt: Date | null }> {
    const [row] = await this.db.query<{ sealed: string; unsealed: number; oldest: Date | null }>(
      `select l.sealed::text, tail.unsealed::integer, tail.oldest
         from audit_ledger l cross join lateral (
           select count(*) as unsealed, min(a.at) as oldest from audit a
            where (a.xid, a.id) > (l.xid, l.id) and not exists (select from audit_seal s where s.audit_id = a.id)
         ) tail`,
    );
    return { sealed: Number(row?.sealed ?? 0), unsealed: row?.unsealed ?? 0, oldestUnsealedAt: row?.oldest ?? null };
  }
}

const ROW = `a.id::text, a.xid::text, ${CHAIN} as chain, ${SEALED_ENTRY_SQL} as entry`;
const CLUSTER = '(select system_identifier::text from pg_control_system())';
