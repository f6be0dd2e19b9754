import type { LlmMessage } from '#platform';
import type { ConversationMessage } from './conversation.js';

/** A message as the agent of a session keeps it. */
export interface TurnMessage {
  readonly id: string;
  readonly message: LlmMessage;
  readonly createdAt: Date;
}

type Part = Record<string, unknown>;

/** A session's messages as chats keep theirs: what tools answered belongs to the calls. Holds one message at a time. */
export async function* asConversation(said: AsyncIterable<TurnMessage>): AsyncGenerator<ConversationMessage> {
  let last: (Omit<ConversationMessage, 'message'> & { readonly parts: Part[] }) | null = null;
  for await (const { id, message, createdAt } of said) {
    if (message.role === 'tool') {
      for (const result of message.content) if (result.type === 'tool-result') answer(last?.parts ?? [], result);
    } else if (message.role !== 'system') {
      if (last) yield whole(last);
      last = { id, role: message.role, createdAt, parts: partsOf(message) };
    }
  }
  if (last) yield whole(last);
}

function whole({
  parts,
  ...message
}: Omit<ConversationMessage, 'message'> & { readonly parts: Part[] }): ConversationMessage {
  return { ...message, message: { parts } };
}

function partsOf({ content }: Exclude<LlmMessage, { role: 'tool' | 'system' }>): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((part) => {
    if (part.type !== 'tool-call') return { ...part };
    const { toolCallId, toolName, input } = part;
    return { type: 'dynamic-tool', toolCallId, toolName, input, state: 'input-available' };
  });
}

function answer(
  parts: readonly Part[],
  { toolCallId, output }: { readonly toolCallId: string; readonly output: { readonly type: string } },
): void {
  const call = parts.find((part) => part['toolCallId'] === toolCallId);
  if (!call) return;
  const value: unknown = 'value' in output ? output.value : '';
  const isError = output.type.startsWith('error');
  Object.assign(
    call,
    isError ? { state: 'output-error', errorText: value } : { state: 'output-available', output: value },
  );
}
