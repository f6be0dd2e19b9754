import type { UIMessageChunk } from 'ai';

/** A part of a message as the AI SDK's UI keeps it. */
export type UiPart = Record<string, unknown> & { readonly type: string };

interface TextPart extends UiPart {
  text: string;
  state: 'streaming' | 'done';
}

interface ToolPart extends UiPart {
  readonly toolCallId: string;
  readonly type: `tool-${string}`;
  state: 'input-streaming' | 'input-available' | 'output-available' | 'output-error';
}

/** What PostgreSQL takes in a jsonb: what commands print may be anything. */
const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/**
 * Puts a message together from the chunks of its stream, as the AI SDK's client does, so that what is stored is what the
 * client has. What was cut off in the middle counts as said; a tool that was cut off has failed.
 */
export class UiMessage {
  readonly parts: UiPart[] = [];
  private readonly open = new Map<string, TextPart>();
  private readonly tools = new Map<string, ToolPart>();

  add(chunk: UIMessageChunk): void {
    switch (chunk.type) {
      case 'start-step':
        this.parts.push({ type: 'step-start' });
        return;
      case 'text-start':
        return this.begin(`text ${chunk.id}`, { type: 'text', text: '', state: 'streaming' });
      case 'reasoning-start':
        return this.begin(`reasoning ${chunk.id}`, { type: 'reasoning', id: chunk.id, text: '', state: 'streaming' });
      case 'text-delta':
        return this.append(`text ${chunk.id}`, chunk.delta);
      case 'reasoning-delta':
        return this.append(`reasoning ${chunk.id}`, chunk.delta);
      case 'text-end':
        return this.end(`text ${chunk.id}`);
      case 'reasoning-end':
        return this.end(`reasoning ${chunk.id}`);
      case 'tool-input-start':
      case 'tool-input-available':
        return this.call(chunk);
      case 'tool-output-available':
        return this.answer(chunk.toolCallId, { state: 'output-available', output: storable(String(chunk.output)) });
      case 'tool-output-error':
        return this.answer(chunk.toolCallId, { state: 'output-error', errorText: storable(chunk.errorText) });
      default:
    }
  }

  /** Once no chunk comes any more. */
  finish(): readonly UiPart[] {
    for (const key of [...this.open.keys()]) this.end(key);
    for (const part of this.tools.values()) {
      if (part.state === 'output-available' || part.state === 'output-error') continue;
      Object.assign(part, { state: 'output-error', errorText: 'The call was cut off', input: part['input'] ?? {} });
    }
    return this.parts;
  }

  private begin(key: string, part: TextPart): void {
    this.open.set(key, part);
    this.parts.push(part);
  }

  private append(key: string, text: string): void {
    const part = this.open.get(key);
    if (part) part.text += text;
  }

  private end(key: string): void {
    const part = this.open.get(key);
    if (part) Object.assign(part, { text: storable(part.text), state: 'done' });
    this.open.delete(key);
  }

  /** The models' ids of calls need not differ between steps: each start is another call. */
  private call(chunk: Extract<UIMessageChunk, { type: 'tool-input-start' | 'tool-input-available' }>): void {
    const { toolCallId, toolName } = chunk;
    let part = this.tools.get(toolCallId);
    if (!part || chunk.type === 'tool-input-start') {
      part = { type: `tool-${storable(toolName)}`, toolCallId: storable(toolCallId), state: 'input-streaming' };
      this.tools.set(toolCallId, part);
      this.parts.push(part);
    }
    if (chunk.type === 'tool-input-available')
      Object.assign(part, { state: 'input-available', input: storableJson(chunk.input) });
  }

  private answer(toolCallId: string, result: object): void {
    Object.assign(this.tools.get(toolCallId) ?? {}, result);
  }
}

function storableJson(value: unknown): unknown {
  if (value === undefined) return null;
  return JSON.parse(JSON.stringify(value), (_name, member: unknown) =>
    typeof member === 'string' ? storable(member) : member,
  );
}
