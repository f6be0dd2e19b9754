import type { LlmMessage } from '#platform';
import type { ChatMessage } from '../chats/chat.js';

type Json = Readonly<Record<string, unknown>>;
type AssistantPart = Exclude<Extract<LlmMessage, { role: 'assistant' }>['content'], string>[number];
type UserPart = Exclude<Extract<LlmMessage, { role: 'user' }>['content'], string>[number];
type ToolResult = Extract<Extract<LlmMessage, { role: 'tool' }>['content'][number], { type: 'tool-result' }>;

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * The messages of a chat as a model takes them. Clients store messages of any shape: what is no part that a model
 * understands is left out, every call of a tool gets a result, and nothing is ever fetched from an address in a message.
 */
export function toModelMessages(messages: readonly Pick<ChatMessage, 'role' | 'message'>[]): LlmMessage[] {
  return messages.flatMap(({ role, message }) =>
    role === 'user' ? userMessages(message) : assistantMessages(message),
  );
}

function partsOf({ parts, content }: Json): Json[] {
  if (Array.isArray(parts)) return parts.filter(isJson);
  return typeof content === 'string' ? [{ type: 'text', text: content }] : [];
}

function userMessages(message: Json): LlmMessage[] {
  const content = partsOf(message).flatMap(userPart);
  return content.length === 0 ? [] : [{ role: 'user', content }];
}

function userPart(part: Json): UserPart[] {
  if (part['type'] === 'text' && text(part['text']) !== '') return [{ type: 'text', text: text(part['text']) }];
  if (part['type'] !== 'file') return [];
  const data = /^data:([^;,]+);base64,([A-Za-z0-9+/=]+)$/.exec(text(part['url']));
  const [, mediaType = '', bytes = ''] = data ?? [];
  if (mediaType.startsWith('image/')) return [{ type: 'file', mediaType, data: { type: 'data', data: bytes } }];
  const name = text(part['filename']) || text(part['mediaType']) || 'a file';
  return [{ type: 'text', text: `[${name} was attached, which cannot be shown]` }];
}

/** One step after the other: what the model said, then what its tools answered. */
function assistantMessages(message: Json): LlmMessage[] {
  const messages: LlmMessage[] = [];
  let said: AssistantPart[] = [];
  let results: ToolResult[] = [];
  const endStep = (): void => {
    if (said.length > 0) messages.push({ role: 'assistant', content: said });
    if (results.length > 0) messages.push({ role: 'tool', content: results });
    [said, results] = [[], []];
  };
  for (const part of partsOf(message)) {
    if (isCall(part)) {
      const { call, result } = callOf(part);
      said.push(call);
      results.push(result);
    } else if (part['type'] === 'step-start' || results.length > 0) endStep();
    if (part['type'] === 'text' && text(part['text']) !== '') said.push({ type: 'text', text: text(part['text']) });
  }
  endStep();
  return messages;
}

const isCall = ({ type, toolCallId }: Json): boolean =>
  text(toolCallId) !== '' && (type === 'dynamic-tool' || /^tool-./.test(text(type)));

function callOf(part: Json): { readonly call: AssistantPart; readonly result: ToolResult } {
  const { type, state, output, errorText } = part;
  const toolCallId = text(part['toolCallId']);
  const toolName = type === 'dynamic-tool' ? text(part['toolName']) || 'unknown' : text(type).slice('tool-'.length);
  const input = isJson(part['input']) ? part['input'] : {};
  const value = typeof output === 'string' ? output : (JSON.stringify(output) ?? '');
  const answer: ToolResult['output'] =
    state === 'output-available'
      ? { type: 'text', value }
      : { type: 'error-text', value: text(errorText) || 'The call was cancelled before it had a result' };
  return {
    call: { type: 'tool-call', toolCallId, toolName, input },
    result: { type: 'tool-result', toolCallId, toolName, output: answer },
  };
}
