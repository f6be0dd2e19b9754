import { DomainError } from '#kernel';

/** One conversation in a coding session (sandbox-sessions.md §A8). */
export interface Chat {
  readonly id: string;
  readonly accountId: string;
  readonly sandboxId: string;
  readonly title: string;
  readonly modelId: string | null;
  /** The run that writes to it now, or `pending-…` while one is being started. */
  readonly activeStreamId: string | null;
  readonly lastAssistantMessageAt: Date | null;
  /** As what it is recorded (docs/sandboxes.md); null before it was. */
  readonly capturedSessionId: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface ListedChat extends Chat {
  /** For the caller: an assistant's message came after they last read it. */
  readonly hasUnread: boolean;
}

export interface ChatEdit {
  readonly title?: string;
  readonly modelId?: string;
}

/** A message as its client made it; only id, role and time are ours. */
export interface ChatMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly message: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

/** Where a page of a list begins: behind what was at that time, under that id. */
export interface Position {
  readonly at: string;
  readonly id: string;
}

export interface Page {
  readonly limit: number;
  /** Null for the first. */
  readonly after: Position | null;
}

export interface ChatPage {
  readonly chats: readonly ListedChat[];
  readonly hasMore: boolean;
}

/** A chat with its newest messages, or those before a position; by time, then id. */
export interface ReadChat {
  readonly chat: Chat;
  readonly messages: readonly ChatMessage[];
  readonly hasMore: boolean;
}

export const UNTITLED_CHAT = 'New chat';

export function chatNotFound(): DomainError {
  return new DomainError('not_found', 'Chat not found');
}
