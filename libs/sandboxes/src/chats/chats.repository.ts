import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { Chat, ChatEdit, ChatMessage, ListedChat, Page, Position } from './chat.js';

export interface ListedAccountChat {
  readonly id: string;
  readonly title: string;
  readonly sandboxId: string;
  readonly accountId: string;
  readonly artistId: string | null;
  readonly updatedAt: Date;
}

const COLUMNS = `h.id, h.account_id as "accountId", h.sandbox_id as "sandboxId", h.title, h.model_id as "modelId",
  h.active_stream_id as "activeStreamId", h.last_assistant_message_at as "lastAssistantMessageAt",
  h.captured_session_id as "capturedSessionId",
  h.created_at as "createdAt", h.updated_at as "updatedAt"`;
const MESSAGE = 'id, role, message, created_at as "createdAt"';

type ChatKey = Pick<Chat, 'accountId' | 'sandboxId' | 'id'>;

/** Deleted ones are kept until they are recorded (docs/sandboxes.md), but are nobody's any more. */
const EXISTING = 'h.deleted_at is null';

/** Every query on chats, their messages and who has read them. Ids are the clients' and unique per account only. */
@Injectable()
export class ChatsRepository {
  constructor(private readonly db: Database) {}

  /** False when the account has a chat of this id, or one that is deleted and not recorded yet. */
  async insert(chat: Chat): Promise<boolean> {
    const rows = await this.db.query(
      `insert into chat (account_id, id, sandbox_id, title, model_id, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $6) on conflict (account_id, id) do nothing returning id`,
      [chat.accountId, chat.id, chat.sandboxId, chat.title, chat.modelId, chat.createdAt],
    );
    return rows.length > 0;
  }

  find(accountId: string, id: string): Promise<Chat | null> {
    return this.findWhere(EXISTING, accountId, id);
  }

  /** For what still goes on in a chat when it is deleted. */
  findAlsoDeleted(accountId: string, id: string): Promise<Chat | null> {
    return this.findWhere('true', accountId, id);
  }

  private async findWhere(condition: string, accountId: string, id: string): Promise<Chat | null> {
    const [row] = await this.db.query<Chat>(
      `select ${COLUMNS} from chat h where h.account_id = $1 and h.id = $2 and ${condition}`,
      [accountId, id],
    );
    return row ?? null;
  }

  /** Oldest first, with what the user has not read. */
  list(sandboxId: string, userId: string, { limit, after }: Page): Promise<ListedChat[]> {
    return this.db.query<ListedChat>(
      `select ${COLUMNS}, coalesce(h.last_assistant_message_at > coalesce(r.read_at, '-infinity'), false) as "hasUnread"
         from chat h left join chat_read r on r.user_id = $2 and r.account_id = h.account_id and r.chat_id = h.id
        where h.sandbox_id = $1 and ${EXISTING} and ($3::timestamptz is null or (h.created_at, h.id) > ($3, $4))
        order by h.created_at, h.id limit $5`,
      [sandboxId, userId, after?.at ?? null, after?.id ?? null, limit],
    );
  }

  /** Chats with messages in sessions that are not archived, last changed first. */
  listOfAccount(
    accountId: string,
    artistId: string | null,
    limit: number,
    after: Position | null,
  ): Promise<ListedAccountChat[]> {
    return this.db.query<ListedAccountChat>(
      `select h.id, h.title, h.sandbox_id as "sandboxId", h.account_id as "accountId", c.artist_id as "artistId",
              h.updated_at as "updatedAt"
         from chat h join sandbox s on s.id = h.sandbox_id join coding_session c on c.sandbox_id = s.id
        where h.account_id = $1 and ${EXISTING} and s.state is distinct from 'destroying' and c.status <> 'archived'
          and ($2::uuid is null or c.artist_id = $2)
          and exists (select 1 from chat_message m where m.account_id = h.account_id and m.chat_id = h.id)
          and ($3::timestamptz is null or (date_trunc('milliseconds', h.updated_at), h.id) < ($3, $4))
        order by date_trunc('milliseconds', h.updated_at) desc, h.id desc limit $5`,
      [accountId, artistId, after?.at ?? null, after?.id ?? null, limit],
    );
  }

