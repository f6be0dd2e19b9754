import type { LlmMessage } from '#platform';

type Content = Exclude<LlmMessage['content'], string>[number];

/** A conversation as `/v1/chat/completions` takes it, so that a command can hand it on. */
export function toOpenAiMessages(messages: readonly LlmMessage[]): object[] {
  return messages.flatMap(({ role, content }): object[] => {
    if (typeof content === 'string') return [{ role, content }];
    if (role === 'tool') return content.flatMap(toolMessage);
    if (role === 'user') return [{ role, content: content.flatMap(userPart) }];
    const calls = content.flatMap(toolCall);
    return [{ role, content: textIn(content) || null, ...(calls.length > 0 && { tool_calls: calls }) }];
  });
}

function textIn(content: readonly Content[]): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function userPart(part: Content): object[] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }];
  if (part.type !== 'file') return [];
  const { data } = part as { readonly data: unknown };
  const bytes = (data as { readonly data?: unknown } | null)?.data;
  if (typeof bytes !== 'string') return [];
  return [{ type: 'image_url', image_url: { url: `data:${part.mediaType};base64,${bytes}` } }];
}

function toolCall(part: Content): object[] {
  if (part.type !== 'tool-call') return [];
  const { toolCallId: id, toolName: name, input } = part;
  return [{ id, type: 'function', function: { name, arguments: JSON.stringify(input) } }];
}

function toolMessage(part: Content): object[] {
  if (part.type !== 'tool-result') return [];
  const { output } = part;
  const content = output.type === 'text' || output.type === 'error-text' ? output.value : JSON.stringify(output);
  return [{ role: 'tool', tool_call_id: part.toolCallId, content }];
}
