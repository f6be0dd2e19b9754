/** Tokens as the model's endpoint counts them. */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** How a run ends; told once, as its last event. */
export type AgentOutcome =
  | {
      readonly type: 'completed';
      /** `incomplete`: it was stopped at a limit. */
      readonly status: 'completed' | 'incomplete';
      /** Which limit: `max_steps` or `token_budget`. */
      readonly reason: string | null;
      readonly usage: TokenUsage;
    }
  | { readonly type: 'cancelled' }
  | {
      readonly type: 'failed';
      /** A code, e.g. `session.expired`, `llm_request_failed`, `interrupted`. */
      readonly error: string;
      readonly message: string;
    };

/**
 * What an agent does, told in a way that is no surface's: each one maps it to its own stream. `step` counts the calls of
 * the model from 0; ids of text and thinking are unique in their run, ids of tools are the model's.
 */
export type AgentEvent =
  | { readonly type: 'started' }
  | { readonly type: 'text-start' | 'thinking-start'; readonly id: string; readonly step: number }
  | { readonly type: 'text-delta' | 'thinking-delta'; readonly id: string; readonly text: string }
  | { readonly type: 'text-end' | 'thinking-end'; readonly id: string }
  | { readonly type: 'tool-start'; readonly id: string; readonly name: string; readonly step: number }
  /** A part of the input's JSON text. */
  | { readonly type: 'tool-input-delta'; readonly id: string; readonly text: string }
  /** The input is whole; `tool-requested` asks the client to do it. */
  | {
      readonly type: 'tool-executing' | 'tool-requested';
      readonly id: string;
      readonly name: string;
      readonly input: unknown;
    }
  | { readonly type: 'tool-end'; readonly id: string }
  | {
      readonly type: 'tool-result';
      readonly id: string;
      readonly name: string;
      readonly content: string;
      readonly isError: boolean;
    }
  | AgentOutcome;

/** An event in its place: 0 for the first of a run, then without gaps. */
export interface StoredEvent {
  readonly seq: number;
  readonly data: AgentEvent;
}

const LAST = new Set<AgentEvent['type']>(['completed', 'cancelled', 'failed']);

export function isOutcome(event: AgentEvent): event is AgentOutcome {
  return LAST.has(event.type);
}

/** `before` with `event` at its end when both are parts of one text; else null. */
export function joined(before: AgentEvent | undefined, event: AgentEvent): AgentEvent | null {
  if (!before || !isDelta(before) || !isDelta(event)) return null;
  if (before.type !== event.type || before.id !== event.id) return null;
  return { ...before, text: before.text + event.text };
}

type Delta = Extract<AgentEvent, { type: 'text-delta' | 'thinking-delta' | 'tool-input-delta' }>;

function isDelta(event: AgentEvent): event is Delta {
  return event.type === 'text-delta' || event.type === 'thinking-delta' || event.type === 'tool-input-delta';
}
