import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { ArchiveMetadata } from '../archive/metadata.js';
import type { CapturedSession } from '../captured-session.js';
import { aliasRaceOr, FREE_ALIAS } from '../sessions.repository.js';
import type { SessionVersion } from './version.js';

export type NewVersion = Omit<SessionVersion, 'id' | 'isBranch' | 'manifestSessionId'>;

const COLUMNS = `v.id::text, v.session_uid as "sessionUid", v.etag, v.content_hash as "contentHash",
  v.archive_digest as "archiveDigest", v.archive_bytes::float8 as "archiveBytes", v.manifest_session_id as "manifestSessionId",
  v.messages_digest as "messagesDigest", v.messages_index as "messagesIndex", v.bad_line_count as "badLineCount",
  v.problems, v.workspace, v.tools, v.is_branch as "isBranch", v.pushed_by_key as "pushedByKey",
  v.client_device as "clientDevice",
  v.created_at as "createdAt"`;

/** The columns of captured_session that every push sets again, in the order of `factsOf`. */
const FACTS = [
  'title',
  'tags',
  'source_tool',
  'source_tool_version',
  'original_session_id',
  'model_provider',
  'model_id',
  'message_count',
  'turn_count',
  'tool_use_count',
  'total_input_tokens',
  'total_output_tokens',
  'duration_ms',
  'parent_session_id',
  'persona_name',
  'ticket_id',
  'retrieval_audit_id',
  'rules_source',
  'rules_version',
  'rules_hash',
  'instruction_artifacts',
  'git_remote',
  'git_branch',
  'git_commit',
  'git_commits',
];
/** `$from, $from+1, …`, one for each fact. */
const places = (from: number): string[] => FACTS.map((_, index) => `$${from + index}`);
/** What an owner has set, and where a claimed session comes from, outlives pushes. */
const KEPT: Readonly<Record<string, string>> = {
  title: 'title_is_set',
  tags: 'tags_are_set',
  original_session_id: 'lineage_is_set',
  parent_session_id: 'lineage_is_set',
};
/** What each fact becomes when an archive says `$from, $from+1, …`. */
const becoming = (from: number): string[] =>
  places(from).map((place, index) => {
    const flag = KEPT[FACTS[index]!];
    return flag ? `case when ${flag} then ${FACTS[index]} else ${place} end` : place;
  });
const ASSIGNMENTS = becoming(4).map((value, index) => `${FACTS[index]} = ${value}`);
/** An uploader may have named another tool than the archive does. */
const REFRESHED = becoming(3).map((value, index) =>
  FACTS[index] === 'source_tool' ? `case when source_tool = 'unknown' then ${value} else source_tool end` : value,
);

/** Every query on the versions of sessions, and what a push writes. */
@Injectable()
export class VersionsRepository {
  constructor(private readonly db: Database) {}

  async find(versionId: string): Promise<SessionVersion | null> {
    const [row] = await this.db.query<SessionVersion>(`select ${COLUMNS} from session_version v where v.id = $1`, [
      versionId,
    ]);
    return row ?? null;
  }

  /** The version that a live session shows. */
  async findShown(sessionUid: string): Promise<SessionVersion | null> {
    const [row] = await this.db.query<SessionVersion>(
      `select ${COLUMNS} from session_version v join captured_session s on s.version_id = v.id
        where s.uid = $1 and s.deleted_at is null`,
      [sessionUid],
    );
    return row ?? null;
  }

  /** The newest version with that ETag. */
  async findByEtag(sessionUid: string, etag: string): Promise<SessionVersion | null> {
    const [row] = await this.db.query<SessionVersion>(
      `select ${COLUMNS} from session_version v where v.session_uid = $1 and v.etag = $2 order by v.id desc limit 1`,
      [sessionUid, etag],
    );
    return row ?? null;
  }

