import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { SessionOwner } from '../sessions.repository.js';
import { MAX_WATCHED, type SyncCounts, type SyncSettings, type WatchedSession, type WatchStatus } from './autosync.js';

/** Every query on sync settings and watchlists: each person has their own in each account. */
@Injectable()
export class AutosyncRepository {
  constructor(private readonly db: Database) {}

  async findSettings({ accountId, userId }: SessionOwner): Promise<SyncSettings | null> {
    const [row] = await this.db.query<SyncSettings>(
      `select mode, debounce_seconds as "debounceSeconds" from sync_setting where account_id = $1 and user_id = $2`,
      [accountId, userId],
    );
    return row ?? null;
  }

  /** Null keeps what is set, or `fallback`'s if nothing is. */
  async saveSettings(
    { accountId, userId }: SessionOwner,
    mode: SyncSettings['mode'],
    debounceSeconds: number | null,
    fallback: SyncSettings,
  ): Promise<SyncSettings> {
    const [row] = await this.db.query<SyncSettings>(
      `insert into sync_setting as s (account_id, user_id, mode, debounce_seconds)
       values ($1, $2, $3, coalesce($4::integer, $5))
       on conflict (account_id, user_id) do update
         set mode = excluded.mode, debounce_seconds = coalesce($4::integer, s.debounce_seconds)
       returning mode, debounce_seconds as "debounceSeconds"`,
      [accountId, userId, mode, debounceSeconds, fallback.debounceSeconds],
    );
    return row!;
  }

  /** False when the list is full. Watching twice is watching once. */
  async watch({ accountId, userId }: SessionOwner, sessionId: string): Promise<boolean> {
    const rows = await this.db.query(
      `insert into sync_watch as w (account_id, user_id, session_id)
       select $1, $2, $3
        where (select count(*) from sync_watch where account_id = $1 and user_id = $2) < $4
           or exists (select 1 from sync_watch where account_id = $1 and user_id = $2 and session_id = $3)
       on conflict (account_id, user_id, session_id) do update set status = w.status
       returning 1`,
      [accountId, userId, sessionId, MAX_WATCHED],
    );
    return rows.length > 0;
  }

  async unwatch({ accountId, userId }: SessionOwner, sessionId: string): Promise<void> {
    await this.db.query('delete from sync_watch where account_id = $1 and user_id = $2 and session_id = $3', [
      accountId,
      userId,
      sessionId,
    ]);
  }

  /** False when the session is not watched. */
  async report(
    { accountId, userId }: SessionOwner,
    sessionId: string,
    status: WatchStatus,
    now: Date,
  ): Promise<boolean> {
    const rows = await this.db.query(
      `update sync_watch
          set status = $4, last_synced_at = case when $4 = 'synced' then $5 else last_synced_at end
        where account_id = $1 and user_id = $2 and session_id = $3 returning 1`,
      [accountId, userId, sessionId, status, now],
    );
    return rows.length > 0;
  }

  /** Last watched first; one more than `limit`. */
  list({ accountId, userId }: SessionOwner, beforeOrdinal: string | null, limit: number): Promise<WatchedSession[]> {
    return this.db.query<WatchedSession>(
      `select w.session_id as "sessionId", w.status, w.last_synced_at as "lastSyncedAt", s.title,
              s.source_tool as "sourceTool", coalesce(s.message_count, 0) as "messageCount", w.ordinal::text
         from sync_watch w
         left join captured_session s on s.account_id = w.account_id and s.user_id = w.user_id
               and s.id = w.session_id and s.deleted_at is null
        where w.account_id = $1 and w.user_id = $2 and ($3::bigint is null or w.ordinal < $3)
        order by w.ordinal desc limit $4`,
      [accountId, userId, beforeOrdinal, limit + 1],
    );
  }

  async counts({ accountId, userId }: SessionOwner): Promise<SyncCounts> {
    const [row] = await this.db.query<SyncCounts>(
      `select sessions.*, watches.* from
         (select count(*)::integer as sessions, coalesce(sum(v.archive_bytes), 0)::float8 as "archiveBytes"
            from captured_session s join session_version v on v.id = s.version_id
           where s.account_id = $1 and s.user_id = $2 and s.deleted_at is null) sessions,
         (select count(*)::integer as watched, (count(*) filter (where status = 'queued'))::integer as queued,
                 (count(*) filter (where status = 'failed'))::integer as failed
            from sync_watch where account_id = $1 and user_id = $2) watches`,
      [accountId, userId],
    );
    return row!;
  }
}
