import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { type ConversationRef, Conversations } from '#sandboxes';
import { SessionsRepository } from '../sessions.repository.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';

/** Of an archive; what is smaller is written anew each time. */
const SMALL_BYTES = 65_536;
/** For each `SMALL_BYTES` of the archive. */
const WAIT_MS = 60_000;
const MAX_WAIT_MS = 15 * 60_000;

/**
 * How often a conversation is recorded. Each time it is written as a whole, for archives are known by their bytes: a large
 * one therefore waits after each recording, the longer the larger it is, and what is said meanwhile is recorded at once.
 */
@Injectable()
export class CapturePace {
  constructor(
    private readonly conversations: Conversations,
    private readonly sessions: SessionsRepository,
    private readonly versions: SessionVersionsService,
    private readonly clock: Clock,
  ) {}

  /** Whether recording the conversation has been put off. It is safe then: what is due is found after a crash, too. */
  async putOff(ref: ConversationRef): Promise<boolean> {
    const conversation = await this.conversations.find(ref);
    if (!conversation || conversation.capturedSessionId === null) return false;
    const session = await this.sessions.find(conversation, conversation.capturedSessionId);
    if (!session || session.deletedAt !== null || session.archiveBytes <= SMALL_BYTES) return false;
    const { createdAt } = await this.versions.current(session);
    const wait = Math.min(MAX_WAIT_MS, (session.archiveBytes / SMALL_BYTES) * WAIT_MS);
    const [now, until] = [this.clock.date(), new Date(createdAt.getTime() + Math.round(wait))];
    if (until <= now) return false;
    await this.conversations.putOff(ref, until, now);
    return true;
  }
}
