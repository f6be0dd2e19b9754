import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';

/** One response of an agent, from the moment it is asked for until its last event. */
export interface AgentRun {
  readonly id: string;
  /** Whose it is: the surface that began it is told of its end. */
  readonly kind: string;
  readonly accountId: string;
  readonly userId: string;
  /** Null for one without a sandbox. */
  readonly sandboxId: string | null;
  /** What can have one run at a time, e.g. a conversation. */
  readonly slot: string;
  readonly status: 'running' | 'completed' | 'cancelled' | 'failed';
  readonly nextSeq: number;
  /** It ends then, whatever it does: with its session, or after the longest time that a turn may take. */
  readonly deadlineAt: Date;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

export type NewAgentRun = Omit<AgentRun, 'status' | 'nextSeq' | 'endedAt'>;

/** The longest a turn may take (sandbox-sessions.md §B1.1). */
export const TURN_MS = 90 * 60_000;

export function isOver({ deadlineAt }: Pick<AgentRun, 'deadlineAt'>, now: number): boolean {
  return deadlineAt.getTime() <= now;
}

/** `msg_` (in a session) or `resp_` (without one) and 24 hexadecimal digits (sandbox-sessions.md §B6). */
export function newResponseId(prefix: 'msg_' | 'resp_'): string {
  return prefix + randomBytes(12).toString('hex');
}

const RESPONSE_ID = /^(?:msg|resp)_[0-9a-f]{24}$/;

export function isResponseId(text: string): boolean {
  return RESPONSE_ID.test(text);
}

export function sessionBusy(): DomainError {
  return new DomainError('conflict', 'The session is processing a message already', { reason: 'session.busy' });
}

export function responseNotFound(): DomainError {
  return new DomainError('not_found', 'Response not found');
}
