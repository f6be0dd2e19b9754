import type { UIMessageChunk } from 'ai';
import { type AgentEvent, type AgentOutcome, isOutcome } from '../agent/agent-event.js';

type Beginning = Extract<AgentEvent, { step: number }>;
type InStep = Exclude<AgentEvent, AgentOutcome | Beginning | { type: 'started' }>;

/**
 * Tells a run in the chunks of the AI SDK's UI message stream. The same events always make the same chunks, so that a
 * chunk's number means the same to everybody who follows, at any time.
 */
export class UiStream {
  private step: number | null = null;

  /** `messageId` is the message that the run writes. */
  constructor(private readonly messageId: string) {}

  chunksOf(event: AgentEvent): readonly UIMessageChunk[] {
    if (event.type === 'started') return [{ type: 'start', messageId: this.messageId }];
    if (isOutcome(event)) return this.endOf(event);
    if ('step' in event) return [...this.enter(event.step), beginningOf(event)];
    return chunksInStep(event);
  }

  /** A step is one call of the model, with what its tools answered. */
  private enter(step: number): UIMessageChunk[] {
    if (this.step === step) return [];
    const ended = this.leave();
    this.step = step;
    return [...ended, { type: 'start-step' }];
  }

  private leave(): UIMessageChunk[] {
    if (this.step === null) return [];
    this.step = null;
    return [{ type: 'finish-step' }];
  }

  private endOf(outcome: AgentOutcome): UIMessageChunk[] {
    if (outcome.type === 'cancelled') return [{ type: 'abort', reason: 'cancelled' }];
    if (outcome.type === 'failed') return [{ type: 'error', errorText: outcome.message }];
    return [...this.leave(), { type: 'finish', finishReason: outcome.reason === null ? 'stop' : 'length' }];
  }
}

function beginningOf(event: Beginning): UIMessageChunk {
  if (event.type === 'tool-start') return { type: 'tool-input-start', toolCallId: event.id, toolName: event.name };
  return { type: event.type === 'text-start' ? 'text-start' : 'reasoning-start', id: event.id };
}

function chunksInStep(event: InStep): UIMessageChunk[] {
  switch (event.type) {
    case 'text-delta':
      return [{ type: 'text-delta', id: event.id, delta: event.text }];
    case 'thinking-delta':
      return [{ type: 'reasoning-delta', id: event.id, delta: event.text }];
    case 'text-end':
      return [{ type: 'text-end', id: event.id }];
    case 'thinking-end':
      return [{ type: 'reasoning-end', id: event.id }];
    case 'tool-input-delta':
      return [{ type: 'tool-input-delta', toolCallId: event.id, inputTextDelta: event.text }];
    case 'tool-executing':
    case 'tool-requested':
      return [{ type: 'tool-input-available', toolCallId: event.id, toolName: event.name, input: event.input }];
    case 'tool-end':
      return [];
    case 'tool-result':
      return event.isError
        ? [{ type: 'tool-output-error', toolCallId: event.id, errorText: event.content }]
        : [{ type: 'tool-output-available', toolCallId: event.id, output: event.content }];
  }
}
