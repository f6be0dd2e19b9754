import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { SandboxesRepository } from '../sandboxes.repository.js';
import type { CodingSession, CodingSessionEdit, ListedCodingSession } from './coding-session.js';

export interface CodingSessionListQuery {
  /** Null for all of them; `active` are those that are not archived. */
  readonly status: 'active' | 'archived' | null;
  readonly limit: number;
  readonly offset: number;
  /** Keyset position: the (created_at, id) of the last session seen. */
  readonly after: { readonly createdAt: string; readonly id: string } | null;
}

/** Where archiving and unarchiving leave a session. */
export interface CodingSessionMove {
  readonly state: 'archived' | null;
  readonly isStopping: boolean;
}

const COLUMNS = `s.id, s.account_id as "accountId", s.user_id as "userId", s.state, s.version, s.error,
  s.lease_id as "leaseId", s.last_activity_at as "lastActivityAt", s.created_at as "createdAt",
  s.updated_at as "updatedAt", c.title, c.status, c.artist_id as "artistId", c.repo_owner as "repoOwner",
  c.repo_name as "repoName", c.branch, c.clone_url as "cloneUrl", c.is_new_branch as "isNewBranch",
  c.is_stopping as "isStopping", c.provider_state as "providerState",
  c.expires_at as "expiresAt", c.hibernate_after as "hibernateAfter", c.lines_added as "linesAdded",
  c.lines_removed as "linesRemoved", c.snapshot_url as "snapshotUrl", c.snapshot_created_at as "snapshotCreatedAt",
  c.snapshot_bytes::float8 as "snapshotBytes", c.cached_diff as "cachedDiff", c.cached_diff_at as "cachedDiffAt",
  array(select k.name from sandbox_skill k where k.sandbox_id = s.id order by k.name collate "C") as skills`;
const TABLES = 'sandbox s join coding_session c on c.sandbox_id = s.id';
const EXISTING = `s.state is distinct from 'destroying'`;

/** Every query on sandboxes as the sandbox-api surface sees them. */
@Injectable()
export class CodingSessionsRepository {
  constructor(
    private readonly db: Database,
    private readonly sandboxes: SandboxesRepository,
  ) {}

  /** Creations of one account wait for each other until the transaction ends: no two draw the same title. */
  async lockTitles(accountId: string): Promise<void> {
    await this.db.query(`select pg_advisory_xact_lock(hashtextextended('coding-titles:' || $1, 0))`, [accountId]);
  }

  /** Those of `titles` that a session of the account has. */
  async titlesAmong(accountId: string, titles: readonly string[]): Promise<string[]> {
    const rows = await this.db.query<{ title: string }>(
      'select distinct title from coding_session where account_id = $1 and title = any($2)',
      [accountId, titles],
    );
    return rows.map(({ title }) => title);
  }

  /** `<title> <n>` with the smallest n from 2 on that no session of the account has. */
  async numbered(accountId: string, title: string): Promise<string> {
    const [row] = await this.db.query<{ number: number }>(
      `with used as (select title from coding_session where account_id = $1 and title like $2 || ' %')
       select min(n)::int as number from generate_series(2, (select count(*) + 2 from used)) n
        where $2 || ' ' || n not in (select title from used)`,
      [accountId, title],
    );
    return `${title} ${row?.number ?? 2}`;
  }

