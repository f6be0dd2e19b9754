import type { Sandbox } from '../sandbox.js';
import type { FileAccess } from '../scope/file-access.js';
import type { Metadata } from './metadata.js';

/** A function that the client runs for the agent. */
export interface ClientTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: Readonly<Record<string, unknown>>;
  };
}

/** A sandbox of the agent surface (sandbox-sessions.md §B3): one conversation in the account's workspace. */
export interface AgentSession extends Sandbox {
  readonly persistent: boolean;
  readonly ttlSeconds: number;
  /** When it stops existing unless something happens first. */
  readonly endsAt: Date;
  readonly metadata: Metadata;
  /** Fixed for its whole life. */
  readonly fileAccess: FileAccess;
  /** Null for the server's own choice. */
  readonly model: string | null;
  readonly tools: readonly ClientTool[];
  /** The response being made; null when the session is idle. */
  readonly responseId: string | null;
  /** As what its conversation is recorded (docs/sandboxes.md); null before it was. */
  readonly capturedSessionId: string | null;
}

export interface NewAgentSession {
  readonly persistent: boolean;
  readonly ttlSeconds: number;
  readonly metadata: Metadata;
  readonly fileAccess: FileAccess;
  readonly model: string | null;
  readonly tools: readonly ClientTool[];
}

/** How long a session that is not persistent outlives its last response (§B3.5). */
export const IDLE_MS = 5 * 60_000;

/**
 * When a session ends that has nothing under way: `ttl` after its creation, or five minutes after its last response if
 * that is sooner and it is not persistent. Before the first response the clock runs from the creation.
 */
export function endOf(
  { persistent, ttlSeconds }: Pick<AgentSession, 'persistent' | 'ttlSeconds'>,
  createdAt: Date,
  respondedAt: Date,
): Date {
  const hard = createdAt.getTime() + ttlSeconds * 1_000;
  return new Date(persistent ? hard : Math.min(hard, respondedAt.getTime() + IDLE_MS));
}
