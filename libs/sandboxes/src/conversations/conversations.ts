import { Injectable } from '@nestjs/common';
import type { RecordedEvent } from '#platform';
import { CHAT_MESSAGE_STORED, CHAT_MESSAGES_DELETED, CHAT_RUN_ENDED, RESPONSE_ENDED } from '../sandboxes.events.js';
import type { Conversation, ConversationMessage, ConversationRef } from './conversation.js';
import { ConversationsRepository, type PlacedMessage } from './conversations.repository.js';
import { asConversation, type TurnMessage } from './turn-messages.js';

/** Messages held in memory at once. */
const PAGE = 20;

/** The conversations held in sandboxes, for the lib that records them. Asks nobody's permission: not for callers. */
@Injectable()
export class Conversations {
  /** Events after which a conversation is another, and the consumer of them that records it. */
  static readonly RECORDER = 'sandboxes.record-conversations';
  static readonly CHANGED_BY: readonly string[] = [
    CHAT_MESSAGE_STORED,
    CHAT_MESSAGES_DELETED,
    CHAT_RUN_ENDED,
    RESPONSE_ENDED,
  ];

  constructor(private readonly repository: ConversationsRepository) {}

  /** The conversation that one of these events is about. */
  static refOf({ type, accountId, subjectId, payload }: RecordedEvent): ConversationRef | null {
    const chatId = type === RESPONSE_ENDED ? null : payload['chat_id'];
    if (accountId === null || (chatId !== null && typeof chatId !== 'string')) return null;
    return { accountId, sandboxId: subjectId, chatId };
  }

  /** Null when it is gone. */
  find(ref: ConversationRef): Promise<Conversation | null> {
    return this.repository.find(ref);
  }

  /** Oldest first. */
  messages(ref: ConversationRef): AsyncGenerator<ConversationMessage> {
    if (ref.chatId === null)
      return asConversation(
        paged((last: TurnMessage | null) => this.repository.turnMessages(ref, last?.id ?? null, PAGE)),
      );
    return paged((last: PlacedMessage | null) => this.repository.chatMessages(ref, last, PAGE));
  }

  /** Has it recorded later, whatever else happens: `due` names it then. */
  putOff(ref: ConversationRef, until: Date, now: Date): Promise<void> {
    return this.repository.putOff(ref, until, now);
  }

  /** What was put off, and waits no longer. */
  due(now: Date, limit: number): Promise<ConversationRef[]> {
    return this.repository.findDue(now, limit);
  }

  /** What was put off when the conversation was looked up is done; what was put off since is not. */
  async settle(conversation: Conversation): Promise<void> {
    if (conversation.captureDueAt !== null) await this.repository.settle(conversation, conversation.captureDueAt);
  }

  /** Whether an answer in the sandbox has no end yet, also one whose process was killed. */
  isSpoken(sandboxId: string): Promise<boolean> {
    return this.repository.isSpoken(sandboxId);
  }

  /** Whether something that was said in the sandbox and put off is still to be recorded. */
  isWaiting(sandboxId: string): Promise<boolean> {
    return this.repository.isWaiting(sandboxId);
  }

  /** Notes as what it is recorded; in the transaction that does. False when it is gone, or recorded already. */
  link(ref: ConversationRef, capturedSessionId: string): Promise<boolean> {
    return this.repository.link(ref, capturedSessionId);
  }
}

async function* paged<Row>(read: (last: Row | null) => Promise<Row[]>): AsyncGenerator<Row> {
  let last: Row | null = null;
  for (;;) {
    const page: Row[] = await read(last);
    yield* page;
    if (page.length < PAGE) return;
    last = page.at(-1) ?? null;
  }
}