  async edit(chat: Chat, { title, modelId }: ChatEdit, now: Date): Promise<void> {
    await this.db.query(
      `update chat set title = coalesce($3, title), model_id = coalesce($4, model_id), updated_at = $5
        where account_id = $1 and id = $2`,
      [chat.accountId, chat.id, title ?? null, modelId ?? null, now],
    );
  }

  /** For everybody; the row stays until it is removed. */
  async delete(chat: Chat, now: Date): Promise<void> {
    await this.db.query('update chat set deleted_at = $3 where account_id = $1 and id = $2', [
      chat.accountId,
      chat.id,
      now,
    ]);
  }

  /** Deleted ones about which nothing is put off, and in which nobody is about to say something; of all, or just the named one. */
  findRemovable(named: Omit<ChatKey, 'sandboxId'> | null, limit: number): Promise<ChatKey[]> {
    return this.db.query<ChatKey>(
      `select h.account_id as "accountId", h.sandbox_id as "sandboxId", h.id from chat h
        where h.deleted_at is not null and h.capture_due_at is null and ($1::uuid is null or (h.account_id = $1 and h.id = $2))
          and not exists (select 1 from agent_run r where r.id = h.active_stream_id and r.ended_at is null)
        order by h.deleted_at limit $3`,
      [named?.accountId ?? null, named?.id ?? null, limit],
    );
  }

  /** Unless something was put off about it since it was found. */
  async remove({ accountId, id }: ChatKey): Promise<void> {
    await this.db.query(
      'delete from chat where account_id = $1 and id = $2 and deleted_at is not null and capture_due_at is null',
      [accountId, id],
    );
  }

  async count(sandboxId: string): Promise<number> {
    const [row] = await this.db.query<{ count: string }>(
      `select count(*) from chat h where h.sandbox_id = $1 and ${EXISTING}`,
      [sandboxId],
    );
    return Number(row?.count ?? 0);
  }

  async markRead(chat: Chat, userId: string, now: Date): Promise<void> {
    await this.db.query(
      `insert into chat_read (user_id, account_id, chat_id, read_at) values ($1, $2, $3, $4)
       on conflict (user_id, account_id, chat_id) do update set read_at = greatest(chat_read.read_at, excluded.read_at)`,
      [userId, chat.accountId, chat.id, now],
    );
  }

  /** The newest before a position, at most so many and, but for one, so many bytes; by time, then id. */
  async messages(
    chat: Chat,
    { limit, after: before }: Page,
    bytes: number,
  ): Promise<{ messages: ChatMessage[]; hasMore: boolean }> {
    const rows = await this.db.query<ChatMessage & { readonly found: number }>(
      `select ${MESSAGE}, found from (
         select *, (count(*) over ())::int as found,
                sum(octet_length(message::text)) over latest - octet_length(message::text) as ahead
           from (select id, role, message, created_at from chat_message
                  where account_id = $1 and chat_id = $2 and ($3::timestamptz is null or (created_at, id) < ($3, $4))
                  order by created_at desc, id desc limit $5 + 1) newest
         window latest as (order by created_at desc, id desc)) m
        where ahead < $6 order by created_at desc, id desc limit $5`,
      [chat.accountId, chat.id, before?.at ?? null, before?.id ?? null, limit, bytes],
    );
    return { messages: rows.toReversed(), hasMore: (rows[0]?.found ?? 0) > rows.length };
  }

  /** The newest of them, until they fill so many bytes; by time, then id. */
  newestMessages(chat: Chat, bytes: number): Promise<ChatMessage[]> {
    return this.db.query<ChatMessage>(
      `select ${MESSAGE} from (
         select id, role, message, created_at, octet_length(message::text) as bytes,
                sum(octet_length(message::text)) over (order by created_at desc, id desc) as total
           from chat_message where account_id = $1 and chat_id = $2) m
        where total - bytes < $3 order by created_at, id`,
      [chat.accountId, chat.id, bytes],
    );
  }

