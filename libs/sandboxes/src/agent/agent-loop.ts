import { DomainError } from '#kernel';
import type { Llm, LlmEndpoint, LlmMessage, LlmPart, LlmTool } from '#platform';
import type { AgentOutcome, TokenUsage } from './agent-event.js';
import type { RunningAgent } from './agent-runs.service.js';

/** What a tool answers the model. */
export interface ToolAnswer {
  readonly content: string;
  readonly isError: boolean;
}

/** A tool that the server runs for the agent. */
export interface AgentTool extends LlmTool {
  /** Leaves soon once the signal is aborted. A DomainError is told to the model. */
  run(input: unknown, signal: AbortSignal): Promise<ToolAnswer>;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
}

/** Tools that somebody else runs. */
export interface ClientTools {
  readonly tools: readonly LlmTool[];
  /** Called before anybody reads that the call is wanted. */
  expect(call: ToolCall): Promise<void>;
  /** Null when asking for a call ends the run. */
  readonly answer: ((call: ToolCall, signal: AbortSignal) => Promise<ToolAnswer>) | null;
}

export interface AgentTurn {
  readonly endpoint: LlmEndpoint;
  readonly instructions: string;
  /** The conversation, the new message last. */
  readonly messages: readonly LlmMessage[];
  readonly tools: readonly AgentTool[];
  readonly clientTools: ClientTools;
  readonly effort?: 'minimal' | 'low' | 'medium' | 'high';
  readonly maxSteps: number;
  /** Of input and output together. */
  readonly maxTokens: number;
  /** What the turn adds to the conversation, in whole: every call of a tool with its result. */
  keep(messages: readonly LlmMessage[]): Promise<void>;
}

interface SaidCall extends ToolCall {
  readonly isValid: boolean;
}

/** What one call of the model said. */
class Step {
  text = '';
  readonly calls: SaidCall[] = [];
  private readonly answers = new Map<string, ToolAnswer>();

  answer(call: ToolCall, answer: ToolAnswer): void {
    this.answers.set(call.id, answer);
  }

  /** As the conversation goes on with it: calls without a result would not be taken by any model. */
  messages(): LlmMessage[] {
    if (this.text === '' && this.calls.length === 0) return [];
    const said = this.text === '' ? [] : [{ type: 'text' as const, text: this.text }];
    const calls = this.calls.map(({ id, name, input, isValid }) => ({
      type: 'tool-call' as const,
      toolCallId: id,
      toolName: name,
      input: isValid ? input : {},
    }));
    const results = this.calls.map(({ id, name }) => {
      const { content, isError } = this.answers.get(id) ?? NOT_RUN;
      const output = { type: isError ? ('error-text' as const) : ('text' as const), value: content };
      return { type: 'tool-result' as const, toolCallId: id, toolName: name, output };
    });
    const assistant: LlmMessage = { role: 'assistant', content: [...said, ...calls] };
    return results.length === 0 ? [assistant] : [assistant, { role: 'tool', content: results }];
  }
}

const NOT_RUN: ToolAnswer = { content: 'The call was cancelled before it had a result', isError: true };

/** A model that uses tools until it has said what it has to say. */
export class AgentLoop {
  private used: TokenUsage = { inputTokens: 0, outputTokens: 0 };

  constructor(
    private readonly llm: Llm,
    private readonly agent: RunningAgent,
    private readonly turn: AgentTurn,
  ) {}

  async run(): Promise<AgentOutcome> {
    const messages = [...this.turn.messages];
    for (let number = 0; number < this.turn.maxSteps; number += 1) {
      const step = new Step();
      try {
        await this.ask(step, messages, number);
        await this.runTools(step);
      } finally {
        // Also what a cancelled turn said: the next one goes on from there.
        const said = step.messages();
        messages.push(...said);
        if (said.length > 0) await this.turn.keep(said);
      }
      if (step.calls.length === 0 || !this.turn.clientTools.answer) return this.completed(null);
      if (this.used.inputTokens + this.used.outputTokens >= this.turn.maxTokens) return this.completed('token_budget');
    }
    return this.completed('max_steps');
  }

  private completed(reason: string | null): AgentOutcome {
    return { type: 'completed', status: reason === null ? 'completed' : 'incomplete', reason, usage: this.used };
  }

  private async ask(step: Step, messages: readonly LlmMessage[], number: number): Promise<void> {
    const { endpoint, instructions, tools, clientTools, effort } = this.turn;
    const { signal } = this.agent;
    const said = this.llm.stream(endpoint, {
      instructions,
      messages,
      tools: [...tools, ...clientTools.tools],
      signal,
      ...(effort && { effort }),
    });
    for await (const part of said) {
      signal.throwIfAborted();
      await this.tell(part, step, number);
    }
  }

  private async tell(part: LlmPart, step: Step, number: number): Promise<void> {
    switch (part.type) {
      case 'text-start':
      case 'thinking-start':
        return this.agent.emit({ ...part, id: `${number}-${part.id}`, step: number });
      case 'text-delta':
        step.text += part.text;
        return this.agent.emit({ ...part, id: `${number}-${part.id}` });
      case 'thinking-delta':
      case 'text-end':
      case 'thinking-end':
        return this.agent.emit({ ...part, id: `${number}-${part.id}` });
      case 'tool-start':
        return this.agent.emit({ ...part, step: number });
      case 'tool-input-delta':
        return this.agent.emit(part);
      case 'tool-call':
        step.calls.push(part);
        return;
      case 'finish': {
        const { inputTokens, outputTokens } = this.used;
        this.used = {
          inputTokens: inputTokens + part.inputTokens,
          outputTokens: outputTokens + part.outputTokens,
        };
        this.agent.used(this.used);
      }
    }
  }

  /** The client's are asked for first, so that it works while ours run; those run one after the other. */
  private async runTools(step: Step): Promise<void> {
    const { clientTools } = this.turn;
    const isClients = (call: SaidCall): boolean =>
      call.isValid && clientTools.tools.some(({ name }) => name === call.name);
    for (const call of step.calls.filter(isClients)) {
      await clientTools.expect(call);
      await this.agent.emit({ type: 'tool-requested', id: call.id, name: call.name, input: call.input });
    }
    for (const call of step.calls.filter((each) => !isClients(each))) {
      this.agent.signal.throwIfAborted();
      await this.agent.emit({ type: 'tool-executing', id: call.id, name: call.name, input: call.input });
      await this.finish(step, call, await this.runTool(call));
    }
    const { answer } = clientTools;
    if (!answer) return;
    for (const call of step.calls.filter(isClients))
      await this.finish(step, call, await answer(call, this.agent.signal));
  }

  private async finish(step: Step, call: ToolCall, answer: ToolAnswer): Promise<void> {
    step.answer(call, answer);
    await this.agent.emit({ type: 'tool-end', id: call.id });
    await this.agent.emit({ type: 'tool-result', id: call.id, name: call.name, ...answer });
  }

  private async runTool({ name, input, isValid }: SaidCall): Promise<ToolAnswer> {
    const tool = this.turn.tools.find((each) => each.name === name);
    if (!tool) return { content: `There is no tool '${name}'`, isError: true };
    if (!isValid) return { content: 'The input is not a JSON object as the tool describes it', isError: true };
    try {
      return await tool.run(input, this.agent.signal);
    } catch (error) {
      if (error instanceof DomainError && error.code !== 'internal' && !this.agent.signal.aborted)
        return { content: error.message, isError: true };
      throw error;
    }
  }
}
