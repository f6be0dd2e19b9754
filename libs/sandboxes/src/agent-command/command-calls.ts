import { DomainError } from '#kernel';
import type { ClientTools, ToolAnswer, ToolCall } from '../agent/agent-loop.js';
import type { CommandStory } from './command-story.js';

/** Asked for by one command at once, and in all. */
const MAX_OPEN = 64;
const MAX_CALLS = 1_000;

export interface CallsTerms {
  readonly tools: ClientTools;
  readonly story: CommandStory;
  /** What tells a part of the story does so alone. */
  readonly alone: (work: () => Promise<void>) => Promise<void>;
  /** To the command, which may never read it. */
  readonly reply: (line: string) => Promise<void>;
  /** Nobody waits for an answer any more. */
  readonly signal: AbortSignal;
  /** The turn cannot go on. */
  readonly fail: (error: Error) => void;
}

/** The calls that a command makes of the client's tools: asked for in the stream, answered on the command's input. */
export class CommandCalls {
  private readonly over = new AbortController();
  private readonly signal: AbortSignal;
  private readonly waiting = new Set<Promise<void>>();
  private readonly ids = new Set<string>();
  private open = 0;

  constructor(private readonly terms: CallsTerms) {
    this.signal = AbortSignal.any([terms.signal, this.over.signal]);
  }

  /** Whether there is anything to call. */
  get areOffered(): boolean {
    return this.terms.tools.tools.length > 0;
  }

  /** A part of the story. What is no call that could be made is answered at once, and told to nobody else. */
  async ask(call: ToolCall): Promise<void> {
    const { tools, story } = this.terms;
    const why = this.refusalOf(call);
    this.open += 1;
    if (why !== null) return this.send(call, { content: why, isError: true });
    this.ids.add(call.id);
    await tools.expect(call);
    await story.request(call);
    const answered = this.wait(call).catch((error: unknown) => {
      if (!this.signal.aborted) this.terms.fail(error as Error);
    });
    this.waiting.add(answered);
    void answered.finally(() => this.waiting.delete(answered));
  }

  /** The command has ended: what it has not been told it will not be. */
  async end(): Promise<void> {
    this.over.abort(new DomainError('conflict', 'The command has ended'));
    await Promise.all(this.waiting);
  }

  private refusalOf({ id, name }: ToolCall): string | null {
    const { tools, story } = this.terms;
    if (!tools.tools.some((tool) => tool.name === name)) return `There is no tool '${name}'`;
    if (story.knows(id)) return `The id '${id}' was used before`;
    if (this.open >= MAX_OPEN) return `At most ${MAX_OPEN} calls may be open at once`;
    return this.ids.size >= MAX_CALLS ? `A turn may make at most ${MAX_CALLS} calls` : null;
  }

  private async wait(call: ToolCall): Promise<void> {
    const { tools, story, alone } = this.terms;
    const answer = (await tools.answer?.(call, this.signal)) ?? { content: 'Nobody answers', isError: true };
    await alone(() => story.answer(call.id, answer));
    this.send(call, answer);
  }

  /** A call is open until the command has taken its answer. */
  private send({ id }: ToolCall, { content, isError }: ToolAnswer): void {
    const line = `${JSON.stringify({ type: 'tool_result', id, content, is_error: isError })}\n`;
    this.terms.reply(line).then(
      () => (this.open -= 1),
      () => undefined,
    );
  }
}
