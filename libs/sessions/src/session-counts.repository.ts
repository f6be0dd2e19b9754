import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, type HandoffTotals, SessionCounts, type SessionTotals } from '#platform';

/** Counts over all accounts, for platform administrators only. */
@Injectable()
export class SessionCountsRepository extends SessionCounts {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {
    super();
  }

  async totals(): Promise<SessionTotals> {
    const rows = await this.db.query<{ tool: string; count: number; bytes: number }>(
      `select s.source_tool as tool, count(*)::integer as count, sum(v.archive_bytes)::float8 as bytes
         from captured_session s join session_version v on v.id = s.version_id
        where s.deleted_at is null group by s.source_tool order by s.source_tool`,
    );
    return {
      total: rows.reduce((sum, { count }) => sum + count, 0),
      bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
      byTool: Object.fromEntries(rows.map(({ tool, count }) => [tool, count])),
    };
  }

  async handoffs(): Promise<HandoffTotals> {
    const [row] = await this.db.query<HandoffTotals>(
      `select count(*)::integer as total, count(*) filter (where status = 'claimed')::integer as claimed,
              count(*) filter (where status = 'pending' and expires_at > $1)::integer as pending
         from handoff`,
      [this.clock.date()],
    );
    return row!;
  }

  async ofUsers(userIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.db.query<{ userId: string; count: number }>(
      `select user_id as "userId", count(*)::integer as count from captured_session
        where user_id = any($1) and deleted_at is null group by user_id`,
      [userIds],
    );
    return new Map(rows.map(({ userId, count }) => [userId, count]));
  }
}
