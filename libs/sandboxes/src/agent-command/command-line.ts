/** What a command tells in one line of its output. */
export type CommandEvent =
  | { readonly type: 'text' | 'thinking'; readonly text: string }
  | { readonly type: 'metadata'; readonly metadata: object }
  /** `tool_call` asks for it: a tool of the client's. */
  | { readonly type: 'tool_use' | 'tool_call'; readonly id: string; readonly name: string; readonly input: object }
  | { readonly type: 'tool_result'; readonly id: string; readonly content: string; readonly isError: boolean };

const ID = /^[\x21-\x7e]{1,200}$/;
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** The event that a line is; null for one that is a text as it stands. */
export function commandEvent(line: string): CommandEvent | null {
  const { type, text, metadata, ...call } = objectIn(line);
  if (type === 'text' || type === 'thinking') return typeof text === 'string' ? { type, text } : null;
  if (type === 'metadata') return isObject(metadata) ? { type, metadata } : null;
  return toolEvent(type, call);
}

function toolEvent(type: unknown, call: Readonly<Record<string, unknown>>): CommandEvent | null {
  const { id, name, input = {}, content, is_error: isError = false } = call;
  if (typeof id !== 'string' || !ID.test(id)) return null;
  if (isCall(type) && typeof name === 'string' && NAME.test(name) && isObject(input)) return { type, id, name, input };
  if (type === 'tool_result' && typeof content === 'string' && typeof isError === 'boolean')
    return { type, id, content, isError };
  return null;
}

/** Empty for what is none. */
function objectIn(line: string): Readonly<Record<string, unknown>> {
  if (!line.startsWith('{')) return {};
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function isCall(type: unknown): type is 'tool_use' | 'tool_call' {
  return type === 'tool_use' || type === 'tool_call';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Puts the bytes of an output together to lines, each with its end; what is longer than `maxLength` comes in pieces. */
export class LineReader {
  private readonly decoder = new TextDecoder();
  private rest = '';

  constructor(private readonly maxLength: number) {}

  /** What is whole by now; after `null`, the rest. */
  add(data: Uint8Array | null): string[] {
    const lines = (this.rest + (data ? this.decoder.decode(data, { stream: true }) : this.decoder.decode())).split(
      /(?<=\n)/,
    );
    const last = lines.at(-1) ?? '';
    const isWhole = data === null || last.endsWith('\n') || last.length > this.maxLength;
    this.rest = isWhole ? '' : lines.pop()!;
    return lines.filter((line) => line !== '');
  }
}
