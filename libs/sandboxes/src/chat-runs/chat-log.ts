import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { type Chat, UNTITLED_CHAT } from '../chats/chat.js';
import { ChatsRepository } from '../chats/chats.repository.js';
import { type SentMessage } from './chat-run.js';

const MAX_GENERATED_TITLE = 80;

/** What runs write into chats. Every method is part of its caller's transaction. */
@Injectable()
export class ChatLog {
  constructor(
    private readonly chats: ChatsRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Stores what a request says. The history is ours: of a chat that has messages only the request's last one is taken,
   * and if it is there already, what came after it goes, which is how clients edit a message or ask for another answer.
   * Errors: `conflict` when an id is a message of another chat or role.
   */
  async say(chat: Chat, sent: readonly SentMessage[]): Promise<void> {
    const last = sent.at(-1)!;
    const known = await this.chats.findMessage(chat, last.id);
    if (known) await this.chats.deleteAfter(chat, known);
    const isEmpty = (await this.chats.lastMessageAt(chat)) === null;
    for (const { id, role, message } of isEmpty ? sent : [last]) await this.put(chat, { id, role, message });
    if (chat.title === UNTITLED_CHAT) await this.entitle(chat, isEmpty ? sent : [last]);
  }

  /** Behind everything that the chat has. Errors: as `say`. */
  async put(chat: Chat, { id, role, message }: SentMessage): Promise<void> {
    const before = await this.chats.lastMessageAt(chat);
    const createdAt = new Date(Math.max(this.clock.now(), (before?.getTime() ?? 0) + 1));
    if ((await this.chats.putMessage(chat, { id, role, message, createdAt })) === null)
      throw new DomainError('conflict', 'Message ID already belongs to a different chat or role', {
        field: 'messages',
      });
    await this.chats.noteMessage(chat, role, createdAt);
  }

  /** After the first thing that the user said (sandbox-sessions.md §A8). */
  private async entitle(chat: Chat, sent: readonly SentMessage[]): Promise<void> {
    const first = sent.find(({ role }) => role === 'user');
    const words = textOf(first?.message).replace(/\s+/g, ' ').trim();
    if (words === '') return;
    const title = words.slice(0, MAX_GENERATED_TITLE).toWellFormed();
    await this.chats.edit(chat, { title }, this.clock.date());
  }
}

function textOf(message: Readonly<Record<string, unknown>> | undefined): string {
  const parts: readonly unknown[] = Array.isArray(message?.['parts']) ? message['parts'] : [];
  return parts
    .map((part) => (part as { type?: unknown; text?: unknown } | null) ?? {})
    .map(({ type, text }) => (type === 'text' && typeof text === 'string' ? text : ''))
    .join(' ');
}
