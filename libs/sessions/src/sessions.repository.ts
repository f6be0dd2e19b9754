import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { brokenConstraint, Database, type Principal, sqlState, UNIQUE_VIOLATION } from '#platform';
import type { CapturedSession } from './captured-session.js';
import type { DlpScanResults } from './dlp/dlp-policy.js';

export interface SessionListQuery {
  readonly limit: number;
  readonly offset: number;
  /** Keyset position: (updated_at, uid) of the last row of the page before. */
  readonly after: { readonly updatedAt: string; readonly uid: string } | null;
  readonly tools: readonly string[] | null;
  readonly tag: string | null;
  /** On which it stood, or that was made in it; the beginning of its id will do. */
  readonly commit: string | null;
  readonly isDeleted: boolean;
}

/** Who owns what a query may see: everything is looked up inside one account. */
export type SessionOwner = Pick<Principal, 'accountId' | 'userId'>;

export interface SessionEdit {
  readonly title?: string;
  readonly alias?: string | null;
  readonly tags?: readonly string[];
  readonly visibility?: 'private' | 'org';
}

export interface SessionDeletion {
  readonly at: Date;
  readonly by: string;
  readonly scope: 'cloud' | 'both';
  readonly purgeAfter: Date;
}

const COLUMNS = `s.uid, s.id, s.account_id as "accountId", s.user_id as "userId", s.visibility, s.title, s.alias, s.tags,
  s.source_tool as "sourceTool", s.source_tool_version as "sourceToolVersion",
  s.original_session_id as "originalSessionId", s.model_provider as "modelProvider", s.model_id as "modelId",
  s.message_count as "messageCount", s.turn_count as "turnCount", s.tool_use_count as "toolUseCount",
  s.total_input_tokens::float8 as "totalInputTokens", s.total_output_tokens::float8 as "totalOutputTokens",
  s.duration_ms::float8 as "durationMs", s.parent_session_id as "parentSessionId", s.persona_name as "personaName",
  s.ticket_id as "ticketId", s.retrieval_audit_id as "retrievalAuditId", s.rules_source as "rulesSource",
  s.rules_version as "rulesVersion", s.rules_hash as "rulesHash", s.instruction_artifacts as "instructionArtifacts",
  s.git_remote as "gitRemote", s.git_branch as "gitBranch", s.git_commit as "gitCommit",
  s.git_commits as "gitCommits",
  s.dlp_scan_results as "dlpScanResults", s.version_id::text as "versionId", v.etag,
  v.archive_bytes::float8 as "archiveBytes", s.created_at as "createdAt", s.updated_at as "updatedAt",
  s.uploaded_at as "uploadedAt", s.deleted_at as "deletedAt", s.deleted_by as "deletedBy",
  s.delete_scope as "deleteScope", s.purge_after as "purgeAfter"`;
const TABLES = 'captured_session s join session_version v on v.id = s.version_id';

/** A session as `CapturedSession` has it, for queries that join further tables. */
export { COLUMNS as SESSION_COLUMNS, TABLES as SESSION_TABLES };

/** Whether session `s` has to do with the commit whose id begins with the parameter, which holds hexadecimal digits only. */
export const ofCommit = (parameter: string): string =>
  `(s.git_commit like ${parameter} || '%' or exists (select from unnest(s.git_commits) made where made like ${parameter} || '%'))`;

const NAMED = `s.account_id = $1 and s.user_id = $2 and (s.id = $3 or (s.alias = $3 and s.deleted_at is null))`;
const NEWEST_FIRST = `date_trunc('milliseconds', s.updated_at) desc, s.uid desc`;

function isAliasTaken(error: unknown): boolean {
  return sqlState(error) === UNIQUE_VIOLATION && brokenConstraint(error) === 'captured_session_alias';
}

/** FREE_ALIAS does not see an alias that is being given at the same moment: that one wins, and a retry goes without. */
export function aliasRaceOr(error: unknown): unknown {
  return isAliasTaken(error)
    ? new DomainError('conflict', 'The alias was just given away; try again', { cause: error })
    : error;
}

/** The alias of session `s` coming back from the trash: none if another live session has taken it meanwhile. */
export const FREE_ALIAS = `case when exists (select 1 from captured_session o where o.account_id = s.account_id
  and o.user_id = s.user_id and o.alias = s.alias and o.deleted_at is null and o.uid <> s.uid) then null else s.alias end`;

/** Every query on captured sessions as their owners see them. */
@Injectable()
export class SessionsRepository {
  constructor(private readonly db: Database) {}

  /** By id, else by alias; aliases name live sessions only. */
  async find(owner: SessionOwner, name: string): Promise<CapturedSession | null> {
    const [row] = await this.db.query<CapturedSession>(`select ${COLUMNS} from ${TABLES} where ${NAMED}`, [
      owner.accountId,
      owner.userId,
      name,
    ]);
    return row ?? null;
  }

  /** Whoever owns it, deleted or not: for those who were shown it otherwise. */
  async findByUid(uid: string): Promise<CapturedSession | null> {
    const [row] = await this.db.query<CapturedSession>(`select ${COLUMNS} from ${TABLES} where s.uid = $1`, [uid]);
    return row ?? null;
  }

