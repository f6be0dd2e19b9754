import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { archiveTooLarge } from '../archive/archive-limits.js';
import { Archives } from '../archive/archives.js';
import type { ArchiveReading } from '../archive/read-archive.js';
import { type CapturedSession, isSessionId } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { PushPlan } from './push-plan.js';
import { SessionVersionsService } from './session-versions.service.js';
import { UploadSlots } from './upload-slots.js';
import { etagMismatch } from './version.js';

export interface PushTerms {
  /** Value of If-Match without quotes; null to overwrite whatever is there. */
  readonly ifMatch: string | null;
  /** Whether a deleted session may come back by being pushed. */
  readonly undelete: boolean;
  readonly clientDevice: string | null;
  /** Content-Length of the request; null when it is chunked. */
  readonly announcedBytes: number | null;
}

/** Opens the body and gives its file to `use`, while it arrives. */
export type Upload = (use: (file: Readable) => Promise<ArchiveReading>) => Promise<ArchiveReading>;

export interface PushResult {
  readonly session: CapturedSession;
  readonly isNew: boolean;
  /** ETag of the version this push overwrote without having known it; kept and listed as a branch. */
  readonly branchEtag: string | null;
}

/** Takes pushed archives in: sessionfs-1.md §7.5 with versions, kept branches and no copy of what is there already. */
@Injectable()
export class PushService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly versions: SessionVersionsService,
    private readonly archives: Archives,
    private readonly plan: PushPlan,
    private readonly slots: UploadSlots,
    private readonly journal: SessionJournal,
  ) {}

  /**
   * Stores the archive as the session's newest version, durably. A push of equal content answers the version that is
   * there. The body is opened only once everything that can be refused without it was. Errors: `bad_request`, `conflict`
   * (`etag_mismatch` with the current one), `gone` for a deleted session, `payload_too_large`, `rate_limited`,
   * `forbidden` (`storage_limit`).
   */
  push(caller: Principal, id: string, terms: PushTerms, upload: Upload): Promise<PushResult> {
    return this.slots.run(caller.userId, async () => {
      if (!isSessionId(id)) throw new DomainError('bad_request', 'Invalid session ID format', { field: 'session_id' });
      const limits = await this.plan.limitsOf(caller);
      if (terms.announcedBytes !== null && terms.announcedBytes > limits.archiveBytes) throw archiveTooLarge(limits);
      assertTerms(await this.sessions.find(caller, id), terms);
      const reading = await upload((file) => this.archives.receive(file, limits));
      try {
        const same = await this.findSame(caller, id, terms, reading);
        if (same) return { session: same, isNew: false, branchEtag: null };
        await this.archives.keep(reading);
        return await this.store(caller, id, terms, reading);
      } finally {
        await this.archives.drop(reading);
      }
    });
  }

  /** The live session whose content is exactly what was pushed: nothing is stored, its ETag stays. */
  private async findSame(
    caller: Principal,
    id: string,
    terms: PushTerms,
    { contentHash }: ArchiveReading,
  ): Promise<CapturedSession | null> {
    const session = await this.sessions.find(caller, id);
    if (!session || session.deletedAt !== null) return null;
    assertTerms(session, terms);
    return (await this.versions.current(session)).contentHash === contentHash ? session : null;
  }

  private store(caller: Principal, id: string, terms: PushTerms, reading: ArchiveReading): Promise<PushResult> {
    return this.db.transaction(async () => {
      const current = await this.sessions.findLocked(caller, id);
      assertTerms(current, terms);
      const session = await this.versions.add(caller, id, current, reading, terms.clientDevice);
      const isLossy = current !== null && current.deletedAt === null && reading.basedOn !== current.etag;
      if (isLossy) await this.versions.markBranch(current.versionId);
      const branchEtag = isLossy ? current.etag : null;
      await this.journal.record(
        caller,
        session,
        { event: SESSION_PUSHED, action: 'session.push' },
        { etag: session.etag, version_id: session.versionId, ...(branchEtag && { branch_etag: branchEtag }) },
      );
      await this.plan.reserve(caller, session.uid, reading.archive.bytes + (reading.conversation.log?.bytes ?? 0));
      return { session, isNew: current === null, branchEtag };
    });
  }
}

/** sessionfs-1.md §7.5, the table of states. */
function assertTerms(session: CapturedSession | null, { ifMatch, undelete }: PushTerms): void {
  if (!session) return;
  if (session.deletedAt !== null && !undelete) {
    throw new DomainError('gone', 'Session is deleted. Send X-SessionFS-Undelete: true to restore.');
  }
  if (ifMatch === null || ifMatch === session.etag) return;
  const message =
    session.deletedAt === null
      ? 'ETag mismatch — session has been updated'
      : 'ETag mismatch — session was modified before deletion';
  throw etagMismatch(message, session.etag);
}
