/** What names a conversation held in a sandbox. */
export interface ConversationRef {
  readonly accountId: string;
  readonly sandboxId: string;
  /** Null for the one conversation of an agent session. */
  readonly chatId: string | null;
}

/** Where the work of a conversation stands in git, as its sandbox said last: nobody else vouches for it. */
export interface CheckoutState {
  /** Without whatever it had of a credential. */
  readonly remote: string | null;
  readonly branch: string | null;
  /** Checked out. */
  readonly commit: string | null;
  /** Made while the conversation went on, newest first. */
  readonly commits: readonly string[];
}

/** A conversation held in a sandbox, as whoever records it sees it; also while its sandbox is being destroyed. */
export interface Conversation extends ConversationRef {
  /** Whose sandbox it is. */
  readonly userId: string;
  /** Null until somebody has named it. */
  readonly title: string | null;
  readonly modelId: string | null;
  /** Where its work stands. */
  readonly checkout: CheckoutState;
  /** What it is recorded as; null before it was. */
  readonly capturedSessionId: string | null;
  /** Until when that waits; null when nothing is put off. */
  readonly captureDueAt: Date | null;
  readonly createdAt: Date;
}

export interface ConversationMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  /** As the AI SDK's UI keeps it, but made by clients: of any shape. */
  readonly message: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}
