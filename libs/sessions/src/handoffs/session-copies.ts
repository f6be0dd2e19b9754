import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Blobs, Database, type Principal } from '#platform';
import { type CapturedSession, sessionNotFound } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { PushPlan } from '../sync/push-plan.js';

interface CopiedVersion {
  readonly id: string;
  readonly archiveDigest: string;
  readonly messagesDigest: string | null;
}

/** What a copy has of the session it was made of; lineage, owner, times and alias are its own. */
const COPIED = `title, title_is_set, tags, tags_are_set, source_tool, source_tool_version, model_provider, model_id,
  message_count, turn_count, tool_use_count, total_input_tokens, total_output_tokens, duration_ms, persona_name,
  ticket_id, retrieval_audit_id, rules_source, rules_version, rules_hash, instruction_artifacts, git_remote, git_branch,
  git_commit, dlp_scan_results`;

/** Gives somebody a session of their own that shares the blobs of another's (sessionfs-1.md §9.6). */
@Injectable()
export class SessionCopies {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly blobs: Blobs,
    private readonly plan: PushPlan,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Copies the current version of a session that the transaction holds (`holdLive`) into the account acted for. Errors:
   * `forbidden` (`storage_limit`).
   */
  async copy(caller: Principal, sourceUid: string, id: string, handoffId: string): Promise<CapturedSession> {
    const uid = randomUUID();
    const version = await this.copyVersion(caller, sourceUid, uid, id);
    await this.copySession(caller, sourceUid, uid, id, version.id);
    const digests = [version.archiveDigest, ...(version.messagesDigest === null ? [] : [version.messagesDigest])];
    for (const digest of digests) await this.blobs.hold(digest, { kind: 'session_version', ownerId: version.id });
    const session = await this.sessions.find(caller, id);
    if (!session) throw sessionNotFound();
    const facts = { etag: session.etag, version_id: session.versionId, handoff_id: handoffId };
    await this.journal.record(caller, session, { event: SESSION_PUSHED, action: 'session.claim' }, facts);
    await this.plan.reserve(caller, uid, await this.bytesOf(digests));
    return session;
  }

  /** Its ETag is its own: what is sent differs from the source's archive in the id that the manifest names. */
  private async copyVersion(caller: Principal, sourceUid: string, uid: string, id: string): Promise<CopiedVersion> {
    const [source] = await this.db.query<{ id: string; etag: string }>(
      'select v.id::text, v.etag from session_version v join captured_session s on s.version_id = v.id where s.uid = $1',
      [sourceUid],
    );
    if (!source) throw sessionNotFound();
    const etag = createHash('sha256').update(`${source.etag} as ${id}`).digest('hex');
    const [version] = await this.db.query<CopiedVersion>(
      `insert into session_version (session_uid, etag, manifest_session_id, pushed_by_key, created_at, content_hash,
         archive_digest, archive_bytes, messages_digest, messages_index, bad_line_count, problems, workspace, tools)
       select $2, $3, $4, $5, $6, content_hash, archive_digest, archive_bytes, messages_digest, messages_index,
              bad_line_count, problems, workspace, tools
         from session_version where id = $1
       returning id::text, archive_digest as "archiveDigest", messages_digest as "messagesDigest"`,
      [source.id, uid, etag, id, caller.keyId, this.clock.date()],
    );
    return version!;
  }

  private async copySession(
    caller: Principal,
    sourceUid: string,
    uid: string,
    id: string,
    versionId: string,
  ): Promise<void> {
    await this.db.query(
      `insert into captured_session (uid, id, account_id, user_id, version_id, created_at, updated_at, uploaded_at,
         original_session_id, parent_session_id, lineage_is_set, ${COPIED})
       select $2, $3, $4, $5, $6, created_at, $7, $7, id, id, true, ${COPIED} from captured_session where uid = $1`,
      [sourceUid, uid, id, caller.accountId, caller.userId, versionId, this.clock.date()],
    );
  }

  private async bytesOf(digests: readonly string[]): Promise<number> {
    const [row] = await this.db.query<{ bytes: number }>(
      'select coalesce(sum(bytes), 0)::float8 as bytes from blob where digest = any($1)',
      [digests],
    );
    return row?.bytes ?? 0;
  }
}
