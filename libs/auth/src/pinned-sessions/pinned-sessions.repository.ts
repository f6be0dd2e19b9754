import { Injectable } from '@nestjs/common';
import { Database, type PrincipalKind, type SessionWrite, type Tier, TIERS } from '#platform';
import { principalOfKey } from '../keys/key.js';
import type { EndReason, PinnedSession } from './pinned-session.js';

export interface NewSession {
  readonly id: string;
  readonly digest: Buffer;
  readonly keyId: string;
  readonly userId: string;
  readonly accountId: string;
  readonly scopes: readonly string[];
  readonly tier: Tier;
  readonly ttlSeconds: number;
  readonly idleExtend: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface EndingSession {
  readonly id: string;
  readonly accountId: string;
  readonly reason: EndReason;
}

export interface StoredWrite extends SessionWrite {
  readonly id: string;
}

interface SessionRow {
  id: string;
  keyId: string;
  name: string | null;
  kind: PrincipalKind;
  userId: string;
  accountId: string;
  accountSlug: string;
  orgId: string | null;
  projectIds: string[] | null;
  scopes: string[];
  tier: Tier;
  isAdmin: boolean;
  keyDigest: Buffer;
  currentKeyId: string;
  keyExpiresAt: Date | null;
  ttlSeconds: number;
  idleExtend: boolean;
  createdAt: Date;
  lastActivityAt: Date;
  endReason: EndReason | null;
}

/** k is the key that opened the session, c the one that stands for it now: itself, or what replaced it by rotation. */
const OWNERS = `pinned_session s join api_key k on k.id = s.key_id
  join api_key c on c.id = coalesce(s.successor_key_id, k.replaced_by, k.id)
  join app_user u on u.id = s.user_id join account a on a.id = s.account_id
  left join organisation o on o.account_id = a.id
  left join org_member m on m.org_id = o.id and m.user_id = s.user_id
  left join sso_identity i on i.id = c.sso_identity_id`;

/**
 * What ends a session besides its own expiry: $1 is the time, $2 the tiers from least to most. A key that was replaced
 * ends nothing. A service key is its organisation's: its user may come and go.
 */
const LAPSE = `case
    when k.revoked_at <= $1 and k.replaced_by is null or c.revoked_at <= $1 and c.replaced_by is null then 'key_revoked'
    when c.expires_at <= $1 then 'key_expired'
    when k.kind <> 'service_key' and not u.is_active then 'user_deactivated'
    when a.closed_at is not null or a.kind = 'organisation' and o.id is null then 'membership_lost'
    when a.kind = 'organisation' and k.kind <> 'service_key' and m.user_id is null then 'membership_lost'
    when k.kind <> 'service_key' and i.org_id is distinct from o.id and exists
      (select 1 from sso_bound b where b.org_id = o.id and b.user_id = s.user_id) then 'sso_required'
    when array_position($2::text[], a.tier) < array_position($2::text[], s.tier) then 'tier_downgrade'
  end`;

/** Every query on pinned sessions and what they wrote. */
@Injectable()
export class PinnedSessionsRepository {
  constructor(private readonly db: Database) {}

  async insert(session: NewSession): Promise<void> {
    const { id, digest, keyId, userId, accountId, scopes, tier, ttlSeconds, idleExtend, createdAt, expiresAt } =
      session;
    await this.db.query(
      `insert into pinned_session (id, digest, key_id, user_id, account_id, scopes, tier, ttl_seconds, idle_extend,
                                   created_at, last_activity_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)`,
      [id, digest, keyId, userId, accountId, scopes, tier, ttlSeconds, idleExtend, createdAt, expiresAt],
    );
  }

