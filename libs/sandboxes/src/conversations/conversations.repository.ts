import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { UNTITLED_CHAT } from '../chats/chat.js';
import type { Conversation, ConversationMessage, ConversationRef } from './conversation.js';

export interface PlacedMessage extends ConversationMessage {
  /** Its time as the database has it: more exact than a Date. */
  readonly at: string;
}

/** Every query on conversations as those see them who record them. */
@Injectable()
export class ConversationsRepository {
  constructor(private readonly db: Database) {}

  async find({ accountId, sandboxId, chatId }: ConversationRef): Promise<Conversation | null> {
    const [row] = await this.db.query<Conversation>(
      `select h.account_id as "accountId", h.sandbox_id as "sandboxId", h.id as "chatId", s.user_id as "userId",
              nullif(h.title, $4) as title, h.model_id as "modelId", c.clone_url as "cloneUrl", c.branch,
              h.captured_session_id as "capturedSessionId", h.created_at as "createdAt"
         from chat h join sandbox s on s.id = h.sandbox_id join coding_session c on c.sandbox_id = s.id
        where h.account_id = $1 and h.sandbox_id = $2 and h.id = $3`,
      [accountId, sandboxId, chatId, UNTITLED_CHAT],
    );
    return row ?? null;
  }

  /** By time, then id, from after that place on. */
  messages(
    { accountId, chatId }: ConversationRef,
    after: Pick<PlacedMessage, 'at' | 'id'> | null,
    limit: number,
  ): Promise<PlacedMessage[]> {
    return this.db.query<PlacedMessage>(
      `select id, role, message, created_at as "createdAt", created_at::text as at
         from chat_message
        where account_id = $1 and chat_id = $2 and ($3::timestamptz is null or (created_at, id) > ($3, $4))
        order by created_at, id limit $5`,
      [accountId, chatId, after?.at ?? null, after?.id ?? null, limit],
    );
  }

  /** False when it is gone, or linked already. */
  async link({ accountId, sandboxId, chatId }: ConversationRef, capturedSessionId: string): Promise<boolean> {
    const rows = await this.db.query(
      `update chat set captured_session_id = $4
        where account_id = $1 and sandbox_id = $2 and id = $3 and captured_session_id is null returning 1`,
      [accountId, sandboxId, chatId, capturedSessionId],
    );
    return rows.length > 0;
  }
}
