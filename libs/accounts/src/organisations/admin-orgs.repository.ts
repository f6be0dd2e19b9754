import { Injectable } from '@nestjs/common';
import { Database, type Page } from '#platform';
import type { OrgProfile } from './organisation.js';

export interface ListedOrg extends Omit<OrgProfile, 'storageUsedBytes'> {
  readonly createdAt: Date;
}

type Row = ListedOrg & { readonly storageLimitBytes: string; readonly position: string };

/** $1: part of the name or slug. */
const FILTER = '($1::text is null or o.name ilike $1 or a.slug ilike $1)';

/** Organisations as platform administrators list them. */
@Injectable()
export class AdminOrgsRepository {
  constructor(private readonly db: Database) {}

  /** Newest first. */
  async list(search: string | null, page: Page): Promise<{ orgs: ListedOrg[]; next: readonly string[] | null }> {
    const [micros = null, id = null] = page.after ?? [];
    const rows = await this.db.query<Row>(
      `select o.id, o.account_id as "accountId", o.name, a.slug, a.tier, o.seats_limit as "seatsLimit",
              (select count(*)::integer from org_member m where m.org_id = o.id) as "seatsUsed",
              o.storage_limit_bytes as "storageLimitBytes", o.created_at as "createdAt",
              (extract(epoch from o.created_at) * 1000000)::bigint::text as position
         from organisation o join account a on a.id = o.account_id
        where ${FILTER}
          and ($2::bigint is null or (o.created_at, o.id) < ('epoch'::timestamptz + $2 * interval '1 microsecond', $3))
        order by o.created_at desc, o.id desc limit $4::integer + 1 offset $5`,
      [patternOf(search), micros, id, page.size, page.offset],
    );
    const shown = rows.slice(0, page.size);
    const last = shown.at(-1);
    return {
      orgs: shown.map((row) => ({ ...row, storageLimitBytes: Number(row.storageLimitBytes) })),
      next: last && rows.length > page.size ? [last.position, last.id] : null,
    };
  }

  async count(search: string | null): Promise<number> {
    const [row] = await this.db.query<{ total: number }>(
      `select count(*)::integer as total from organisation o join account a on a.id = o.account_id where ${FILTER}`,
      [patternOf(search)],
    );
    return row?.total ?? 0;
  }

  /** An active user, kept as it is until the transaction ends. */
  async lockActiveUser(userId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from app_user where id = $1 and is_active for share', [userId]);
    return rows.length > 0;
  }

  async findOwner(orgId: string): Promise<string | null> {
    const [row] = await this.db.query<{ userId: string }>(
      `select user_id as "userId" from org_member where org_id = $1 and role = 'owner'`,
      [orgId],
    );
    return row?.userId ?? null;
  }

  async cancelTransfers(orgId: string): Promise<number[]> {
    const rows = await this.db.query<{ id: string }>(
      `update owner_transfer set status = 'cancelled' where org_id = $1 and status = 'pending' returning id`,
      [orgId],
    );
    return rows.map(({ id }) => Number(id));
  }
}

function patternOf(search: string | null): string | null {
  return search === null ? null : `%${search.replace(/[\\%_]/g, '\\$&')}%`;
}
