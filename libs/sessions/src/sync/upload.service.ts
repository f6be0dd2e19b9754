import { Injectable } from '@nestjs/common';
import { Clock, prefixedId } from '#kernel';
import { Database, type Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { type SessionEdit, SessionsRepository } from '../sessions.repository.js';
import { ArchiveIntake, type Delivery, type Received } from './archive-intake.service.js';

/** What an uploader says of the session besides its archive. */
export interface UploadFacts {
  readonly sourceTool: string;
  /** Null to take what the archive says. */
  readonly title: string | null;
  readonly tags: readonly string[] | null;
}

/** Makes sessions of uploaded archives, under an id of ours (sessionfs-1.md §7.7). */
@Injectable()
export class UploadService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly intake: ArchiveIntake,
    private readonly dlp: DlpGate,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  /** Durable when it resolves. A title or tags given here outlive later pushes. Errors: those of the intake. */
  upload(caller: Principal, facts: UploadFacts, delivery: Delivery): Promise<CapturedSession> {
    return this.intake.receive(caller, delivery, async (reading) => {
      const edit = await this.dlp.screenEdit(caller, editOf(facts));
      await this.intake.keep(reading);
      return this.store(caller, facts.sourceTool, edit, reading);
    });
  }

  private store(caller: Principal, sourceTool: string, edit: SessionEdit, reading: Received): Promise<CapturedSession> {
    return this.db.transaction(async () => {
      const told = { ...reading, metadata: { ...reading.metadata, sourceTool } };
      const added = await this.intake.add(caller, prefixedId('ses_'), null, told, null);
      if (Object.keys(edit).length > 0) await this.sessions.edit(added.uid, edit, this.clock.date());
      const session = (await this.sessions.find(caller, added.id)) ?? added;
      const { etag, versionId } = session;
      await this.journal.record(
        caller,
        session,
        { event: SESSION_PUSHED, action: 'session.upload' },
        { etag, version_id: versionId },
      );
      return session;
    });
  }
}

function editOf({ title, tags }: UploadFacts): SessionEdit {
  return { ...(title !== null && { title }), ...(tags !== null && { tags }) };
}
