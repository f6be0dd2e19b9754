import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { UNTITLED_CHAT } from '../chats/chat.js';
import type { CheckoutState, Conversation, ConversationMessage, ConversationRef } from './conversation.js';
import type { TurnMessage } from './turn-messages.js';

export interface PlacedMessage extends ConversationMessage {
  /** Its time as the database has it: more exact than a Date. */
  readonly at: string;
}

const MAX_COMMITS = 500;

/** Where a conversation is kept, and (as `o`) all whose work may be the same. The key of an agent session is its own. */
const CHAT = { table: 'chat', key: 'id', others: 'chat o where o.sandbox_id = $1' } as const;
const SESSION = {
  table: 'agent_session',
  key: 'sandbox_id',
  others: `agent_session o join sandbox s on s.id = o.sandbox_id
                where s.account_id = (select account_id from sandbox where id = $1)`,
} as const;

const NOTHING = { remote: 'null', branch: 'null', commit: 'null' };
const MADE_WITH = { remote: 'c.clone_url', branch: 'c.branch', commit: 'c.base_commit' };

/** What is noted of it, else what its sandbox was made with. Noted without a branch it is on none. */
const recorded = (table: string, { remote, branch, commit }: typeof NOTHING): string =>
  `json_build_object('remote', coalesce(${table}.git_remote, ${remote}),
     'branch', case when ${table}.git_commit is null then coalesce(${table}.git_branch, ${branch}) else ${table}.git_branch end,
     'commit', coalesce(${table}.git_commit, ${commit}), 'commits', ${table}.git_commits) as checkout,
   ${table}.captured_session_id as "capturedSessionId", ${table}.capture_due_at as "captureDueAt"`;

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
              a.model as "modelId", ${recorded('a', NOTHING)}, s.created_at as "createdAt"
         from sandbox s join agent_session a on a.sandbox_id = s.id where s.account_id = $1 and s.id = $2`,
      [accountId, sandboxId],
    );
    return row ?? null;
  }

  private async findChat({ accountId, sandboxId, chatId }: ConversationRef): Promise<Conversation | null> {
    const [row] = await this.db.query<Conversation>(
      `select h.account_id as "accountId", h.sandbox_id as "sandboxId", h.id as "chatId", s.user_id as "userId",
              nullif(h.title, $4) as title, h.model_id as "modelId", ${recorded('h', MADE_WITH)}, h.created_at as "createdAt"
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

  /** Commits that another conversation has already stay that one's. */
  async noteCheckout({ sandboxId, chatId }: ConversationRef, state: CheckoutState): Promise<void> {
    const { table, key, others } = chatId === null ? SESSION : CHAT;
    await this.db.query(
      `update ${table} held set git_remote = $3, git_branch = $4, git_commit = $5,
         git_commits = trim_array(known.ids, greatest(0, cardinality(known.ids) - ${MAX_COMMITS}))
         from (
           select array(
             select made.id from unnest($6::text[]) with ordinality as made (id, place)
              where made.id not in (select unnest(o.git_commits) from ${others})
              order by made.place) || this.git_commits as ids
             from ${table} this where this.sandbox_id = $1 and this.${key} = $2) known
        where held.sandbox_id = $1 and held.${key} = $2`,
      [sandboxId, chatId ?? sandboxId, state.remote, state.branch, state.commit, state.commits],
    );
  }

  /**
   * Recording it waits until then, or no longer than it did already. The time changes in any case: whoever is recording the
   * conversation just now has not read what this is about.
   */
  async putOff({ sandboxId, chatId }: ConversationRef, until: Date, now: Date): Promise<void> {
    const { table, key } = chatId === null ? SESSION : CHAT;
    await this.db.query(
      `update ${table} set capture_due_at = case when capture_due_at > $4
           then least(capture_due_at, $3) + interval '1 millisecond' else $3 end
        where sandbox_id = $1 and ${key} = $2`,
      [sandboxId, chatId ?? sandboxId, until, now],
    );
  }

  /** Nothing waits any more, unless something new does. */
  async settle({ sandboxId, chatId }: ConversationRef, dueAt: Date): Promise<void> {
    const { table, key } = chatId === null ? SESSION : CHAT;
    await this.db.query(
      `update ${table} set capture_due_at = null where sandbox_id = $1 and ${key} = $2 and capture_due_at = $3`,
      [sandboxId, chatId ?? sandboxId, dueAt],
    );
  }

  /** Those that have waited long enough, or that are deleted, as their sandbox may be; the longest due first. */
  findDue(now: Date, limit: number): Promise<ConversationRef[]> {
    return this.db.query<ConversationRef>(
      `select account_id as "accountId", sandbox_id as "sandboxId", chat_id as "chatId" from (
         select s.account_id, h.sandbox_id, h.id as chat_id, h.capture_due_at, s.state = 'destroying' or h.deleted_at is not null as is_last
           from chat h join sandbox s on s.id = h.sandbox_id where h.capture_due_at is not null
         union all
         select s.account_id, a.sandbox_id, null, a.capture_due_at, s.state = 'destroying'
           from agent_session a join sandbox s on s.id = a.sandbox_id where a.capture_due_at is not null) waiting
        where capture_due_at <= $1 or is_last order by capture_due_at limit $2`,
      [now, limit],
    );
  }

  async isSpoken(sandboxId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from agent_run where sandbox_id = $1 and ended_at is null', [sandboxId]);
    return rows.length > 0;
  }

  async isWaiting(sandboxId: string): Promise<boolean> {
    const [row] = await this.db.query<{ isWaiting: boolean }>(
      `select exists (select 1 from chat where sandbox_id = $1 and capture_due_at is not null)
           or exists (select 1 from agent_session where sandbox_id = $1 and capture_due_at is not null) as "isWaiting"`,
      [sandboxId],
    );
    return row?.isWaiting ?? false;
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