  /** The id of the last thing that the user said. */
  async findLastSaid(chat: Chat): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>(
      `select id from chat_message where account_id = $1 and chat_id = $2 and role = 'user'
        order by created_at desc, id desc limit 1`,
      [chat.accountId, chat.id],
    );
    return row?.id ?? null;
  }

  async lastMessageAt(chat: Chat): Promise<Date | null> {
    const [row] = await this.db.query<{ at: Date | null }>(
      'select max(created_at) as at from chat_message where account_id = $1 and chat_id = $2',
      [chat.accountId, chat.id],
    );
    return row?.at ?? null;
  }

  async findMessage(chat: Chat, id: string): Promise<ChatMessage | null> {
    const [row] = await this.db.query<ChatMessage>(
      `select ${MESSAGE} from chat_message where account_id = $1 and chat_id = $2 and id = $3`,
      [chat.accountId, chat.id, id],
    );
    return row ?? null;
  }

  /** Whether the id of a message of the assistant is another chat's, or one of the user's. */
  async isMessageElsewhere(chat: Chat, id: string): Promise<boolean> {
    const rows = await this.db.query(
      `select 1 from chat_message where account_id = $1 and id = $2 and (chat_id <> $3 or role <> 'assistant')`,
      [chat.accountId, id, chat.id],
    );
    return rows.length > 0;
  }

  /** Null when the id is another chat's message, or one of another role. */
  async putMessage(chat: Chat, { id, role, message, createdAt }: ChatMessage): Promise<'inserted' | 'updated' | null> {
    const [row] = await this.db.query<{ isNew: boolean }>(
      `insert into chat_message as m (account_id, id, chat_id, role, message, created_at)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (account_id, id) do update set message = excluded.message
         where m.chat_id = excluded.chat_id and m.role = excluded.role
       returning (xmax = 0) as "isNew"`,
      [chat.accountId, id, chat.id, role, JSON.stringify(message), createdAt],
    );
    return row ? (row.isNew ? 'inserted' : 'updated') : null;
  }

  /** A message of the assistant makes the chat unread for those who do not look. */
  async noteMessage(chat: Chat, role: ChatMessage['role'], now: Date): Promise<void> {
    await this.db.query(
      `update chat set updated_at = $3,
         last_assistant_message_at = case when $4 = 'assistant' then $3 else last_assistant_message_at end
        where account_id = $1 and id = $2`,
      [chat.accountId, chat.id, now, role],
    );
  }

  /** All that came after the message. */
  async deleteAfter(chat: Chat, { id }: ChatMessage): Promise<void> {
    await this.db.query(
      `delete from chat_message where account_id = $1 and chat_id = $2
         and (created_at, id) > (select created_at, id from chat_message where account_id = $1 and id = $3)`,
      [chat.accountId, chat.id, id],
    );
  }

  /** Whose run writes to the chat from now on; null for nobody's. Leaves a run that took over meanwhile alone. */
  async moveStream(chat: Pick<Chat, 'accountId' | 'id'>, from: string | null, to: string | null): Promise<boolean> {
    const rows = await this.db.query(
      `update chat set active_stream_id = $4
        where account_id = $1 and id = $2 and active_stream_id is not distinct from $3 returning 1`,
      [chat.accountId, chat.id, from, to],
    );
    return rows.length > 0;
  }

  /** The message and all that came after it; answers their ids in order. */
  async deleteFrom(chat: Chat, { id }: ChatMessage): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `with gone as (
         delete from chat_message where account_id = $1 and chat_id = $2
           and (created_at, id) >= (select created_at, id from chat_message where account_id = $1 and id = $3)
         returning id, created_at)
       select id from gone order by created_at, id`,
      [chat.accountId, chat.id, id],
    );
    return rows.map((row) => row.id);
  }
}
