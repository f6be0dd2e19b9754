import { ends } from './bounded-text.js';
import type { Message, ToolResultBlock } from './message.js';
import { parseObject, type JsonObject } from './json.js';
import { actionOf, type Action } from './tool-actions.js';

/** Calls that wait for their result; beyond this the oldest is given up as unanswered. */
const MAX_OPEN = 1000;
/** What is kept of a result: its beginning and its end. */
const MAX_RESULT = 64_000;

export interface ToolOutcome {
  readonly index: number;
  /** The output, bounded; what Codex wraps in JSON is unwrapped. */
  readonly text: string;
  readonly exitCode: number | null;
  readonly failed: boolean;
}

/** A call with its result; `outcome` is null when the conversation holds none. */
export interface ToolCall {
  /** The ordinal of the message that made the call. */
  readonly index: number;
  readonly action: Action;
  readonly outcome: ToolOutcome | null;
}

interface OpenCall {
  readonly index: number;
  readonly action: Action;
}

/**
 * Pairs calls with results over one pass of a conversation: by `tool_use_id`, then `id`, then, where neither side has
 * one, by order. Each call and each result is used once. Holds open calls only.
 */
export class ToolCallPairing {
  private readonly open = new Map<string, OpenCall>();
  private unnamed = 0;

  /** The calls this message completes, in order. */
  feed(message: Message, index: number): ToolCall[] {
    const completed: ToolCall[] = [];
    for (const block of message.blocks) {
      if (block.type === 'tool_use') completed.push(...this.begin(block.id, index, actionOf(block.name, block.input)));
      if (block.type === 'tool_result') completed.push(...this.complete(block, index));
    }
    return completed;
  }

  /** The calls that never got a result. */
  rest(): ToolCall[] {
    const calls = [...this.open.values()].map((call) => ({ ...call, outcome: null }));
    this.open.clear();
    return calls;
  }

  private begin(id: string | null, index: number, action: Action): ToolCall[] {
    if (id === null) this.unnamed += 1;
    const key = id === null ? `unnamed ${this.unnamed}` : `id ${id}`;
    // Streaming writers repeat a message as it grows: the same id again, unanswered, is the same call.
    if (this.open.has(key)) return [];
    this.open.set(key, { index, action });
    if (this.open.size <= MAX_OPEN) return [];
    const [oldest, call] = this.open.entries().next().value ?? [key, { index, action }];
    this.open.delete(oldest);
    return [{ ...call, outcome: null }];
  }

  private complete(block: ToolResultBlock, index: number): ToolCall[] {
    const key = block.id === null ? this.firstUnnamed() : `id ${block.id}`;
    const call = key === undefined ? undefined : this.open.get(key);
    if (key === undefined || call === undefined) return [];
    this.open.delete(key);
    return [{ ...call, outcome: outcomeOf(block, index) }];
  }

  private firstUnnamed(): string | undefined {
    for (const key of this.open.keys()) if (key.startsWith('unnamed ')) return key;
    return undefined;
  }
}

const REFUSED =
  /^(The user doesn't want to proceed|User rejected|\[Request interrupted|Tool call was rejected|exec command rejected)/i;
const EXIT_CODE = /^(?:Process exited with code|Exit code:?|Exit Code:|exited with code|\(exit code) *(-?\d{1,10})\b/im;

function outcomeOf(block: ToolResultBlock, index: number): ToolOutcome {
  const wrapped = block.text.startsWith('{') ? parseObject(block.text) : undefined;
  const unwrapped = wrapped === undefined ? undefined : outputOf(wrapped);
  const text = ends(unwrapped ?? block.text, MAX_RESULT);
  const exitCode = block.exitCode ?? exitCodeOf(wrapped) ?? exitCodeIn(text);
  const failed = block.isError || (exitCode !== null && exitCode !== 0) || REFUSED.test(text);
  return { index, text, exitCode, failed };
}

/** Tools that print their exit code do so in the first or the last lines; elsewhere it is some program's talk. */
function exitCodeIn(text: string): number | null {
  const found = EXIT_CODE.exec(text.slice(0, 400)) ?? EXIT_CODE.exec(text.slice(-400));
  return found === null ? null : Number(found[1]);
}

function outputOf(wrapped: JsonObject): string | undefined {
  const parts = [wrapped.output, wrapped.stdout, wrapped.stderr].filter((part) => typeof part === 'string');
  return parts.length === 0 ? undefined : parts.join('\n');
}

function exitCodeOf(wrapped: JsonObject | undefined): number | null {
  const metadata = wrapped?.metadata;
  const inside =
    typeof metadata === 'object' && metadata !== null && 'exit_code' in metadata ? metadata.exit_code : null;
  const code = wrapped?.exit_code ?? wrapped?.exitCode ?? inside;
  return typeof code === 'number' && Number.isFinite(code) ? code : null;
}
