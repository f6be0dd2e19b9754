import { DomainError } from '#kernel';
import type { LlmMessage } from '#platform';
import type { AgentEvent } from '../agent/agent-event.js';
import type { ToolAnswer, ToolCall } from '../agent/agent-loop.js';
import type { CommandEvent } from './command-line.js';

interface Call {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  /** The client answers it, not the command. */
  readonly isClients: boolean;
  result: ToolAnswer | null;
}

const NO_RESULT = { content: 'The call has no result', isError: true };

/** What a command tells, as the events of a run and as the conversation goes on with it. */
export class CommandStory {
  private readonly ids = new Set<string>();
  private block: { readonly kind: 'text' | 'thinking'; readonly id: string } | null = null;
  private blocks = 0;
  private step = 0;
  private text = '';
  private calls: Call[] = [];

  constructor(
    private readonly emit: (event: AgentEvent) => Promise<void>,
    private readonly keep: (messages: readonly LlmMessage[]) => Promise<void>,
    private readonly progress?: (change: object) => Promise<void>,
  ) {}

  /** A line of output: the event it is, or the text. */
  async tell(event: CommandEvent | null, line: string): Promise<void> {
    if (event?.type === 'tool_use' && !this.knows(event.id)) return this.use(event, false);
    if (event?.type === 'tool_result') {
      const call = this.calls.find(({ id, isClients, result }) => id === event.id && !isClients && result === null);
      if (call) return this.finish(call, event);
    }
    if (event?.type === 'metadata' && (await this.isNoted(event.metadata))) return;
    if (event?.type === 'text' || event?.type === 'thinking') return this.say(event.type, event.text);
    return this.say('text', line);
  }

  /** Whether a call of that id was told. */
  knows(id: string): boolean {
    return this.ids.has(id);
  }

  /** A call that the client is to answer. */
  request(call: ToolCall): Promise<void> {
    return this.use(call, true);
  }

  /** What the client answered; nothing for a call that the story went on without. */
  async answer(id: string, answer: ToolAnswer): Promise<void> {
    const call = this.calls.find((each) => each.id === id && each.result === null);
    if (call) await this.finish(call, answer);
  }

  /** What nobody takes is a text like every other line. */
  private async isNoted(change: object): Promise<boolean> {
    try {
      await this.progress?.(change);
    } catch (error) {
      if (error instanceof DomainError && error.code === 'invalid_input') return false;
      throw error;
    }
    return this.progress !== undefined;
  }

  /** The last of it is kept, whatever ended it. */
  async end(): Promise<void> {
    const said = this.messages();
    [this.text, this.calls] = ['', []];
    if (said.length > 0) await this.keep(said);
  }

  async closeBlock(): Promise<void> {
    if (!this.block) return;
    const { kind, id } = this.block;
    this.block = null;
    await this.emit({ type: `${kind}-end`, id });
  }

  private async say(kind: 'text' | 'thinking', text: string): Promise<void> {
    if (text === '') return;
    if (this.block?.kind !== kind) {
      await this.closeBlock();
      await this.begin();
      this.block = { kind, id: `${kind}-${this.blocks}` };
      this.blocks += 1;
      await this.emit({ type: `${kind}-start`, id: this.block.id, step: this.step });
    }
    if (kind === 'text') this.text += text;
    await this.emit({ type: `${kind}-delta`, id: this.block.id, text });
  }

  private async use({ id, name, input }: ToolCall, isClients: boolean): Promise<void> {
    await this.closeBlock();
    await this.begin();
    this.ids.add(id);
    this.calls.push({ id, name, input, isClients, result: null });
    await this.emit({ type: 'tool-start', id, name, step: this.step });
    await this.emit({ type: 'tool-input-delta', id, text: JSON.stringify(input) });
    await this.emit({ type: isClients ? 'tool-requested' : 'tool-executing', id, name, input });
  }

  private async finish(call: Call, { content, isError }: ToolAnswer): Promise<void> {
    await this.closeBlock();
    call.result = { content, isError };
    await this.emit({ type: 'tool-end', id: call.id });
    await this.emit({ type: 'tool-result', id: call.id, name: call.name, content, isError });
  }

  /** Something is said: after the results of all calls it belongs to the next step. */
  private async begin(): Promise<void> {
    if (this.calls.length === 0 || this.calls.some(({ result }) => result === null)) return;
    await this.end();
    this.step += 1;
  }

  private messages(): LlmMessage[] {
    if (this.text === '' && this.calls.length === 0) return [];
    const said = this.text === '' ? [] : [{ type: 'text' as const, text: this.text }];
    const calls = this.calls.map(({ id, name, input }) => ({
      type: 'tool-call' as const,
      toolCallId: id,
      toolName: name,
      input,
    }));
    const results = this.calls.map(({ id, name, result }) => {
      const { content, isError } = result ?? NO_RESULT;
      const output = { type: isError ? ('error-text' as const) : ('text' as const), value: content };
      return { type: 'tool-result' as const, toolCallId: id, toolName: name, output };
    });
    const assistant: LlmMessage = { role: 'assistant', content: [...said, ...calls] };
    return results.length === 0 ? [assistant] : [assistant, { role: 'tool', content: results }];
  }
}
