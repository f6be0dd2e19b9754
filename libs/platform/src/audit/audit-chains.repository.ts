import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { SignedHead } from './audit-seals.repository.js';
import { PLATFORM_CHAIN, SEALED_ENTRY_SQL, type SealedEntry } from './seal.js';

export interface StoredSeal {
  readonly seq: string;
  readonly auditId: string;
  readonly hash: Buffer;
  readonly signature: Buffer | null;
  /** Null when the audit row is gone. */
  readonly entry: SealedEntry | null;
}

export interface StoredLedger {
  readonly xid: string;
  readonly id: string;
  readonly sealed: string;
  readonly signature: Buffer | null;
  /** The lengths of all chains added up, as of the same moment. */
  readonly chained: string;
}

export interface StrayRow {
  readonly id: string;
  readonly chain: string;
  /** False while the sealer may still come to it. */
  readonly isOverdue: boolean;
}

const CHAIN = `coalesce(a.account_id, '${PLATFORM_CHAIN}'::uuid)`;

/** Every query of the verifier; each reads a bounded piece. */
@Injectable()
export class AuditChainsRepository {
  constructor(private readonly db: Database) {}

  async findLedger(): Promise<StoredLedger | null> {
    const [row] = await this.db.query<StoredLedger>(
      `select xid::text, id::text, sealed::text, signature,
              (select coalesce(sum(seq), 0) from audit_head)::text as chained
         from audit_ledger`,
    );
    return row ?? null;
  }

  listHeads(after: string | null, limit: number): Promise<SignedHead[]> {
    return this.db.query<SignedHead>(
      `select chain, seq::text, hash, signature from audit_head
        where $1::uuid is null or chain > $1::uuid order by chain limit $2`,
      [after, limit],
    );
  }

  async findHead(chain: string): Promise<SignedHead | null> {
    const [row] = await this.db.query<SignedHead>(
      'select chain, seq::text, hash, signature from audit_head where chain = $1',
      [chain],
    );
    return row ?? null;
  }

  async findChainOf(accountSlug: string): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>('select id from account where slug = $1', [accountSlug]);
    return row?.id ?? null;
  }

  listSeals(chain: string, after: string, upTo: string, limit: number): Promise<StoredSeal[]> {
    return this.db.query<StoredSeal>(
      `select s.seq::text, s.audit_id::text as "auditId", s.hash, s.signature,
              case when a.id is not null then ${SEALED_ENTRY_SQL} end as entry
         from audit_seal s left join audit a on a.id = s.audit_id
        where s.chain = $1 and s.seq > $2 and s.seq <= $3 order by s.seq limit $4`,
      [chain, after, upTo, limit],
    );
  }

  /** Chains of which seals are left but no head. */
  async listHeadless(limit: number): Promise<string[]> {
    const rows = await this.db.query<{ chain: string }>(
      `select distinct s.chain from audit_seal s
        where s.seq = (select min(f.seq) from audit_seal f where f.chain = s.chain)
          and not exists (select from audit_head h where h.chain = s.chain) limit $1`,
      [limit],
    );
    return rows.map((row) => row.chain);
  }

  /**
   * Rows without a seal among the `limit` rows after `afterId`. Overdue are those the sealer has passed, and those of
   * transactions this server has not come to, unless it has not yet taken the log over from another one.
   */
  async listStrays(
    afterId: string,
    { xid, id }: Pick<StoredLedger, 'xid' | 'id'>,
    limit: number,
  ): Promise<{ lastId: string | null; strays: StrayRow[] }> {
    const [page] = await this.db.query<{ lastId: string | null; strays: StrayRow[] | null }>(
      `with piece as (select * from audit a where a.id > $1::bigint order by a.id limit $4)
       select (select max(id) from piece)::text as "lastId",
              json_agg(json_build_object('id', a.id::text, 'chain', ${CHAIN}, 'isOverdue',
                (a.xid, a.id) <= ($2::xid8, $3::bigint)
                or (a.xid >= pg_snapshot_xmax(pg_current_snapshot())
                    and (select l.cluster = c.system_identifier::text from audit_ledger l, pg_control_system() c))
              ) order by a.id) as strays
         from piece a where not exists (select from audit_seal s where s.audit_id = a.id)`,
      [afterId, xid, id, limit],
    );
    return { lastId: page?.lastId ?? null, strays: page?.strays ?? [] };
  }
}
