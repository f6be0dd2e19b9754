import { Injectable, Logger } from '@nestjs/common';
import { DomainError, type ErrorCode } from '#kernel';
import { type ConversationRef, Conversations } from '#sandboxes';
import { ConversationCapture } from './conversation-capture.js';

/** Of these another try makes sense. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['conflict', 'unavailable']);

/** Records conversations as far as their owners may have them recorded: what is refused is logged and let go. */
@Injectable()
export class CaptureAttempts {
  private readonly log = new Logger(CaptureAttempts.name);

  constructor(
    private readonly conversations: Conversations,
    private readonly capture: ConversationCapture,
  ) {}

  /** What was put off until now is done by this. Errors: what another try may mend, unless this is the last one. */
  async record(ref: ConversationRef, isLastTry = false): Promise<void> {
    const conversation = await this.conversations.find(ref);
    if (!conversation) return;
    try {
      await this.capture.capture(ref);
    } catch (error) {
      if (!(error instanceof DomainError) || (PASSING.has(error.code) && !isLastTry)) throw error;
      const facts = { sandbox: ref.sandboxId, chat: ref.chatId, reason: error.reason ?? error.code };
      this.log.warn({ msg: 'a conversation is not recorded', ...facts });
    }
    await this.conversations.settle(conversation);
  }
}
