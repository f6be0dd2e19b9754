import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { type BlobHolder, Blobs } from '#platform';
import type { ArchiveReading } from '../archive/read-archive.js';
import { type CapturedSession, sessionNotFound } from '../captured-session.js';
import { SearchIndexing } from '../search/search-indexing.js';
import { SessionsRepository } from '../sessions.repository.js';
import type { Depositor } from './depositor.js';
import type { SessionVersion } from './version.js';
import { VersionsRepository } from './versions.repository.js';

export interface VersionPage {
  readonly versions: readonly SessionVersion[];
  readonly hasMore: boolean;
}

/** Who holds the blobs of a version, those made of them later included. */
export const versionHolder = (versionId: string): BlobHolder => ({ kind: 'session_version', ownerId: versionId });

/** The versions of a session: adds, finds and lists them. */
@Injectable()
export class SessionVersionsService {
  constructor(
    private readonly versions: VersionsRepository,
    private readonly sessions: SessionsRepository,
    private readonly blobs: Blobs,
    private readonly clock: Clock,
    private readonly search: SearchIndexing,
  ) {}

  /**
   * Makes a kept archive the session's newest version, and the session if `current` is null; part of the caller's
   * transaction, which holds the session's row. A small one can be searched when that is over. Errors: `conflict` when another push created the session meanwhile.
   */
  async add(
    caller: Depositor,
    id: string,
    current: CapturedSession | null,
    reading: ArchiveReading,
    clientDevice: string | null,
  ): Promise<CapturedSession> {
    const now = this.clock.date();
    const uid = current?.uid ?? randomUUID();
    const versionId = await this.insert(caller, uid, reading, clientDevice, now);
    if (current) await this.versions.moveSession(uid, versionId, reading.metadata, now);
    else {
      const session = { uid, id, accountId: caller.accountId, userId: caller.userId };
      const isOurs = await this.versions.createSession(session, versionId, reading.metadata, now);
      if (!isOurs) throw new DomainError('conflict', 'Session created by another request during upload');
    }
    const session = await this.sessions.find(caller, id);
    if (!session) throw sessionNotFound();
    await this.search.afterPush(uid, reading.conversation.log?.bytes ?? 0);
    return session;
  }

  /** The version a session shows. */
  async current(session: CapturedSession): Promise<SessionVersion> {
    const version = await this.versions.find(session.versionId);
    if (!version) throw sessionNotFound();
    return version;
  }

  /** An older version, or a branch, by its ETag. Errors: `not_found`. */
  async byEtag(session: CapturedSession, etag: string): Promise<SessionVersion> {
    const version = await this.versions.findByEtag(session.uid, etag);
    if (!version) throw new DomainError('not_found', 'Version not found');
    return version;
  }

  async list(session: CapturedSession, beforeId: string | null, limit: number): Promise<VersionPage> {
    const rows = await this.versions.list(session.uid, beforeId, limit);
    return { versions: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  /** Keeps it listed as what a push that did not know it has overwritten. */
  markBranch(versionId: string): Promise<void> {
    return this.versions.markBranch(versionId);
  }

  private async insert(
    caller: Depositor,
    sessionUid: string,
    { archive, contentHash, conversation, workspace, tools, problems }: ArchiveReading,
    clientDevice: string | null,
    createdAt: Date,
  ): Promise<string> {
    const badLines = conversation.badLines.map(({ line, reason }) => `messages.jsonl line ${line}: ${reason}`);
    const versionId = await this.versions.insert({
      sessionUid,
      etag: archive.digest,
      contentHash,
      archiveDigest: archive.digest,
      archiveBytes: archive.bytes,
      messagesDigest: conversation.log?.digest ?? null,
      messagesIndex: conversation.index,
      badLineCount: conversation.badLineCount,
      problems: [...problems, ...badLines],
      workspace,
      tools,
      pushedByKey: caller.keyId,
      clientDevice,
      createdAt,
    });
    const holder = versionHolder(versionId);
    await this.blobs.hold(archive.digest, holder);
    if (conversation.log) await this.blobs.hold(conversation.log.digest, holder);
    return versionId;
  }
}
