import { Injectable } from '@nestjs/common';
import { Clock, DomainError, urlSafeId } from '#kernel';
import { Database, type Principal } from '#platform';
import { AgentRuns } from '../agent/agent-runs.service.js';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { isOpaqueId } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { CHAT_CHANGED, CHAT_CREATED, CHAT_DELETED } from '../sandboxes.events.js';
import {
  type Chat,
  type ChatEdit,
  chatNotFound,
  type ChatPage,
  type Page,
  type ReadChat,
  UNTITLED_CHAT,
} from './chat.js';
import { DeletedChats } from './deleted-chats.js';
import { ChatsRepository, type ListedAccountChat } from './chats.repository.js';

/** Messages may be large: so much of them is answered at once. */
const MAX_PAGE_BYTES = 8 * 1_048_576;

/** The chats of a coding session (sandbox-sessions.md §A10). */
@Injectable()
export class ChatsService {
  constructor(
    private readonly db: Database,
    private readonly chats: ChatsRepository,
    private readonly sessions: CodingSessionsService,
    private readonly runs: AgentRuns,
    private readonly deleted: DeletedChats,
    private readonly journal: SandboxJournal,
    private readonly clock: Clock,
  ) {}

  /** The chat every session begins with; in the transaction that creates the session. */
  async addFirst(caller: Principal, session: CodingSession): Promise<Chat> {
    const chat = this.newChat(session, urlSafeId());
    await this.chats.insert(chat);
    await this.record(caller, chat, { event: CHAT_CREATED, action: 'chat.create' });
    return chat;
  }

  /** Oldest first. */
  async list(caller: Principal, sessionId: string, page: Page): Promise<ChatPage> {
    const session = await this.sessions.get(caller, sessionId);
    const rows = await this.chats.list(session.id, caller.userId, { ...page, limit: page.limit + 1 });
    return { chats: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
  }

  /** Of all sessions that are not archived, without chats nobody wrote in; last changed first. */
  async listOfAccount(
    caller: Principal,
    query: Page & { readonly artistId: string | null },
  ): Promise<{ chats: ListedAccountChat[]; hasMore: boolean }> {
    const { artistId, limit, after } = query;
    const rows = await this.chats.listOfAccount(caller.accountId, artistId, limit + 1, after);
    return { chats: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  /**
   * A further chat; one that the session has under this id already is answered as it is. Errors: `not_found`,
   * `conflict` when another session has it, or a deleted one had it and is not recorded yet.
   */
  add(caller: Principal, sessionId: string, id: string | null): Promise<Chat> {
    return this.db.transaction(async () => {
      const session = await this.sessions.getLocked(caller, sessionId);
      const chat = this.newChat(session, id ?? urlSafeId());
      if (await this.chats.insert(chat)) {
        await this.record(caller, chat, { event: CHAT_CREATED, action: 'chat.create' });
        return chat;
      }
      const there = await this.chats.find(session.accountId, chat.id);
      if (there?.sandboxId === session.id) return there;
      throw new DomainError('conflict', 'Chat ID conflict', { field: 'id' });
    });
  }

  /** Errors: `not_found`, also for a chat of another session. */
  async get(caller: Principal, sessionId: string, chatId: string): Promise<Chat> {
    const session = await this.sessions.get(caller, sessionId);
    return this.chatOf(session, chatId);
  }

  /** By its id alone, which is its account's. Errors: `not_found`. */
  async getOfAccount(caller: Principal, chatId: string): Promise<Chat> {
    const chat = isOpaqueId(chatId) ? await this.chats.find(caller.accountId, chatId) : null;
    if (!chat) throw chatNotFound();
    await this.sessions.get(caller, chat.sandboxId);
    return chat;
  }

  async read(caller: Principal, sessionId: string, chatId: string, page: Page): Promise<ReadChat> {
    const chat = await this.get(caller, sessionId, chatId);
    return { chat, ...(await this.chats.messages(chat, page, MAX_PAGE_BYTES)) };
  }

  edit(caller: Principal, sessionId: string, chatId: string, edit: ChatEdit): Promise<Chat> {
    return this.db.transaction(async () => {
      const session = await this.sessions.getLocked(caller, sessionId);
      const chat = await this.chatOf(session, chatId);
      await this.chats.edit(chat, edit, this.clock.date());
      const what = { event: CHAT_CHANGED, action: 'chat.edit' };
      await this.record(caller, chat, what, { fields: Object.keys(edit) });
      return this.chatOf(session, chatId);
    });
  }

  /**
   * It is hidden until what was last said in it is recorded, and gone then. Errors: `bad_request` for the only chat of its
   * session: the session is held, so that two cannot both go.
   */
  async delete(caller: Principal, sessionId: string, chatId: string): Promise<void> {
    await this.db.transaction(async () => {
      const session = await this.sessions.getLocked(caller, sessionId);
      const chat = await this.chatOf(session, chatId);
      if ((await this.chats.count(session.id)) === 1)
        throw new DomainError('bad_request', 'Cannot delete the only chat in a session');
      await this.stopRun(chat);
      await this.chats.delete(chat, this.clock.date());
      await this.deleted.remove(chat);
      await this.record(caller, chat, { event: CHAT_DELETED, action: 'chat.delete' });
    });
  }

  /** A mark of the caller's own: no event and no audit row. */
  async markRead(caller: Principal, sessionId: string, chatId: string): Promise<void> {
    await this.db.transaction(async () => {
      const session = await this.sessions.getLocked(caller, sessionId);
      await this.chats.markRead(await this.chatOf(session, chatId), caller.userId, this.clock.date());
    });
  }

  /** What it has said by then is recorded, too. */
  private async stopRun({ accountId, activeStreamId }: Chat): Promise<void> {
    const run = activeStreamId === null ? null : await this.runs.find(accountId, activeStreamId);
    if (run) await this.runs.cancel(accountId, run.id);
  }

  private async chatOf(session: CodingSession, chatId: string): Promise<Chat> {
    const chat = isOpaqueId(chatId) ? await this.chats.find(session.accountId, chatId) : null;
    if (chat?.sandboxId !== session.id) throw chatNotFound();
    return chat;
  }

  private newChat(session: CodingSession, id: string): Chat {
    const now = this.clock.date();
    return {
      id,
      accountId: session.accountId,
      sandboxId: session.id,
      title: UNTITLED_CHAT,
      modelId: null,
      activeStreamId: null,
      lastAssistantMessageAt: null,
      capturedSessionId: null,
      createdAt: now,
      updatedAt: now,
    };
  }

  private record(
    caller: Principal,
    chat: Chat,
    what: { readonly event: string; readonly action: string },
    facts: Record<string, unknown> = {},
  ): Promise<void> {
    const sandbox = { id: chat.sandboxId, accountId: chat.accountId };
    return this.journal.record(caller, sandbox, what, { chat_id: chat.id, ...facts });
  }
}