  async insert(session: CodingSession, orgId: string | null): Promise<void> {
    await this.db.query(
      `insert into sandbox (id, surface, account_id, user_id, state, created_at, updated_at)
       values ($1, 'coding', $2, $3, $4, $5, $5)`,
      [session.id, session.accountId, session.userId, session.state, session.createdAt],
    );
    await this.db.query(
      `insert into coding_session (sandbox_id, account_id, title, status, artist_id, org_id, repo_owner, repo_name,
         branch, clone_url, is_new_branch, provider_state)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      [
        session.id,
        session.accountId,
        session.title,
        session.status,
        session.artistId,
        orgId,
        session.repoOwner,
        session.repoName,
        session.branch,
        session.cloneUrl,
        session.isNewBranch,
        JSON.stringify(session.providerState),
      ],
    );
  }

  /** Of whatever account: the surface tells a stranger's session from a missing one (sandbox-sessions.md §A9.1). */
  async find(id: string): Promise<CodingSession | null> {
    const [row] = await this.db.query<CodingSession>(
      `select ${COLUMNS} from ${TABLES} where s.id = $1 and ${EXISTING}`,
      [id],
    );
    return row ?? null;
  }

  /** As `find`, with the sandbox held until the transaction ends. */
  async findLocked(id: string): Promise<CodingSession | null> {
    await this.sandboxes.hold(id);
    return this.find(id);
  }

  /** Newest first; one row more than `limit`. */
  list(accountId: string, userId: string, query: CodingSessionListQuery): Promise<ListedCodingSession[]> {
    return this.db.query<ListedCodingSession>(
      `select s.id, c.title, c.status, c.repo_owner as "repoOwner", c.repo_name as "repoName", c.branch,
              c.lines_added as "linesAdded", c.lines_removed as "linesRemoved", s.created_at as "createdAt",
              coalesce(l.changed_at, s.created_at) as "lastActivityAt", coalesce(l.has_unread, false) as "hasUnread",
              coalesce(l.has_streaming, false) as "hasStreaming", l.latest as "latestChatId"
         from ${TABLES} left join lateral (
           select max(h.updated_at) as changed_at, bool_or(h.active_stream_id is not null) as has_streaming,
                  bool_or(h.last_assistant_message_at > coalesce(r.read_at, '-infinity')) as has_unread,
                  (array_agg(h.id order by h.updated_at desc, h.id desc))[1] as latest
             from chat h left join chat_read r
               on r.user_id = $2 and r.account_id = h.account_id and r.chat_id = h.id
            where h.sandbox_id = s.id) l on true
        where ${FILTER} and ($4::timestamptz is null or (date_trunc('milliseconds', s.created_at), s.id) < ($4, $5))
        order by date_trunc('milliseconds', s.created_at) desc, s.id desc limit $6 offset $7`,
      [
        accountId,
        userId,
        query.status,
        query.after?.createdAt ?? null,
        query.after?.id ?? null,
        query.limit + 1,
        query.offset,
      ],
    );
  }

  async countArchived(accountId: string): Promise<number> {
    const [row] = await this.db.query<{ count: string }>(
      `select count(*) from ${TABLES}
        where s.account_id = $1 and ${EXISTING} and c.status = 'archived' and not c.is_account_level`,
      [accountId],
    );
    return Number(row?.count ?? 0);
  }

  async edit(id: string, { title, status, linesAdded, linesRemoved }: CodingSessionEdit, now: Date): Promise<void> {
    await this.db.query(
      `with edited as (
         update coding_session set title = coalesce($2, title), status = coalesce($3, status),
           lines_added = coalesce($4, lines_added), lines_removed = coalesce($5, lines_removed)
          where sandbox_id = $1)
       update sandbox set updated_at = $6 where id = $1`,
      [id, title ?? null, status ?? null, linesAdded ?? null, linesRemoved ?? null, now],
    );
  }

  /** A diff that was begun earlier than the stored one is dropped: the slower of two is not the newer. */
  async storeDiff(
    id: string,
    diff: { readonly summary: { readonly totalAdditions: number; readonly totalDeletions: number } },
    startedAt: Date,
  ): Promise<void> {
    await this.db.query(
      `update coding_session set cached_diff = $2, cached_diff_at = $3, lines_added = least($4::bigint, 2147483647),
         lines_removed = least($5::bigint, 2147483647)
        where sandbox_id = $1 and (cached_diff_at is null or cached_diff_at <= $3)`,
      [id, JSON.stringify(diff), startedAt, diff.summary.totalAdditions, diff.summary.totalDeletions],
    );
  }

  /** Into or out of the archive: timers and errors go, the version moves. */
  async move(id: string, { state, isStopping }: CodingSessionMove, now: Date): Promise<void> {
    await this.db.query(
      `with moved as (
         update coding_session set is_stopping = $3, expires_at = null, hibernate_after = null where sandbox_id = $1)
       update sandbox set state = $2, version = version + 1, error = null, lease_id = null, lease_expires_at = null,
         updated_at = $4 where id = $1`,
      [id, state, isStopping, now],
    );
  }
}

const FILTER = `s.account_id = $1 and s.surface = 'coding' and ${EXISTING} and not c.is_account_level
  and ($3::text is null or (c.status = 'archived') = ($3 = 'archived'))`;
