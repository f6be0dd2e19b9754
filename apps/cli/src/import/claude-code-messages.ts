import { isJson, type Json } from './lines.js';

/** What one line of a Claude Code log becomes in an archive (sessionfs-1.md §15.3). */
export interface ArchivedMessage {
  readonly msg_id: string;
  readonly parent_msg_id: string | null;
  readonly role: 'user' | 'assistant' | 'system' | 'tool';
  readonly content: readonly object[];
  readonly timestamp: string;
  readonly model?: string;
  readonly provider?: 'anthropic';
  readonly stop_reason?: string;
  usage?: Usage;
  readonly agent_id?: string;
  readonly is_sidechain?: true;
  readonly is_meta?: true;
}

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
}

/** Messages the program wrote itself have no model. */
const NO_MODEL = '<synthetic>';

/** Null for lines that are no message: snapshots, progress, queue notes and what later versions add. */
export function messageOf(line: Json, isSidechain: boolean): ArchivedMessage | null {
  const { uuid, type, timestamp } = line;
  if (typeof uuid !== 'string' || typeof timestamp !== 'string' || Number.isNaN(Date.parse(timestamp))) return null;
  const body = isJson(line['message']) ? line['message'] : null;
  const content = type === 'system' ? contentOf(line['content']) : contentOf(body?.['content'], line);
  if (content.length === 0) return null;
  const role = roleOf(type, content);
  if (role === null) return null;
  const parent = text(line['parentUuid']) ?? text(line['logicalParentUuid']);
  const facts = role === 'assistant' && body ? modelFactsOf(body) : {};
  return { msg_id: uuid, parent_msg_id: parent, role, content, timestamp, ...facts, ...placeOf(line, isSidechain) };
}

function placeOf(line: Json, isSidechain: boolean): Pick<ArchivedMessage, 'agent_id' | 'is_sidechain' | 'is_meta'> {
  const agent = text(line['agentId']);
  return {
    ...(agent !== null && { agent_id: agent }),
    ...((isSidechain || line['isSidechain'] === true) && { is_sidechain: true }),
    ...((line['isMeta'] === true || line['type'] === 'system') && { is_meta: true }),
  };
}

/** The agent's words for what a conversation was about; `leaf` is the last message they speak of. */
export function summaryOf(line: Json): { text: string; leaf: string | null } | null {
  const summary = line['type'] === 'summary' ? text(line['summary']) : null;
  return summary === null ? null : { text: summary, leaf: text(line['leafUuid']) };
}

export const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

function roleOf(type: unknown, content: readonly object[]): ArchivedMessage['role'] | null {
  if (type === 'assistant' || type === 'system') return type;
  if (type !== 'user') return null;
  // What the tools answered is written as if the user had said it.
  return content.every((block) => (block as { type: string }).type === 'tool_result') ? 'tool' : 'user';
}

function modelFactsOf(body: Json): Pick<ArchivedMessage, 'model' | 'provider' | 'stop_reason' | 'usage'> {
  const model = text(body['model']);
  const stop = text(body['stop_reason']);
  const usage = isJson(body['usage']) ? body['usage'] : null;
  const count = (name: string): number => {
    const value = usage?.[name];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
  };
  return {
    ...(model !== null && model !== NO_MODEL && { model, provider: 'anthropic' }),
    ...(stop !== null && { stop_reason: stop }),
    ...(usage && {
      usage: {
        input_tokens: count('input_tokens'),
        output_tokens: count('output_tokens'),
        cache_read_tokens: count('cache_read_input_tokens'),
        cache_write_tokens: count('cache_creation_input_tokens'),
      },
    }),
  };
}

function contentOf(content: unknown, line: Json = {}): object[] {
  if (typeof content === 'string') {
    if (content === '') return [];
    return [{ type: line['isCompactSummary'] === true ? 'summary' : 'text', text: content }];
  }
  if (!Array.isArray(content)) return [];
  return content.filter(isJson).map((block) => blockOf(block, line));
}

function blockOf(block: Json, line: Json): object {
  switch (block['type']) {
    case 'text':
      return { type: line['isCompactSummary'] === true ? 'summary' : 'text', text: text(block['text']) ?? '' };
    case 'thinking':
      return {
        type: 'thinking',
        text: text(block['thinking']) ?? '',
        ...(text(block['signature']) && { signature: block['signature'] }),
      };
    case 'redacted_thinking':
      return { type: 'thinking', text: '', redacted: true };
    case 'tool_use':
      return {
        type: 'tool_use',
        tool_use_id: text(block['id']) ?? '',
        name: text(block['name']) ?? '',
        input: isJson(block['input']) ? block['input'] : {},
      };
    case 'tool_result':
      return toolResultOf(block);
    default:
      return block;
  }
}

function toolResultOf(block: Json): object {
  const { content } = block;
  const parts = Array.isArray(content) ? content.filter(isJson) : [];
  const words = parts.map((part) => text(part['text']) ?? `[${text(part['type']) ?? 'unknown'}]`);
  return {
    type: 'tool_result',
    tool_use_id: text(block['tool_use_id']) ?? '',
    content: typeof content === 'string' ? content : words.join('\n'),
    is_error: block['is_error'] === true,
  };
}
