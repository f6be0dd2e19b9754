import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Blobs, Database, type Principal } from '#platform';
import { type CapturedSession, sessionNotFound } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { PushPlan } from '../sync/push-plan.js';
import { SessionVersionsService, versionHolder } from '../sync/session-versions.service.js';
import { ClaimScreening, type ScreenedVersion } from './claim-screening.js';

/** The session a copy is made of, and the id it gets. */
export interface CopyOrder {
  readonly sourceUid: string;
  readonly id: string;
  readonly handoffId: string;
  /** Null when nobody wanted it searched. */
  readonly screened: ScreenedVersion | null;
}

interface SourceVersion {
  readonly id: string;
  readonly etag: string;
  readonly archiveDigest: string;
  readonly messagesDigest: string | null;
}

/** What a copy has of the session it was made of; lineage, owner, times and alias are its own. */
const COPIED = `title, title_is_set, tags, tags_are_set, source_tool, source_tool_version, model_provider, model_id,
  message_count, turn_count, tool_use_count, total_input_tokens, total_output_tokens, duration_ms, persona_name,
  ticket_id, retrieval_audit_id, rules_source, rules_version, rules_hash, instruction_artifacts, git_remote, git_branch,
  git_commit, git_commits`;

/** Gives somebody a session of their own that shares the blobs of another's (sessionfs-1.md §9.6). */
@Injectable()
export class SessionCopies {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly versions: SessionVersionsService,
    private readonly blobs: Blobs,
    private readonly plan: PushPlan,
    private readonly journal: SessionJournal,
    private readonly screening: ClaimScreening,
    private readonly clock: Clock,
  ) {}

  /** Outside any transaction: holds the source to the caller's policy (claim-screening.ts). */
  screen<Result>(
    caller: Principal,
    sourceUid: string,
    use: (screened: ScreenedVersion | null) => Promise<Result>,
  ): Promise<Result> {
    return this.screening.screen(caller, sourceUid, use);
  }

  /** Keeps the source as it is to the transaction's end; false when it is gone or in the trash. */
  hold(sourceUid: string): Promise<boolean> {
    return this.sessions.holdLive(sourceUid);
  }

  /**
   * Copies the current version of a session that the transaction holds into the account acted for; where its secrets
   * have to go, what it was written anew as. Errors: `forbidden` (`storage_limit`), `conflict` when another version than
   * the searched one is there by now.
   */
  async copy(caller: Principal, order: CopyOrder): Promise<CapturedSession> {
    const { id, handoffId, screened } = order;
    const source = await this.currentVersion(order.sourceUid);
    if (screened !== null && screened.versionId !== source.id) throw pushedMeanwhile();
    const bytes = await (screened?.isRedacted === true
      ? this.copyRedacted(caller, order, source, screened)
      : this.copyShared(caller, order, source));
    const copied = await this.sessions.find(caller, id);
    if (!copied) throw sessionNotFound();
    const session = screened === null ? copied : await this.applyScreen(caller, copied, screened);
    const facts = { etag: session.etag, version_id: session.versionId, handoff_id: handoffId };
    await this.journal.record(caller, session, { event: SESSION_PUSHED, action: 'session.claim' }, facts);
    await this.plan.reserve(caller, session.uid, bytes);
    return session;
  }

  private async applyScreen(
    caller: Principal,
    copied: CapturedSession,
    { received, edit }: ScreenedVersion,
  ): Promise<CapturedSession> {
    await this.sessions.noteScan(copied.uid, received.scan);
    if (Object.keys(edit).length > 0) await this.sessions.edit(copied.uid, edit, this.clock.date());
    return (await this.sessions.find(caller, copied.id)) ?? copied;
  }

  private async currentVersion(sourceUid: string): Promise<SourceVersion> {
    const [version] = await this.db.query<SourceVersion>(
      `select v.id::text, v.etag, v.archive_digest as "archiveDigest", v.messages_digest as "messagesDigest"
         from session_version v join captured_session s on s.version_id = v.id where s.uid = $1`,
      [sourceUid],
    );
    if (!version) throw sessionNotFound();
    return version;
  }

  /** Answers the bytes of what it holds. */
  private async copyShared(caller: Principal, order: CopyOrder, source: SourceVersion): Promise<number> {
    const [uid, now] = [randomUUID(), this.clock.date()];
    const [version] = await this.db.query<{ id: string }>(
      `insert into session_version (session_uid, etag, manifest_session_id, pushed_by_key, created_at, content_hash,
         archive_digest, archive_bytes, messages_digest, messages_index, bad_line_count, problems, workspace, tools)
       select $2, $3, $4, $5, $6, content_hash, archive_digest, archive_bytes, messages_digest, messages_index,
              bad_line_count, problems, workspace, tools
         from session_version where id = $1 returning id::text`,
      [source.id, uid, etagOfCopy(source, order), order.id, caller.keyId, now],
    );
    const versionId = version!.id;
    await this.db.query(
      `insert into captured_session (uid, id, account_id, user_id, version_id, created_at, updated_at, uploaded_at,
         original_session_id, parent_session_id, lineage_is_set, ${COPIED})
       select $2, $3, $4, $5, $6, created_at, $7, $7, id, id, true, ${COPIED} from captured_session where uid = $1`,
      [order.sourceUid, uid, order.id, caller.accountId, caller.userId, versionId, now],
    );
    const { archiveDigest, messagesDigest } = source;
    const digests = messagesDigest === null ? [archiveDigest] : [archiveDigest, messagesDigest];
    for (const digest of digests) await this.blobs.hold(digest, versionHolder(versionId));
    const [held] = await this.db.query<{ bytes: number }>(
      'select coalesce(sum(bytes), 0)::float8 as bytes from blob where digest = any($1)',
      [digests],
    );
    return held?.bytes ?? 0;
  }

  private async copyRedacted(
    caller: Principal,
    order: CopyOrder,
    source: SourceVersion,
    { received }: ScreenedVersion,
  ): Promise<number> {
    const { uid, versionId } = await this.versions.add(caller, order.id, null, received, null);
    await this.db.query('update session_version set etag = $2, manifest_session_id = $3 where id = $1', [
      versionId,
      etagOfCopy(source, order),
      order.id,
    ]);
    await this.db.query(
      `update captured_session c set original_session_id = s.id, parent_session_id = s.id, lineage_is_set = true,
         created_at = s.created_at
         from captured_session s where c.uid = $1 and s.uid = $2`,
      [uid, order.sourceUid],
    );
    return received.archive.bytes + (received.conversation.log?.bytes ?? 0);
  }
}

/** Of its own: what is sent differs from the source's archive in the id that the manifest names. */
function etagOfCopy({ etag }: SourceVersion, { id }: CopyOrder): string {
  return createHash('sha256').update(`${etag} as ${id}`).digest('hex');
}

function pushedMeanwhile(): DomainError {
  return new DomainError('conflict', 'The session has just been pushed; try again');
}
