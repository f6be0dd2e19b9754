import type { ConversationMessage } from '#sandboxes';

/** One line of `messages.jsonl` (sessionfs-1.md §15.3). */
export interface CapturedLine {
  readonly msg_id: string;
  readonly parent_msg_id: string | null;
  readonly role: 'user' | 'assistant' | 'tool';
  readonly content: readonly object[];
  readonly timestamp: string;
  readonly model?: string;
}

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * A message of the AI SDK's UI as lines of an archive: one for each step of the model, followed by one with what the
 * tools it called have answered. Never throws: clients store messages of any shape.
 */
export function linesOf({ id, role, message, createdAt }: ConversationMessage, model: string | null): CapturedLine[] {
  const lines: CapturedLine[] = [];
  let said: object[] = [];
  let answered: object[] = [];
  const line = (of: CapturedLine['role'], content: readonly object[]): void => {
    if (content.length === 0) return;
    const before = lines.at(-1)?.msg_id ?? null;
    const facts = of === 'assistant' && model !== null ? { model } : {};
    const name = lines.length === 0 ? id : `${id}.${lines.length}`;
    lines.push({
      msg_id: name,
      parent_msg_id: before,
      role: of,
      content,
      timestamp: createdAt.toISOString(),
      ...facts,
    });
  };
  const endStep = (): void => {
    line(role, said);
    line('tool', answered);
    [said, answered] = [[], []];
  };
  for (const part of partsOf(message)) {
    if (part['type'] === 'step-start') endStep();
    else if (isToolPart(part)) {
      said.push(callOf(part));
      answered.push(...resultOf(part));
    } else {
      // What follows an answer was said in the next step, marked or not.
      if (answered.length > 0) endStep();
      said.push(blockOf(part));
    }
  }
  endStep();
  return lines;
}

function partsOf({ parts, content }: Json): Json[] {
  if (Array.isArray(parts)) return parts.filter(isJson);
  return typeof content === 'string' ? [{ type: 'text', text: content }] : [];
}

const isToolPart = ({ type, toolCallId }: Json): boolean =>
  typeof toolCallId === 'string' && (type === 'dynamic-tool' || text(type).startsWith('tool-'));

function callOf({ type, toolName, toolCallId, input, rawInput }: Json): object {
  const name = type === 'dynamic-tool' ? text(toolName) : text(type).slice('tool-'.length);
  return { type: 'tool_use', tool_use_id: toolCallId, name, input: input ?? rawInput ?? {} };
}

function resultOf({ toolCallId, state, output, errorText }: Json): object[] {
  const isError = state === 'output-error' || state === 'output-denied';
  if (state !== 'output-available' && !isError) return [];
  const answer = isError ? (errorText ?? 'The call was denied') : output;
  const content = typeof answer === 'string' ? answer : (JSON.stringify(answer) ?? '');
  return [{ type: 'tool_result', tool_use_id: toolCallId, content, is_error: isError }];
}

function blockOf(part: Json): object {
  if (part['type'] === 'text') return { type: 'text', text: text(part['text']) };
  if (part['type'] === 'reasoning') return { type: 'thinking', text: text(part['text']) };
  return part;
}
