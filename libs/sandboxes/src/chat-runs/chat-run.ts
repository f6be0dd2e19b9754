import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';
import type { AgentRun } from '../agent/agent-run.js';
import type { Chat } from '../chats/chat.js';

export const CHAT_RUN = 'chat';

const RUN_ID = /^wrun_[0-9a-f]{24}$/;

export function newChatRunId(): string {
  return `wrun_${randomBytes(12).toString('hex')}`;
}

export function isChatRunId(text: string): boolean {
  return RUN_ID.test(text);
}

/** A chat has one run at a time. */
export function slotOf({ accountId, id }: Pick<Chat, 'accountId' | 'id'>): string {
  return `chat ${accountId} ${id}`;
}

/** The chat whose slot a run has. */
export function chatIdOf({ slot }: Pick<AgentRun, 'slot'>): string {
  return slot.slice(slot.lastIndexOf(' ') + 1);
}

/** The id of the message that a run writes: its client gives it that before it is stored. */
export function messageIdOf(runId: string): string {
  return runId.replace('wrun_', 'msg_');
}

export function runNotFound(): DomainError {
  return new DomainError('not_found', 'Run not found');
}

export function anotherIsRunning(): DomainError {
  return new DomainError('conflict', 'Another workflow is already running for this chat', { reason: 'chat.busy' });
}

/** A message of a request; parts are as its client made them. */
export interface SentMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly message: Readonly<Record<string, unknown>>;
}
