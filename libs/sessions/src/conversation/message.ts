import { isJsonObject, isShallow, parseJson, parseObject, type JsonObject, type JsonValue } from './json.js';

/** The roles the format knows; a line with another role keeps its word. */
export const ROLES = ['user', 'assistant', 'system', 'developer', 'tool'] as const;

export interface TextBlock {
  readonly type: 'text';
  readonly text: string;
}

export interface ThinkingBlock {
  readonly type: 'thinking';
  readonly text: string;
}

export interface ToolUseBlock {
  readonly type: 'tool_use';
  /** What a result is paired by: `tool_use_id`, else `id`; null when the line has neither. */
  readonly id: string | null;
  /** `name`, else `tool_name`; empty when the line has neither. */
  readonly name: string;
  /** Always an object: text that is no JSON object becomes `{ input: text }`. */
  readonly input: JsonObject;
}

export interface ToolResultBlock {
  readonly type: 'tool_result';
  readonly id: string | null;
  readonly text: string;
  readonly isError: boolean;
  readonly exitCode: number | null;
  readonly durationMs: number | null;
}

/** The agent's own summary of what it compacted away. */
export interface SummaryBlock {
  readonly type: 'summary';
  readonly text: string;
}

/** Images and whatever newer writers invent: kept as they came. */
export interface OtherBlock {
  readonly type: 'other';
  readonly kind: string;
  readonly raw: JsonValue;
}

export type Block = TextBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock | SummaryBlock | OtherBlock;

/** One line of `messages.jsonl` (sessionfs-1.md §15.3), read tolerantly. */
export interface Message {
  readonly kind: 'message';
  readonly id: string | null;
  readonly parentId: string | null;
  /** One of ROLES, or what the line says; `unknown` when it says no text. */
  readonly role: string;
  readonly blocks: readonly Block[];
  /** Milliseconds since 1970, or null when absent or no date. */
  readonly at: number | null;
  readonly model: string | null;
  readonly isSidechain: boolean;
  readonly isMeta: boolean;
  /** The line as parsed: what the messages route answers. */
  readonly raw: JsonObject;
}

/** A line that is no message. It is reported, never a reason to stop reading. */
export interface BadLine {
  readonly kind: 'bad_line';
  readonly reason: 'not_json' | 'not_an_object' | 'nested_too_deep';
}

const asText = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const firstText = (...values: readonly unknown[]): string | null =>
  values.map(asText).find((text) => text !== null) ?? null;

function asNumber(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

/** Times outside JavaScript's range and times before 1970 are damage, not dates. */
function asTime(value: unknown): number | null {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(time) && time >= 0 ? time : null;
}

/** Reads one line; never throws. Wrong types read as if the field were absent. */
export function readMessage(line: string): Message | BadLine {
  const value = parseJson(line);
  if (value === undefined) return { kind: 'bad_line', reason: 'not_json' };
  if (!isJsonObject(value)) return { kind: 'bad_line', reason: 'not_an_object' };
  if (!isShallow(value)) return { kind: 'bad_line', reason: 'nested_too_deep' };
  return messageOf(value);
}

/** The message in an object that came out of JSON.parse and is not nested too deep. */
export function messageOf(raw: JsonObject): Message {
  return {
    kind: 'message',
    id: asText(raw.msg_id),
    parentId: asText(raw.parent_msg_id),
    role: asText(raw.role) ?? 'unknown',
    blocks: blocksOf(raw.content),
    at: asTime(raw.timestamp),
    model: asText(raw.model),
    isSidechain: raw.is_sidechain === true,
    isMeta: raw.is_meta === true,
    raw,
  };
}

/**
 * Whether the messages route shows it and counts it (§7.7): sub-agents' side chains and messages without content are
 * left out, except those of role `tool`.
 */
export function isShown(message: Message): boolean {
  return !message.isSidechain && (message.blocks.length > 0 || message.role === 'tool');
}

function blocksOf(content: JsonValue | undefined): Block[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (Array.isArray(content)) return content.map(blockOf);
  return isJsonObject(content) ? [blockOf(content)] : [];
}

function blockOf(raw: JsonValue): Block {
  if (typeof raw === 'string') return { type: 'text', text: raw };
  if (!isJsonObject(raw)) return { type: 'other', kind: 'unknown', raw };
  const type = asText(raw.type);
  switch (type) {
    case 'text':
    case 'thinking':
    case 'summary':
      return { type, text: firstText(raw.text, raw[type]) ?? '' };
    case 'tool_use':
      return {
        type,
        id: firstText(raw.tool_use_id, raw.id),
        name: firstText(raw.name, raw.tool_name) ?? '',
        input: inputOf(raw.input ?? raw.arguments),
      };
    case 'tool_result':
      return {
        type,
        id: firstText(raw.tool_use_id, raw.id),
        text: resultText(raw.content ?? raw.output),
        isError: raw.is_error === true,
        exitCode: asNumber(raw.exit_code),
        durationMs: asNumber(raw.duration_ms),
      };
    default:
      return { type: 'other', kind: type ?? 'unknown', raw };
  }
}

function inputOf(input: JsonValue | undefined): JsonObject {
  if (isJsonObject(input)) return input;
  if (typeof input !== 'string') return {};
  return (input.startsWith('{') ? parseObject(input) : undefined) ?? { input };
}

/** A result is text, a list of text blocks, or (some tools) an object: then its JSON. */
function resultText(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content;
  if (content === undefined || content === null) return '';
  if (!Array.isArray(content)) return JSON.stringify(content);
  return (content as readonly JsonValue[])
    .map((part) => (typeof part === 'string' ? part : isJsonObject(part) ? (asText(part.text) ?? '') : ''))
    .filter((text) => text !== '')
    .join('\n');
}
