import { Injectable } from '@nestjs/common';
import { Database, type Page, Revocations } from '#platform';
import type { AdminUser, AdminUserDetail, LockedUser, ShownTier, UserStatus } from './admin-user.js';

export interface UserFilter {
  readonly tier: ShownTier | null;
  /** Part of the address, in any case. */
  readonly search: string | null;
  readonly status: UserStatus;
}

export interface UserStats {
  readonly total: number;
  readonly verified: number;
  readonly byTier: Record<string, number>;
  readonly storedBytes: number;
  readonly storedItems: number;
}

type ListedUser = AdminUser & { position: string };

const USER = `u.id, u.email, u.display_name as "displayName", u.email_verified as "emailVerified", u.is_admin as "isAdmin",
  u.is_active as "isActive", u.created_at as "createdAt", a.id as "accountId", a.slug as "accountSlug", a.tier`;

/** $1 tier, $2 search pattern, $3 status. */
const FILTER = `($1::text is null or case when u.is_admin then 'admin' else a.tier end = $1)
  and ($2::text is null or u.email ilike $2)
  and ($3 = 'all' or u.is_active = ($3 = 'active'))`;

/** Every query of platform administrators on users and what hangs on them. */
@Injectable()
export class AdminUsersRepository {
  constructor(
    private readonly db: Database,
    private readonly revocations: Revocations,
  ) {}

  /** Newest first. */
  async list(filter: UserFilter, page: Page): Promise<{ users: AdminUser[]; next: string[] | null }> {
    const [micros = null, id = null] = page.after ?? [];
    const rows = await this.db.query<ListedUser>(
      `select ${USER}, (extract(epoch from u.created_at) * 1000000)::bigint::text as position
         from app_user u join account a on a.id = u.account_id
        where ${FILTER}
          and ($4::bigint is null or (u.created_at, u.id) < ('epoch'::timestamptz + $4 * interval '1 microsecond', $5::uuid))
        order by u.created_at desc, u.id desc limit $6 + 1 offset $7`,
      [...parameters(filter), micros, id, page.size, page.offset],
    );
    const users = rows.slice(0, page.size);
    const last = users.at(-1);
    return { users, next: last && rows.length > page.size ? [last.position, last.id] : null };
  }

  async count(filter: UserFilter): Promise<number> {
    const [row] = await this.db.query<{ total: number }>(
      `select count(*)::integer as total from app_user u join account a on a.id = u.account_id where ${FILTER}`,
      parameters(filter),
    );
    return row?.total ?? 0;
  }

  async find(userId: string): Promise<AdminUserDetail | null> {
    const [row] = await this.db.query<AdminUserDetail & { storageUsedBytes: string }>(
      `select ${USER},
              coalesce((select s.bytes from account_storage s where s.account_id = a.id), 0) as "storageUsedBytes",
              (select count(*)::integer from api_key k where k.user_id = u.id and k.kind = 'user_key'
                and (k.revoked_at is null or k.revoked_at > now())) as "apiKeyCount",
              coalesce((select json_agg(json_build_object('id', o.id, 'name', o.name, 'role', m.role) order by o.id)
                 from org_member m join organisation o on o.id = m.org_id where m.user_id = u.id), '[]') as orgs
         from app_user u join account a on a.id = u.account_id where u.id = $1`,
      [userId],
    );
    return row ? { ...row, storageUsedBytes: Number(row.storageUsedBytes) } : null;
  }

  /** Active users, and what all accounts store. */
  async stats(): Promise<UserStats> {
    const rows = await this.db.query<{ tier: string; total: number; verified: number }>(
      `select case when u.is_admin then 'admin' else a.tier end as tier, count(*)::integer as total,
              (count(*) filter (where u.email_verified))::integer as verified
         from app_user u join account a on a.id = u.account_id where u.is_active group by 1`,
    );
    const [stored] = await this.db.query<{ bytes: string; items: number }>(
      `select (select coalesce(sum(bytes), 0) from account_storage) as bytes,
              (select count(*)::integer from stored_item) as items`,
    );
    return {
      total: rows.reduce((sum, row) => sum + row.total, 0),
      verified: rows.reduce((sum, row) => sum + row.verified, 0),
      byTier: Object.fromEntries(rows.map((row) => [row.tier, row.total])),
      storedBytes: Number(stored?.bytes ?? 0),
      storedItems: stored?.items ?? 0,
    };
  }

  async findIdByEmail(email: string): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>('select id from app_user where email = $1', [email]);
    return row?.id ?? null;
  }

  /** Nobody adds a key or a membership of the user, or changes it, until the transaction ends. */
  async lock(userId: string): Promise<LockedUser | null> {
    const [row] = await this.db.query<LockedUser>(
      `select id, account_id as "accountId", email, is_admin as "isAdmin", is_active as "isActive",
              email_verified as "emailVerified"
         from app_user where id = $1 for update`,
      [userId],
    );
    return row ?? null;
  }

  async setAdmin(userId: string, isAdmin: boolean): Promise<void> {
    await this.db.query('update app_user set is_admin = $2 where id = $1', [userId, isAdmin]);
    await this.revocations.append('user', userId);
  }

  async setVerified(userId: string): Promise<void> {
    await this.db.query('update app_user set email_verified = true where id = $1', [userId]);
  }

  async setActive(userId: string, isActive: boolean): Promise<void> {
    await this.db.query('update app_user set is_active = $2 where id = $1', [userId, isActive]);
    await this.revocations.append('user', userId);
  }

  /** Whether somebody else could still administer this server; one change of that at a time. */
  async hasOtherAdmin(userId: string): Promise<boolean> {
    await this.db.query('select pg_advisory_xact_lock(7264003)');
    const rows = await this.db.query('select 1 from app_user where is_admin and is_active and id <> $1 limit 1', [
      userId,
    ]);
    return rows.length > 0;
  }

  /** Every key that acts as the user; service keys belong to their organisation. Answers how many were live. */
  async revokeKeys(userId: string, reason: string, now: Date): Promise<number> {
    const rows = await this.db.query(
      `update api_key set revoked_at = $3, revoke_reason = $2, replaced_by = null
        where user_id = $1 and kind <> 'service_key' and (revoked_at is null or revoked_at > $3) returning id`,
      [userId, reason, now],
    );
    return rows.length;
  }

  /** The user's live sessions, ended now; those of service keys are their organisation's. */
  endPinnedSessions(userId: string, now: Date): Promise<{ id: string; accountId: string }[]> {
    return this.db.query(
      `update pinned_session s set ended_at = $2, end_reason = 'user_deactivated' from api_key k
        where k.id = s.key_id and k.kind <> 'service_key' and s.user_id = $1 and s.ended_at is null
       returning s.id, s.account_id as "accountId"`,
      [userId, now],
    );
  }
}

function parameters({ tier, search, status }: UserFilter): unknown[] {
  const pattern = search === null ? null : `%${search.replace(/[\\%_]/g, '\\$&')}%`;
  return [tier, pattern, status];
}
