import type { AgentEvent, AgentOutcome, StoredEvent } from '../agent/agent-event.js';
import type { AgentRun } from '../agent/agent-run.js';

/** Events of a run as this surface streams them: one frame each, numbered alike (sandbox-sessions.md §B6). */
export async function* agentFrames(
  run: Pick<AgentRun, 'id' | 'sandboxId'>,
  batches: AsyncIterable<readonly StoredEvent[]>,
): AsyncGenerator<string> {
  for await (const batch of batches) yield batch.map((event) => frameOf(run, event)).join('');
}

function frameOf(run: Pick<AgentRun, 'id' | 'sandboxId'>, { seq, data }: StoredEvent): string {
  const [name, members] = toWire(run, data);
  return `id: ${seq}\nevent: ${name}\ndata: ${JSON.stringify({ ...members, sequence_number: seq })}\n\n`;
}

function toWire({ id, sandboxId }: Pick<AgentRun, 'id' | 'sandboxId'>, event: AgentEvent): [string, object] {
  switch (event.type) {
    case 'started':
      return ['message.created', { id, ...(sandboxId !== null && { session_id: sandboxId }), status: 'in_progress' }];
    case 'completed': {
      const { inputTokens, outputTokens } = event.usage;
      const usage = {
        input_tokens: inputTokens,
        output_tokens: outputTokens,
        total_tokens: inputTokens + outputTokens,
      };
      const reason = event.reason !== null && { reason: event.reason };
      return ['message.completed', { id, status: event.status, ...reason, usage }];
    }
    case 'cancelled':
      return ['message.cancelled', { id }];
    case 'failed':
      return ['message.error', { id, error: event.error, message: event.message }];
    default:
      return toToldWire(event);
  }
}

type ToldEvent = Exclude<AgentEvent, AgentOutcome | { type: 'started' }>;

function toToldWire(event: ToldEvent): [string, object] {
  switch (event.type) {
    case 'tool-start':
      return ['tool_use.start', { name: event.name, id: event.id }];
    case 'tool-input-delta':
      return ['tool_use.input_delta', { id: event.id, partial_json: event.text }];
    case 'tool-executing':
      return ['tool_use.executing', { name: event.name, id: event.id, input: event.input }];
    case 'tool-requested':
      return ['tool_call.requested', { name: event.name, id: event.id, input: event.input }];
    case 'tool-end':
      return ['tool_use.stop', { id: event.id }];
    case 'tool-result':
      return ['tool_result', { id: event.id, content: event.content, is_error: event.isError }];
    default:
      return [event.type.replace('-end', '.stop').replace('-', '.'), 'text' in event ? { content: event.text } : {}];
  }
}
