import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { AgentRuns } from '../agent/agent-runs.service.js';
import { slotOf } from '../chat-runs/chat-run.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { isOpaqueId } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { CHAT_MESSAGE_STORED, CHAT_MESSAGES_DELETED } from '../sandboxes.events.js';
import type { Chat } from './chat.js';
import { ChatsRepository } from './chats.repository.js';
import { ChatsService } from './chats.service.js';

/** Messages that clients store in a chat or take back (sandbox-sessions.md §A10). */
@Injectable()
export class ChatMessagesService {
  constructor(
    private readonly db: Database,
    private readonly chats: ChatsService,
    private readonly repository: ChatsRepository,
    private readonly sessions: CodingSessionsService,
    private readonly runs: AgentRuns,
    private readonly journal: SandboxJournal,
    private readonly clock: Clock,
  ) {}

  /** Inserts or replaces an assistant's message. Errors: `conflict` when the id is a message of another chat or role. */
  put(
    caller: Principal,
    sessionId: string,
    chatId: string,
    message: { readonly id: string } & Readonly<Record<string, unknown>>,
  ): Promise<'inserted' | 'updated'> {
    return this.db.transaction(async () => {
      const session = await this.sessions.getLocked(caller, sessionId);
      const chat = await this.chats.get(caller, sessionId, chatId);
      const now = this.clock.date();
      const { id } = message;
      const status = await this.repository.putMessage(chat, { id, role: 'assistant', message, createdAt: now });
      if (status === null)
        throw new DomainError('conflict', 'Message ID already belongs to a different chat or role', { field: 'id' });
      await this.repository.noteMessage(chat, 'assistant', now);
      const what = { event: CHAT_MESSAGE_STORED, action: 'chat.store-message' };
      await this.journal.record(caller, session, what, { chat_id: chat.id, message_id: id, status });
      return status;
    });
  }

  /**
   * Cuts the conversation off in front of a user's message; answers the ids of what went. Errors: `not_found`,
   * `bad_request` for a message of the assistant, `conflict` while a response is being written.
   */
  cut(caller: Principal, sessionId: string, chatId: string, messageId: string): Promise<string[]> {
    return this.db.transaction(async () => {
      const session = await this.sessions.getLocked(caller, sessionId);
      const chat = await this.chats.get(caller, sessionId, chatId);
      const message = isOpaqueId(messageId) ? await this.repository.findMessage(chat, messageId) : null;
      if (!message) throw new DomainError('not_found', 'Message not found');
      if (message.role !== 'user') throw new DomainError('bad_request', 'Only user messages can be deleted');
      if (await this.isStreaming(chat))
        throw new DomainError('conflict', 'Cannot delete messages while a response is streaming');
      const gone = await this.repository.deleteFrom(chat, message);
      const what = { event: CHAT_MESSAGES_DELETED, action: 'chat.delete-messages' };
      await this.journal.record(caller, session, what, { chat_id: chat.id, message_ids: gone.slice(0, 100) });
      return gone;
    });
  }

  /** A stream that no run writes any more is forgotten. */
  private async isStreaming(chat: Chat): Promise<boolean> {
    if (chat.activeStreamId === null) return false;
    if (await this.runs.isTaken(slotOf(chat))) return true;
    await this.repository.moveStream(chat, chat.activeStreamId, null);
    return false;
  }
}
