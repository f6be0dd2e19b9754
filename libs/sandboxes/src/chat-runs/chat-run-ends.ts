import { Injectable, type OnModuleInit } from '@nestjs/common';
import { urlSafeId } from '#kernel';
import type { AgentOutcome, TokenUsage } from '../agent/agent-event.js';
import type { AgentRun } from '../agent/agent-run.js';
import { AgentRuns } from '../agent/agent-runs.service.js';
import { TurnLimits } from '../agent/turn-limits.js';
import type { Chat } from '../chats/chat.js';
import { ChatsRepository } from '../chats/chats.repository.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { CHAT_RUN_ENDED } from '../sandboxes.events.js';
import { ChatLog } from './chat-log.js';
import { CHAT_RUN, chatIdOf, messageIdOf } from './chat-run.js';
import { UiMessage } from './ui-message.js';
import { UiStream } from './ui-stream.js';

/**
 * What the end of a run leaves in its chat, in the transaction that ends it: what it said, and a free slot. The message is
 * made of the stored events, so that a run whose process was killed leaves what it had told.
 */
@Injectable()
export class ChatRunEnds implements OnModuleInit {
  constructor(
    private readonly runs: AgentRuns,
    private readonly chats: ChatsRepository,
    private readonly log: ChatLog,
    private readonly limits: TurnLimits,
    private readonly journal: SandboxJournal,
  ) {}

  onModuleInit(): void {
    this.runs.register(CHAT_RUN, (run, outcome, usage) => this.end(run, outcome, usage));
  }

  private async end(run: AgentRun, outcome: AgentOutcome, usage: TokenUsage): Promise<void> {
    const { id, accountId, sandboxId } = run;
    await this.limits.count(accountId, CHAT_TURN, usage.inputTokens + usage.outputTokens);
    const chat = await this.chats.findAlsoDeleted(accountId, chatIdOf(run));
    if (!chat || sandboxId === null || !(await this.chats.moveStream(chat, id, null))) return;
    const messageId = await this.keepMessage(chat, run);
    const facts = { chat_id: chat.id, run_id: id, status: outcome.type, ...(messageId && { message_id: messageId }) };
    await this.journal.record(null, { id: sandboxId, accountId }, END, facts);
  }

  /** Null when it said nothing. */
  private async keepMessage(chat: Chat, { id: runId }: AgentRun): Promise<string | null> {
    const told = messageIdOf(runId);
    const stream = new UiStream(told);
    const message = new UiMessage();
    for await (const events of this.runs.told(runId))
      for (const { data } of events) for (const chunk of stream.chunksOf(data)) message.add(chunk);
    const parts = message.finish();
    if (parts.every(({ type }) => type === 'step-start')) return null;
    // A client that took the id for something else must not keep the run from ending.
    const isTaken = await this.chats.isMessageElsewhere(chat, told);
    const id = isTaken ? urlSafeId() : told;
    await this.log.put(chat, { id, role: 'assistant', message: { id, role: 'assistant', parts } });
    return id;
  }
}

/** What turns in chats are counted as: they share their limits with those of agent sessions. */
export const CHAT_TURN = 'session_turn';
const END = { event: CHAT_RUN_ENDED, action: 'chat.end-run' };
