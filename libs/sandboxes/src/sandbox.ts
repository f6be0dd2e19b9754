import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';

/** Where a sandbox is in its life. `destroying` is seen by nobody outside. */
export type SandboxState =
  'provisioning' | 'active' | 'hibernating' | 'hibernated' | 'restoring' | 'archived' | 'failed' | 'destroying';

/** What every sandbox has, whichever surface it was made on. */
export interface Sandbox {
  readonly id: string;
  readonly accountId: string;
  readonly userId: string;
  /** Null for a coding session that left the archive and was not resumed yet. */
  readonly state: SandboxState | null;
  /** Raised by every write of the lifecycle; honoured as `If-Match`. */
  readonly version: number;
  /** Why the last step of the lifecycle failed. */
  readonly error: string | null;
  readonly lastActivityAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const AGENT_ID = /^sess_[0-9a-f]{12}$/;

/** `sess_` and 12 hexadecimal digits (sandbox-sessions.md §B3.2). */
export function newAgentSessionId(): string {
  return `sess_${randomBytes(6).toString('hex')}`;
}

export function isAgentSessionId(text: string): boolean {
  return AGENT_ID.test(text);
}

const OPAQUE_ID = /^[A-Za-z0-9_-]{1,100}$/;

/** Ids of coding sessions, chats and messages: ours have 21 such characters, those that clients choose up to 100. */
export function isOpaqueId(text: string): boolean {
  return OPAQUE_ID.test(text);
}

/** Destroyed, ended, somebody else's or never there: all the same to the caller. */
export function sessionNotFound(): DomainError {
  return new DomainError('not_found', 'Session not found');
}
