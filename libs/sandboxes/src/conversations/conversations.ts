import { Injectable } from '@nestjs/common';
import type { RecordedEvent } from '#platform';
import { CHAT_MESSAGE_STORED, CHAT_MESSAGES_DELETED } from '../sandboxes.events.js';
import type { Conversation, ConversationMessage, ConversationRef } from './conversation.js';
import { ConversationsRepository, type PlacedMessage } from './conversations.repository.js';

/** Messages held in memory at once. */
const PAGE = 20;

/** The conversations held in sandboxes, for the lib that records them. Asks nobody's permission: not for callers. */
@Injectable()
export class Conversations {
  /** Events after which a conversation is another. */
  static readonly CHANGED_BY: readonly string[] = [CHAT_MESSAGE_STORED, CHAT_MESSAGES_DELETED];

  constructor(private readonly repository: ConversationsRepository) {}

  /** The conversation that one of these events is about. */
  static refOf({ accountId, subjectId, payload }: RecordedEvent): ConversationRef | null {
    const { chat_id: chatId } = payload;
    return accountId !== null && typeof chatId === 'string' ? { accountId, sandboxId: subjectId, chatId } : null;
  }

  /** Null when it is gone. */
  find(ref: ConversationRef): Promise<Conversation | null> {
    return this.repository.find(ref);
  }

  /** Oldest first. */
  async *messages(ref: ConversationRef): AsyncGenerator<ConversationMessage> {
    let last: PlacedMessage | undefined;
    for (;;) {
      const page = await this.repository.messages(ref, last ?? null, PAGE);
      yield* page;
      last = page.at(-1);
      if (page.length < PAGE) return;
    }
  }

  /** Notes as what it is recorded; in the transaction that does. False when it is gone, or recorded already. */
  link(ref: ConversationRef, capturedSessionId: string): Promise<boolean> {
    return this.repository.link(ref, capturedSessionId);
  }
}
