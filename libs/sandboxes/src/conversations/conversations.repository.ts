import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { UNTITLED_CHAT } from '../chats/chat.js';
import type { Conversation, ConversationMessage, ConversationRef } from './conversation.js';
import type { TurnMessage } from './turn-messages.js';

export interface PlacedMessage extends ConversationMessage {
  /** Its time as the database has it: more exact than a Date. */
  readonly at: string;
}

/** Every query on conversations as those see them who record them. */
@Injectable()
export class ConversationsRepository {
  constructor(private readonly db: Database) {}

  find(ref: ConversationRef): Promise<Conversation | null> {
    return ref.chatId === null ? this.findSession(ref) : this.findChat(ref);
  }

  private async findSession({ accountId, sandboxId }: ConversationRef): Promise<Conversation | null> {
    const [row] = await this.db.query<Conversation>(
      `select s.account_id as "accountId", s.id as "sandboxId", null as "chatId", s.user_id as "userId", null as title,
              a.model as "modelId", null as "cloneUrl", null as branch, a.captured_session_id as "capturedSessionId",
              s.created_at as "createdAt"
         from sandbox s join agent_session a on a.sandbox_id = s.id where s.account_id = $1 and s.id = $2`,
      [accountId, sandboxId],
    );
    return row ?? null;
  }

  private async findChat({ accountId, sandboxId, chatId }: ConversationRef): Promise<Conversation | null> {
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
  chatMessages(
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

  /** Of an agent session, from after that one on. */
  turnMessages({ sandboxId }: ConversationRef, after: string | null, limit: number): Promise<TurnMessage[]> {
    return this.db.query<TurnMessage>(
      `select m.position::text as id, m.message, coalesce(r.created_at, s.created_at) as "createdAt"
         from agent_message m join sandbox s on s.id = m.sandbox_id left join agent_run r on r.id = m.run_id
        where m.sandbox_id = $1 and ($2::bigint is null or m.position > $2) order by m.position limit $3`,
      [sandboxId, after, limit],
    );
  }

  /** False when it is gone, or linked already. */
  async link({ accountId, sandboxId, chatId }: ConversationRef, capturedSessionId: string): Promise<boolean> {
    if (chatId === null) {
      const linked = await this.db.query(
        `update agent_session set captured_session_id = $2
          where sandbox_id = $1 and captured_session_id is null returning 1`,
        [sandboxId, capturedSessionId],
      );
      return linked.length > 0;
    }
    const rows = await this.db.query(
      `update chat set captured_session_id = $4
        where account_id = $1 and sandbox_id = $2 and id = $3 and captured_session_id is null returning 1`,
      [accountId, sandboxId, chatId, capturedSessionId],
    );
    return rows.length > 0;
  }
}
