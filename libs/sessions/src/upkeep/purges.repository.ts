import { Injectable } from '@nestjs/common';
import { Database } from '#platform';

/** What a purge takes away: the session and what it held. */
export interface PurgeableSession {
  readonly uid: string;
  readonly id: string;
  readonly accountId: string;
  readonly userId: string;
}

export interface DuePosition {
  readonly purgeAfter: Date;
  readonly uid: string;
}

const COLUMNS = 'uid, id, account_id as "accountId", user_id as "userId"';

/** Every query of purging, over all accounts. */
@Injectable()
export class PurgesRepository {
  constructor(private readonly db: Database) {}

  /** Sessions in the trash whose time is up, the longest due first. */
  listDue(now: Date, after: DuePosition | null, limit: number): Promise<(PurgeableSession & DuePosition)[]> {
    return this.db.query(
      `select ${COLUMNS}, purge_after as "purgeAfter" from captured_session
        where purge_after < $1
          and ($2::timestamptz is null or (date_trunc('milliseconds', purge_after), uid) > ($2, $3::uuid))
        order by date_trunc('milliseconds', purge_after), uid limit $4`,
      [now, after?.purgeAfter ?? null, after?.uid ?? null, limit],
    );
  }

  /** Sessions in the trash by their owners' id, which several may share; two at most. */
  findTrashed(id: string, userId: string | null): Promise<PurgeableSession[]> {
    return this.db.query(
      `select ${COLUMNS} from captured_session
        where id = $1 and deleted_at is not null and ($2::uuid is null or user_id = $2) order by uid limit 2`,
      [id, userId],
    );
  }

  /** Holds the row until the transaction ends; false when it is no longer in the trash, or not due by `dueBy`. */
  async lockTrashed(uid: string, dueBy: Date | null): Promise<boolean> {
    const rows = await this.db.query(
      `select 1 from captured_session
        where uid = $1 and deleted_at is not null and ($2::timestamptz is null or purge_after < $2) for update`,
      [uid, dueBy],
    );
    return rows.length > 0;
  }

  async listVersionIds(uid: string): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>('select id::text from session_version where session_uid = $1', [
      uid,
    ]);
    return rows.map(({ id }) => id);
  }

  /** With all that hangs on it. */
  async remove(uid: string): Promise<void> {
    await this.db.query('delete from captured_session where uid = $1', [uid]);
  }
}
