import { Injectable } from '@nestjs/common';
import { Database, type Page } from '#platform';

export const ADMIN_SESSION_SORTS = ['created_at', 'message_count', 'blob_size'] as const;
export type AdminSessionSort = (typeof ADMIN_SESSION_SORTS)[number];

/** What an administrator sees of anybody's session: nothing that was said in it but its title. */
export interface ListedSession {
  readonly uid: string;
  readonly id: string;
  readonly accountId: string;
  readonly userId: string;
  readonly title: string | null;
  readonly sourceTool: string;
  readonly messageCount: number;
  readonly archiveBytes: number;
  readonly createdAt: Date;
  readonly deletedAt: Date | null;
  readonly purgeAfter: Date | null;
}

export interface AdminSessionFilter {
  readonly userId: string | null;
  readonly tools: readonly string[] | null;
  /** An id, or part of a title. */
  readonly search: string | null;
  readonly isDeleted: boolean;
}

const COLUMNS = `s.uid, s.id, s.account_id as "accountId", s.user_id as "userId", s.title, s.source_tool as "sourceTool",
  s.message_count as "messageCount", v.archive_bytes::float8 as "archiveBytes", s.created_at as "createdAt",
  s.deleted_at as "deletedAt", s.purge_after as "purgeAfter"`;
const TABLES = 'captured_session s join session_version v on v.id = s.version_id';
const FILTER = `($1::uuid is null or s.user_id = $1) and ($2::text[] is null or s.source_tool = any($2))
  and ($3::text is null or s.id = $3 or s.title ilike $4) and (s.deleted_at is not null) = $5`;
/** What is sorted by, as a whole number for cursors, and back from one ($6). */
const SORTS: Readonly<Record<AdminSessionSort, { column: string; position: string; bound: string }>> = {
  created_at: {
    column: 's.created_at',
    position: '(extract(epoch from s.created_at) * 1000000)::bigint',
    bound: `'epoch'::timestamptz + $6::bigint * interval '1 microsecond'`,
  },
  message_count: { column: 's.message_count', position: 's.message_count', bound: '$6::bigint' },
  blob_size: { column: 'v.archive_bytes', position: 'v.archive_bytes', bound: '$6::bigint' },
};

/** Captured sessions of all accounts, for platform administrators only. */
@Injectable()
export class AdminSessionsRepository {
  constructor(private readonly db: Database) {}

  /** The largest, or latest, first. */
  async list(
    filter: AdminSessionFilter,
    sort: AdminSessionSort,
    page: Page,
  ): Promise<{ sessions: ListedSession[]; next: readonly string[] | null }> {
    const [value = null, uid = null] = page.after ?? [];
    const { column, position, bound } = SORTS[sort];
    const rows = await this.db.query<ListedSession & { position: string }>(
      `select ${COLUMNS}, ${position}::text as position from ${TABLES}
        where ${FILTER} and ($6::bigint is null or (${column}, s.uid) < (${bound}, $7::uuid))
        order by ${column} desc, s.uid desc limit $8::integer + 1 offset $9`,
      [...parametersOf(filter), value, uid, page.size, page.offset],
    );
    const sessions = rows.slice(0, page.size);
    const last = sessions.at(-1);
    return { sessions, next: last && rows.length > page.size ? [last.position, last.uid] : null };
  }

  async count(filter: AdminSessionFilter): Promise<number> {
    const [row] = await this.db.query<{ total: number }>(
      `select count(*)::integer as total from captured_session s where ${FILTER}`,
      parametersOf(filter),
    );
    return row?.total ?? 0;
  }

  /** Live sessions by their owners' id, which several may share; two at most. */
  findLive(id: string, userId: string | null): Promise<ListedSession[]> {
    return this.db.query(
      `select ${COLUMNS} from ${TABLES}
        where s.id = $1 and s.deleted_at is null and ($2::uuid is null or s.user_id = $2) order by s.uid limit 2`,
      [id, userId],
    );
  }
}

function parametersOf({ userId, tools, search, isDeleted }: AdminSessionFilter): unknown[] {
  const pattern = search && `%${search.replace(/[\\%_]/g, '\\$&')}%`;
  return [userId, tools, search, pattern, isDeleted];
}