  /** Newest first; one more than `limit`. */
  list(sessionUid: string, beforeId: string | null, limit: number): Promise<SessionVersion[]> {
    return this.db.query<SessionVersion>(
      `select ${COLUMNS} from session_version v
        where v.session_uid = $1 and ($2::bigint is null or v.id < $2) order by v.id desc limit $3`,
      [sessionUid, beforeId, limit + 1],
    );
  }

  async insert(version: NewVersion): Promise<string> {
    const [row] = await this.db.query<{ id: string }>(
      `insert into session_version (session_uid, etag, content_hash, archive_digest, archive_bytes, messages_digest,
         messages_index, bad_line_count, problems, workspace, tools, pushed_by_key, client_device, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning id::text`,
      [
        version.sessionUid,
        version.etag,
        version.contentHash,
        version.archiveDigest,
        version.archiveBytes,
        version.messagesDigest,
        JSON.stringify(version.messagesIndex),
        version.badLineCount,
        JSON.stringify(version.problems),
        version.workspace && JSON.stringify(version.workspace),
        version.tools && JSON.stringify(version.tools),
        version.pushedByKey,
        version.clientDevice,
        version.createdAt,
      ],
    );
    return row!.id;
  }

  async markBranch(versionId: string): Promise<void> {
    await this.db.query('update session_version set is_branch = true where id = $1', [versionId]);
  }

  /** False when the owner has a session of that id by now. */
  async createSession(
    session: Pick<CapturedSession, 'uid' | 'id' | 'accountId' | 'userId'>,
    versionId: string,
    facts: ArchiveMetadata,
    now: Date,
  ): Promise<boolean> {
    const rows = await this.db.query(
      `insert into captured_session (uid, id, account_id, user_id, version_id, created_at, updated_at, uploaded_at,
         ${FACTS.join(', ')})
       values ($1, $2, $3, $4, $5, $6, $6, $6, ${places(7).join(', ')})
       on conflict (account_id, user_id, id) do nothing returning uid`,
      [session.uid, session.id, session.accountId, session.userId, versionId, now, ...factsOf(facts)],
    );
    return rows.length > 0;
  }

  /**
   * Takes over what the archive of the session's version says, if that is still the one it shows; nothing else changes.
   * @returns whether anything did
   */
  async refreshFacts(uid: string, versionId: string, facts: ArchiveMetadata): Promise<boolean> {
    const rows = await this.db.query(
      `update captured_session set (${FACTS.join(', ')}) = (${REFRESHED.join(', ')})
        where uid = $1 and version_id = $2 and (${FACTS.join(', ')}) is distinct from (${REFRESHED.join(', ')})
        returning 1`,
      [uid, versionId, ...factsOf(facts)],
    );
    return rows.length > 0;
  }

  /** Points the session at a version and takes over what its archive says; out of the trash if it was there. */
  async moveSession(uid: string, versionId: string, facts: ArchiveMetadata, now: Date): Promise<void> {
    try {
      await this.db.query(
        `update captured_session s set version_id = $2, updated_at = $3, deleted_at = null, deleted_by = null,
         delete_scope = null, purge_after = null, alias = ${FREE_ALIAS}, ${ASSIGNMENTS.join(', ')}
        where uid = $1`,
        [uid, versionId, now, ...factsOf(facts)],
      );
    } catch (error) {
      throw aliasRaceOr(error);
    }
  }
}

function factsOf(facts: ArchiveMetadata): unknown[] {
  return [
    facts.title,
    facts.tags,
    facts.sourceTool,
    facts.sourceToolVersion,
    facts.originalSessionId,
    facts.modelProvider,
    facts.modelId,
    facts.messageCount,
    facts.turnCount,
    facts.toolUseCount,
    facts.totalInputTokens,
    facts.totalOutputTokens,
    facts.durationMs,
    facts.parentSessionId,
    facts.personaName,
    facts.ticketId,
    facts.retrievalAuditId,
    facts.rulesSource,
    facts.rulesVersion,
    facts.rulesHash,
    JSON.stringify(facts.instructionArtifacts),
    facts.gitRemote,
    facts.gitBranch,
    facts.gitCommit,
    facts.gitCommits,
  ];
}