  /** With its end reason as of `now`, which may not be recorded yet; whether it expired by itself is not judged. */
  async findByDigest(digest: Buffer, now: Date): Promise<PinnedSession | null> {
    const [row] = await this.db.query<SessionRow>(
      `select s.id, k.id as "keyId", k.kind, k.name, k.user_id as "userId", s.account_id as "accountId",
              a.slug as "accountSlug", o.id as "orgId", k.project_ids as "projectIds", s.scopes, s.tier,
              u.is_admin and i.org_id is null as "isAdmin", k.digest as "keyDigest",
              c.id as "currentKeyId", c.expires_at as "keyExpiresAt",
              s.ttl_seconds as "ttlSeconds", s.idle_extend as "idleExtend", s.created_at as "createdAt",
              s.last_activity_at as "lastActivityAt", coalesce(s.end_reason, ${LAPSE}) as "endReason"
         from ${OWNERS} where s.digest = $3`,
      [now, TIERS, digest],
    );
    return row ? toSession(row) : null;
  }

  /** Writes slid expiries; ended sessions stay as they ended. */
  async saveActivity(used: readonly { id: string; at: Date }[]): Promise<void> {
    await this.db.query(
      `update pinned_session s
          set last_activity_at = greatest(s.last_activity_at, u.at),
              expires_at = case when s.idle_extend
                then greatest(s.last_activity_at, u.at) + make_interval(secs => s.ttl_seconds) else s.expires_at end
         from unnest($1::uuid[], $2::timestamptz[]) as u(id, at)
        where s.id = u.id and s.ended_at is null`,
      [used.map((use) => use.id), used.map((use) => use.at)],
    );
  }

  /** True when it was live until now. */
  async end(id: string, reason: EndReason, now: Date): Promise<boolean> {
    const rows = await this.db.query(
      'update pinned_session set ended_at = $2, end_reason = $3 where id = $1 and ended_at is null returning id',
      [id, now, reason],
    );
    return rows.length > 0;
  }

  /** Live rows that ended: lapsed, or expired long enough ago that no node can hold a slide it has not written. */
  listEnding(now: Date, limit: number): Promise<EndingSession[]> {
    return this.db.query<EndingSession>(
      `select id, "accountId", reason from (
         select s.id, s.account_id as "accountId", coalesce(${LAPSE},
           case when s.expires_at + make_interval(secs => least(30, s.ttl_seconds / 10.0) + 5) < $1 then 'expired' end
         ) as reason
         from ${OWNERS} where s.ended_at is null
       ) as live where reason is not null limit $3`,
      [now, TIERS, limit],
    );
  }

  async deleteEndedBefore(time: Date, limit: number): Promise<void> {
    await this.db.query(
      'delete from pinned_session where id in (select id from pinned_session where ended_at < $1 limit $2)',
      [time, limit],
    );
  }

  /** The row's id, or null when the session has ended meanwhile. */
  async insertWrite({ sessionId, repoId, objects, refs }: SessionWrite): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>(
      `insert into pinned_session_write (session_id, repo_id, objects, refs)
       select id, $2, $3::integer, $4::integer from pinned_session where id = $1 and ended_at is null returning id`,
      [sessionId, repoId, objects, refs],
    );
    return row?.id ?? null;
  }

  listWrites(limit: number): Promise<StoredWrite[]> {
    return this.db.query<StoredWrite>(
      `select id, session_id as "sessionId", repo_id as "repoId", objects, refs from pinned_session_write
        order by id limit $1`,
      [limit],
    );
  }

  listWritesOf(sessionId: string): Promise<StoredWrite[]> {
    return this.db.query<StoredWrite>(
      `select id, session_id as "sessionId", repo_id as "repoId", objects, refs from pinned_session_write
        where session_id = $1`,
      [sessionId],
    );
  }

  async deleteWrites(ids: readonly string[]): Promise<void> {
    await this.db.query('delete from pinned_session_write where id = any($1::bigint[])', [ids]);
  }
}

function toSession(row: SessionRow): PinnedSession {
  const lastActivityAt = row.lastActivityAt.getTime();
  const key = { ...row, id: row.keyId };
  return {
    id: row.id,
    principal: principalOfKey(key, row.id),
    keyDigest: row.keyDigest,
    currentKeyId: row.currentKeyId,
    keyExpiresAt: row.keyExpiresAt?.getTime() ?? null,
    ttlMs: row.ttlSeconds * 1000,
    idleExtend: row.idleExtend,
    createdAt: row.createdAt.getTime(),
    lastActivityAt,
    savedAt: lastActivityAt,
    endReason: row.endReason,
  };
}
