import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Page } from '../http/keyset.js';
import { PLATFORM_CHAIN, SEALED_ENTRY_SQL, type SealedEntry } from './seal.js';

/** All that is given must hold. */
export interface AuditFilter {
  readonly action: string | null;
  /** The user or the key that acted. */
  readonly actorId: string | null;
  readonly subjectKind: string | null;
  readonly subjectId: string | null;
  /** Id or slug of the account whose chain the row is in; `platform` for that of none. */
  readonly account: string | null;
  readonly from: Date | null;
  /** Not included. */
  readonly to: Date | null;
}

export interface AuditRow {
  readonly id: string;
  readonly accountId: string | null;
  readonly actorKind: string;
  readonly actorUserId: string | null;
  readonly actorKeyId: string | null;
  readonly action: string;
  readonly subjectKind: string;
  readonly subjectId: string;
  readonly facts: Record<string, unknown>;
  readonly address: string | null;
  readonly requestId: string | null;
  readonly at: Date;
}

/** A row with its seal; the seal is null while the row waits for it. */
export interface ExportedRow extends AuditRow {
  readonly entry: SealedEntry;
  readonly chain: string;
  readonly seq: string | null;
  readonly hash: string | null;
  readonly signature: string | null;
}

const ROW = `a.id::text, a.account_id as "accountId", a.actor_kind as "actorKind", a.actor_user_id as "actorUserId",
  a.actor_key_id as "actorKeyId", a.action, a.subject_kind as "subjectKind", a.subject_id as "subjectId", a.facts,
  a.address, a.request_id as "requestId", a.at`;

/** $1 to $7, as parameters() gives them. */
const FILTER = `($1::text is null or a.action = $1)
  and ($2::uuid is null or a.actor_user_id = $2 or a.actor_key_id = $2)
  and ($3::text is null or a.subject_kind = $3)
  and ($4::text is null or a.subject_id = $4)
  and ($5::text is null or case $5 when 'platform' then a.account_id is null
    else a.account_id = (select id from account where id::text = $5 or slug = $5 limit 1) end)
  and ($6::timestamptz is null or a.at >= $6)
  and ($7::timestamptz is null or a.at < $7)`;

/** The audit log as administrators read it. */
@Injectable()
export class AuditLogRepository {
  constructor(private readonly db: Database) {}

  /** Newest first. */
  async list(filter: AuditFilter, page: Page): Promise<{ rows: AuditRow[]; next: readonly string[] | null }> {
    const [before = null] = page.after ?? [];
    const found = await this.db.query<AuditRow>(
      `select ${ROW} from audit a where ${FILTER} and ($8::bigint is null or a.id < $8)
        order by a.id desc limit $9::integer + 1 offset $10`,
      [...parameters(filter), before, page.size, page.offset],
    );
    const rows = found.slice(0, page.size);
    const last = rows.at(-1);
    return { rows, next: last && found.length > page.size ? [last.id] : null };
  }

  async count(filter: AuditFilter): Promise<number> {
    const [row] = await this.db.query<{ total: number }>(
      `select count(*)::integer as total from audit a where ${FILTER}`,
      parameters(filter),
    );
    return row?.total ?? 0;
  }

  async lastId(): Promise<string> {
    const [row] = await this.db.query<{ id: string }>('select coalesce(max(id), 0)::text as id from audit');
    return row?.id ?? '0';
  }

  /** Oldest first, after one id and up to another. */
  listForExport(filter: AuditFilter, after: string, upTo: string, limit: number): Promise<ExportedRow[]> {
    return this.db.query<ExportedRow>(
      `select ${ROW}, ${SEALED_ENTRY_SQL} as entry, coalesce(a.account_id, '${PLATFORM_CHAIN}'::uuid) as chain,
              s.seq::text, encode(s.hash, 'hex') as hash, translate(encode(s.signature, 'base64'), E'\\n', '') as signature
         from audit a left join audit_seal s on s.audit_id = a.id
        where ${FILTER} and a.id > $8 and a.id <= $9 order by a.id limit $10`,
      [...parameters(filter), after, upTo, limit],
    );
  }
}

function parameters({ action, actorId, subjectKind, subjectId, account, from, to }: AuditFilter): unknown[] {
  return [action, actorId, subjectKind, subjectId, account, from, to];
}
