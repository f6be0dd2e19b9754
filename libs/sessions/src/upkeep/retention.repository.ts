import { Injectable } from '@nestjs/common';
import { Database } from '#platform';

export interface RetentionRule {
  /** Newest versions of a session that stay, however old. */
  readonly newest: number;
  /** From those before, the last of each day stays this long. */
  readonly dailyDays: number;
  /** Versions that a push overwrote without knowing them stay this long. */
  readonly branchDays: number;
}

export interface PrunableSession {
  readonly uid: string;
  readonly id: string;
  readonly accountId: string;
  readonly versionIds: readonly string[];
}

/** Every query of the retention of versions, over all accounts. */
@Injectable()
export class RetentionRepository {
  constructor(private readonly db: Database) {}

  /** Sessions with more versions than stay in any case, by uid after `after`. */
  async listCandidates(newest: number, after: string | null, limit: number): Promise<string[]> {
    const rows = await this.db.query<{ uid: string }>(
      `select session_uid as uid from session_version where $2::uuid is null or session_uid > $2
        group by session_uid having count(*) > $1 order by session_uid limit $3`,
      [newest, after, limit],
    );
    return rows.map(({ uid }) => uid);
  }

  /** Which of these sessions have versions that need not stay, and which those are. Days are those of UTC. */
  listPrunable(uids: readonly string[], rule: RetentionRule, now: Date): Promise<PrunableSession[]> {
    return this.db.query(
      `with ranked as (
         select id, session_uid, is_branch, created_at,
                row_number() over (partition by session_uid order by id desc) as place,
                row_number() over (partition by session_uid, is_branch, (created_at at time zone 'UTC')::date
                                   order by id desc) as place_in_day
           from session_version where session_uid = any($1)
       )
       select s.uid, s.id, s.account_id as "accountId", array_agg(r.id::text order by r.id) as "versionIds"
         from ranked r join captured_session s on s.uid = r.session_uid
        where r.id <> s.version_id and r.place > $2
          and case when r.is_branch then r.created_at < $5::timestamptz - make_interval(days => $4)
                   else r.place_in_day > 1 or r.created_at < $5::timestamptz - make_interval(days => $3) end
        group by s.uid, s.id, s.account_id order by s.uid`,
      [uids, rule.newest, rule.dailyDays, rule.branchDays, now],
    );
  }

  /** Holds the session's row until the transaction ends; false when it is gone. */
  async lock(uid: string): Promise<boolean> {
    return (await this.db.query('select 1 from captured_session where uid = $1 for update', [uid])).length > 0;
  }

  /** Deletes those of the versions that the session does not show, and answers them with the bytes they were counted as. */
  remove(uid: string, versionIds: readonly string[]): Promise<{ id: string; bytes: number }[]> {
    return this.db.query(
      `delete from session_version v using captured_session s
        where v.session_uid = $1 and v.id = any($2::bigint[]) and s.uid = $1 and v.id <> s.version_id
        returning v.id::text, (v.archive_bytes
          + coalesce((select bytes from blob where digest = v.messages_digest), 0))::float8 as bytes`,
      [uid, versionIds],
    );
  }
}
