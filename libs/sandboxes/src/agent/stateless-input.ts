import { DomainError } from '#kernel';
import { type LlmMessage, nulAt } from '#platform';

/** A conversation that came with its request. */
export interface StatelessInput {
  readonly instructions: string;
  readonly messages: readonly LlmMessage[];
}

const MAX_ITEMS = 1_000;
const ROLES = ['user', 'assistant', 'system', 'developer'];

type Item = Readonly<Record<string, unknown>>;
type Call = {
  readonly type: 'tool-call';
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
};

/**
 * The `input` of a stateless response: a text, or messages and function calls with their outputs as the OpenAI Responses
 * API has them. Errors: `invalid_input` naming the item.
 */
export function toStatelessInput(input: unknown): StatelessInput {
  if (nulAt(input)) throw refused('input', 'must not contain NUL');
  if (typeof input === 'string') {
    if (input === '') throw refused('input', 'must not be empty');
    return { instructions: '', messages: [{ role: 'user', content: input }] };
  }
  if (!Array.isArray(input) || input.length === 0 || input.length > MAX_ITEMS)
    throw refused('input', `must be a text or an array of 1 to ${MAX_ITEMS} items`);
  const reader = new InputReader();
  input.forEach((item: unknown, index) => reader.read(item, `input.${index}`));
  return reader.end();
}

class InputReader {
  private readonly instructions: string[] = [];
  private readonly messages: LlmMessage[] = [];
  /** Calls that have no output yet, by their ids. */
  private readonly open = new Map<string, string>();

  read(item: unknown, field: string): void {
    if (!isObject(item)) throw refused(field, 'must be an object');
    const type = item['type'] ?? 'message';
    if (type === 'message') this.message(item, field);
    else if (type === 'function_call') this.call(item, field);
    else if (type === 'function_call_output') this.output(item, field);
    else throw refused(`${field}.type`, 'must be message, function_call or function_call_output');
  }

  end(): StatelessInput {
    this.assertAnswered('input');
    if (this.messages.length === 0) throw refused('input', 'must have a message');
    return { instructions: this.instructions.join('\n\n'), messages: this.messages };
  }

  private message(item: Item, field: string): void {
    this.assertAnswered(field);
    const role = item['role'];
    if (typeof role !== 'string' || !ROLES.includes(role))
      throw refused(`${field}.role`, `must be one of ${ROLES.join(', ')}`);
    const content = textOf(item['content'], `${field}.content`);
    if (role === 'user' || role === 'assistant') this.messages.push({ role, content });
    else this.instructions.push(content);
  }

  private call(item: Item, field: string): void {
    const id = textIn(item, 'call_id', field);
    const name = textIn(item, 'name', field);
    if (this.open.has(id)) throw refused(`${field}.call_id`, 'must be another for each call');
    const call: Call = { type: 'tool-call', toolCallId: id, toolName: name, input: jsonIn(item, field) };
    const last = this.messages.at(-1);
    // Calls that were made together belong together.
    if (this.open.size > 0 && last?.role === 'assistant' && Array.isArray(last.content))
      this.messages[this.messages.length - 1] = { role: 'assistant', content: [...last.content, call] };
    else this.messages.push({ role: 'assistant', content: [call] });
    this.open.set(id, name);
  }

  private output(item: Item, field: string): void {
    const id = textIn(item, 'call_id', field);
    const name = this.open.get(id);
    if (name === undefined) throw refused(`${field}.call_id`, 'answers no call before it');
    const value = textOf(item['output'], `${field}.output`);
    const result = {
      type: 'tool-result' as const,
      toolCallId: id,
      toolName: name,
      output: { type: 'text' as const, value },
    };
    const last = this.messages.at(-1);
    if (last?.role === 'tool')
      this.messages[this.messages.length - 1] = { role: 'tool', content: [...last.content, result] };
    else this.messages.push({ role: 'tool', content: [result] });
    this.open.delete(id);
  }

  private assertAnswered(field: string): void {
    const [id] = this.open.keys();
    if (id !== undefined) throw refused(field, `comes before the output of the call '${id.slice(0, 100)}'`);
  }
}

function textOf(content: unknown, field: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw refused(field, 'must be a text or an array of parts of text');
  return content
    .map((part: unknown, index) => {
      if (isObject(part) && typeof part['text'] === 'string') return part['text'];
      throw refused(`${field}.${index}`, 'must be a part of text');
    })
    .join('');
}

function textIn(item: Item, name: string, field: string): string {
  const value = item[name];
  if (typeof value === 'string' && value !== '') return value;
  throw refused(`${field}.${name}`, 'must be a text');
}

function jsonIn(item: Item, field: string): unknown {
  try {
    return JSON.parse(textIn(item, 'arguments', field));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refused(`${field}.arguments`, 'must be JSON');
  }
}

function isObject(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(field: string, rule: string): DomainError {
  return new DomainError('invalid_input', `${field} ${rule}`, { field });
}
