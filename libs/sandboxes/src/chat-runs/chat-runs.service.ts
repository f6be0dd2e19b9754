import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '#platform';
import { type AgentRun, TURN_MS } from '../agent/agent-run.js';
import { AgentRuns, type AgentWork } from '../agent/agent-runs.service.js';
import { TurnLimits } from '../agent/turn-limits.js';
import type { Chat } from '../chats/chat.js';
import { ChatsRepository } from '../chats/chats.repository.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { CHAT_RUN_STARTED } from '../sandboxes.events.js';
import { ChatLog } from './chat-log.js';
import { CHAT_RUN, isChatRunId, newChatRunId, runNotFound, type SentMessage, slotOf } from './chat-run.js';
import { CHAT_TURN } from './chat-run-ends.js';

const STOP_PATIENCE_MS = 8_000;
/** Behind every event there will ever be: who follows from there learns of the end only. */
const FAR = 2_000_000_000;
const START = { event: CHAT_RUN_STARTED, action: 'chat.start-run' };

/** Runs of chats: begun, found again, stopped (sandbox-sessions.md §A14). Who may see the chat is the caller's to know. */
@Injectable()
export class ChatRuns {
  constructor(
    private readonly runs: AgentRuns,
    private readonly chats: ChatsRepository,
    private readonly log: ChatLog,
    private readonly limits: TurnLimits,
    private readonly journal: SandboxJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * In a transaction that holds the chat's session: stores what is said and begins the answer after the commit. Errors:
   * `conflict` (`session.busy`) while another run has the chat; those of the log; `rate_limited`.
   */
  async begin(caller: Principal, chat: Chat, sent: readonly SentMessage[], work: AgentWork): Promise<string> {
    const id = newChatRunId();
    const now = this.clock.date();
    const { accountId, sandboxId } = chat;
    // The run before the chat: whoever ends a run takes them in this order, too.
    await this.runs.begin(
      {
        ...{ id, kind: CHAT_RUN, accountId, userId: caller.userId, sandboxId, slot: slotOf(chat) },
        ...{ deadlineAt: new Date(now.getTime() + TURN_MS), createdAt: now },
      },
      work,
    );
    await this.limits.admit(accountId, CHAT_TURN);
    const found = await this.chats.find(accountId, chat.id);
    if (!found) throw runNotFound();
    await this.chats.moveStream(found, found.activeStreamId, id);
    await this.log.say(found, sent);
    await this.journal.record(caller, { id: sandboxId, accountId }, START, { chat_id: chat.id, run_id: id });
    return id;
  }

  /** The run that writes to the chat now. */
  async findLive({ accountId, activeStreamId }: Chat): Promise<AgentRun | null> {
    if (activeStreamId === null) return null;
    const run = await this.runs.find(accountId, activeStreamId);
    return run?.endedAt === null ? run : null;
  }

  /** The live run if it answers this very message. */
  async findLiveOf(chat: Chat, message: SentMessage): Promise<AgentRun | null> {
    const run = await this.findLive(chat);
    return run && (await this.chats.findLastSaid(chat)) === message.id ? run : null;
  }

  /** Errors: `not_found`, also for another account's, and for what is no run of a chat. */
  async get({ accountId }: Principal, id: string): Promise<AgentRun> {
    const run = isChatRunId(id) ? await this.runs.find(accountId, id) : null;
    if (!run) throw runNotFound();
    return run;
  }

  /** Answers whether there was anything to stop, once it has. Errors: `timeout`. */
  async stop(chat: Chat): Promise<boolean> {
    const run = await this.findLive(chat);
    if (!run || !(await this.runs.cancel(chat.accountId, run.id))) return false;
    const patience = AbortSignal.timeout(STOP_PATIENCE_MS);
    for await (const _events of this.runs.follow(run.id, FAR, patience)) break;
    if ((await this.runs.find(chat.accountId, run.id))?.endedAt === null)
      throw new DomainError('timeout', 'The run does not stop', { reason: 'run_not_stopped' });
    return true;
  }
}