  /**
   * As `find`, with the row held until the transaction ends. Locked on its own first: a lock that had to wait would
   * look for the version that was current before, and find no row at all.
   */
  async findLocked(owner: SessionOwner, name: string): Promise<CapturedSession | null> {
    await this.db.query(`select 1 from captured_session s where ${NAMED} for update`, [
      owner.accountId,
      owner.userId,
      name,
    ]);
    return this.find(owner, name);
  }

  /** Keeps a live session as it is to the transaction's end, its versions included; false when it is none. */
  async holdLive(uid: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from captured_session where uid = $1 and deleted_at is null for share', [
      uid,
    ]);
    return rows.length > 0;
  }

  /** Holds the session's row until the transaction ends. */
  async lock(uid: string): Promise<void> {
    await this.db.query('select 1 from captured_session where uid = $1 for update', [uid]);
  }

  /** A session of the account that its owner shows to the whole organisation. */
  async findShown(accountId: string, id: string): Promise<CapturedSession | null> {
    const [row] = await this.db.query<CapturedSession>(
      `select ${COLUMNS} from ${TABLES}
        where s.account_id = $1 and s.visibility = 'org' and s.deleted_at is null and s.id = $2
        order by s.created_at limit 1`,
      [accountId, id],
    );
    return row ?? null;
  }

  /** One row more than `limit`, so that the caller knows whether a next page exists. */
  list(owner: SessionOwner, query: SessionListQuery): Promise<CapturedSession[]> {
    return this.db.query<CapturedSession>(
      `select ${COLUMNS} from ${TABLES}
        where ${FILTER} and ($7::timestamptz is null or (date_trunc('milliseconds', s.updated_at), s.uid) < ($7, $8::uuid))
        order by ${NEWEST_FIRST} limit $9 offset $10`,
      [
        ...filterOf(owner, query),
        query.after?.updatedAt ?? null,
        query.after?.uid ?? null,
        query.limit + 1,
        query.offset,
      ],
    );
  }

  /** Live sessions in an order that no change disturbs. */
  listByUid(owner: SessionOwner, after: string | null, limit: number): Promise<CapturedSession[]> {
    return this.db.query<CapturedSession>(
      `select ${COLUMNS} from ${TABLES}
        where s.account_id = $1 and s.user_id = $2 and s.deleted_at is null and ($3::uuid is null or s.uid > $3)
        order by s.uid limit $4`,
      [owner.accountId, owner.userId, after, limit],
    );
  }

  async count(owner: SessionOwner, query: SessionListQuery): Promise<number> {
    const [row] = await this.db.query<{ count: string }>(
      `select count(*) from captured_session s where ${FILTER}`,
      filterOf(owner, query),
    );
    return Number(row?.count ?? 0);
  }

  /** False when the alias names another live session. */
  async edit(uid: string, change: SessionEdit, now: Date): Promise<boolean> {
    try {
      await this.db.query(
        `update captured_session set
           title = case when $2 then $3 else title end, title_is_set = title_is_set or $2,
           alias = case when $4 then $5 else alias end,
           tags = case when $6 then $7::text[] else tags end, tags_are_set = tags_are_set or $6,
           visibility = coalesce($8, visibility), updated_at = $9
         where uid = $1`,
        [
          uid,
          change.title !== undefined,
          change.title ?? null,
          change.alias !== undefined,
          change.alias ?? null,
          change.tags !== undefined,
          change.tags ?? null,
          change.visibility ?? null,
          now,
        ],
      );
      return true;
    } catch (error) {
      if (isAliasTaken(error)) return false;
      throw error;
    }
  }

  /** Title and tags as far as people have set them. */
  async findOwnWords(uid: string): Promise<SessionEdit> {
    const [row] = await this.db.query<{ title: string | null; tags: string[] | null }>(
      `select case when title_is_set then title end as title, case when tags_are_set then tags end as tags
         from captured_session where uid = $1`,
      [uid],
    );
    const { title = null, tags = null } = row ?? {};
    return { ...(title !== null && { title }), ...(tags !== null && { tags }) };
  }

  async noteScan(uid: string, results: DlpScanResults | null): Promise<void> {
    await this.db.query('update captured_session set dlp_scan_results = $2 where uid = $1', [
      uid,
      results && JSON.stringify(results),
    ]);
  }

  async trash(uid: string, { at, by, scope, purgeAfter }: SessionDeletion): Promise<void> {
    await this.db.query(
      `update captured_session set deleted_at = $2, deleted_by = $3, delete_scope = $4, purge_after = $5 where uid = $1`,
      [uid, at, by, scope, purgeAfter],
    );
  }

  /** Takes the session out of the trash; without its alias if another live session has it by now. */
  async restore(uid: string): Promise<void> {
    try {
      await this.db.query(
        `update captured_session s set deleted_at = null, deleted_by = null, delete_scope = null, purge_after = null,
         alias = ${FREE_ALIAS}
        where uid = $1`,
        [uid],
      );
    } catch (error) {
      throw aliasRaceOr(error);
    }
  }
}

const FILTER = `s.account_id = $1 and s.user_id = $2 and (s.deleted_at is not null) = $3
  and ($4::text[] is null or s.source_tool = any($4)) and ($5::text is null or s.tags @> array[$5])
  and ($6::text is null or ${ofCommit('$6')})`;

function filterOf(owner: SessionOwner, query: SessionListQuery): unknown[] {
  return [owner.accountId, owner.userId, query.isDeleted, query.tools, query.tag, query.commit];
}
