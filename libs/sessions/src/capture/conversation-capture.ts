import { createReadStream } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { DomainError, prefixedId } from '#kernel';
import { Blobs, Database } from '#platform';
import { type Conversation, type ConversationRef, Conversations } from '#sandboxes';
import type { CapturedSession } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { ArchiveIntake, type Received } from '../sync/archive-intake.service.js';
import type { Depositor } from '../sync/depositor.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { CaptureOwners } from './capture-owners.js';
import { writeConversation } from './conversation-archive.js';

/** Records the conversations held in sandboxes as captured sessions of whom the sandbox belongs to. */
@Injectable()
export class ConversationCapture {
  constructor(
    private readonly db: Database,
    private readonly conversations: Conversations,
    private readonly owners: CaptureOwners,
    private readonly intake: ArchiveIntake,
    private readonly sessions: SessionsRepository,
    private readonly versions: SessionVersionsService,
    private readonly blobs: Blobs,
    private readonly journal: SessionJournal,
  ) {}

  /**
   * Stores the conversation as it is now, unless that is stored already; idempotent. Does nothing when it is gone, when
   * its owner's plan has no captured sessions, or when they have deleted the recorded one. Errors: those of the intake;
   * `conflict` when another process records it at the same moment.
   */
  async capture(ref: ConversationRef): Promise<void> {
    const conversation = await this.conversations.find(ref);
    const owner = conversation && (await this.owners.find(conversation));
    if (!conversation || !owner) return;
    const archive = await writeConversation(conversation, this.conversations.messages(ref), this.blobs.spoolFolder);
    try {
      await this.intake.capture(owner, createReadStream(archive.path), async (received) => {
        if (await this.isStored(conversation, owner, received)) return;
        await this.intake.keep(received);
        await this.db.transaction(() => this.store(conversation, owner, received));
      });
    } finally {
      await this.blobs.drop(archive);
    }
  }

  /** Also when there is nothing to store. */
  private async isStored(conversation: Conversation, owner: Depositor, received: Received): Promise<boolean> {
    const { capturedSessionId: id } = conversation;
    if (id === null) return received.conversation.log === null;
    return this.isShownBy(await this.sessions.find(owner, id), received);
  }

  private async store(conversation: Conversation, owner: Depositor, received: Received): Promise<void> {
    const { capturedSessionId: known, sandboxId, chatId } = conversation;
    const id = known ?? prefixedId('ses_');
    if (known === null && !(await this.conversations.link(conversation, id)))
      throw new DomainError('conflict', 'The conversation has just been recorded, or is gone');
    const current = await this.sessions.findLocked(owner, id);
    if (known !== null && (await this.isShownBy(current, received))) return;
    // What somebody has pushed onto it meanwhile is theirs, and stays listed.
    const shown = current && (await this.versions.current(current));
    if (shown && shown.pushedByKey !== null) await this.versions.markBranch(shown.id);
    const session = await this.intake.add(owner, id, current, received, null);
    const facts = { etag: session.etag, version_id: session.versionId, sandbox_id: sandboxId, chat_id: chatId };
    await this.journal.record(null, session, { event: SESSION_PUSHED, action: 'session.capture' }, facts);
  }

  /** Also when it was deleted: what its owner did not want is not stored again. */
  private async isShownBy(session: CapturedSession | null, { contentHash }: Received): Promise<boolean> {
    if (!session || session.deletedAt !== null) return true;
    return (await this.versions.current(session)).contentHash === contentHash;
  }
}
