import { Injectable } from '@nestjs/common';
import { type ClientProgram, LastClients } from '#accounts';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import type { ArchiveReading } from '../archive/read-archive.js';
import { type CapturedSession, isSessionId } from '../captured-session.js';
import { HandoffExpiry } from '../handoffs/handoff-expiry.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { ShareLinksService } from '../sharing/share-links.service.js';
import { ArchiveIntake, type Delivery, type Received } from './archive-intake.service.js';
import { SessionVersionsService } from './session-versions.service.js';
import { etagMismatch } from './version.js';

export interface PushTerms {
  /** Value of If-Match without quotes; null to overwrite whatever is there. */
  readonly ifMatch: string | null;
  /** Whether a deleted session may come back by being pushed. */
  readonly undelete: boolean;
  readonly clientDevice: string | null;
  /** What the client says it is; null when it does not. */
  readonly client: ClientProgram | null;
}

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
    private readonly intake: ArchiveIntake,
    private readonly shares: ShareLinksService,
    private readonly journal: SessionJournal,
    private readonly handoffs: HandoffExpiry,
    private readonly clients: LastClients,
  ) {}

  /**
   * Stores the archive as the session's newest version, durably. A push of equal content answers the version that is
   * there. Errors: those of the intake; `bad_request`, `conflict` (`etag_mismatch` with the current one), `gone` for a
   * deleted session.
   */
  async push(caller: Principal, id: string, terms: PushTerms, delivery: Delivery): Promise<PushResult> {
    if (!isSessionId(id)) throw new DomainError('bad_request', 'Invalid session ID format', { field: 'session_id' });
    const check = async (): Promise<void> => assertTerms(await this.sessions.find(caller, id), terms);
    const result = await this.intake.receive(caller, { ...delivery, check }, async (reading) => {
      const same = await this.findSame(caller, id, terms, reading);
      if (same) {
        await this.intake.noteScan(same, reading);
        return { session: same, isNew: false, branchEtag: null };
      }
      await this.intake.keep(reading);
      return this.store(caller, id, terms, reading);
    });
    // Outside of the push's transaction: pushes of one person do not wait for each other's.
    if (terms.client) await this.clients.record(caller.userId, terms.client);
    return result;
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

  private store(caller: Principal, id: string, terms: PushTerms, reading: Received): Promise<PushResult> {
    return this.db.transaction(async () => {
      const current = await this.sessions.findLocked(caller, id);
      assertTerms(current, terms);
      const isLossy = current !== null && current.deletedAt === null && reading.basedOn !== current.etag;
      if (isLossy) await this.versions.markBranch(current.versionId);
      const branchEtag = isLossy ? current.etag : null;
      if (current?.deletedAt) {
        await this.handoffs.expireOf(current.uid);
        await this.shares.revokeAll(caller, current);
      }
      const session = await this.intake.add(caller, id, current, reading, terms.clientDevice);
      await this.journal.record(
        caller,
        session,
        { event: SESSION_PUSHED, action: 'session.push' },
        { etag: session.etag, version_id: session.versionId, ...(branchEtag && { branch_etag: branchEtag }) },
      );
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
