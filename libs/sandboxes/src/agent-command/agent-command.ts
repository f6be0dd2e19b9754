import { Injectable, Logger } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Llm, type LlmEndpoint, type LlmMessage } from '#platform';
import type { AgentOutcome } from '../agent/agent-event.js';
import type { ClientTools } from '../agent/agent-loop.js';
import type { RunningAgent } from '../agent/agent-runs.service.js';
import { TurnModel } from '../model-door/turn-model.js';
import { type Execution, type ExitFacts, type SandboxPlace, SandboxProvider } from '../provider/sandbox-provider.js';
import { PathTurns } from '../workspace/path-turns.js';
import { CommandCalls } from './command-calls.js';
import { commandEvent, LineReader } from './command-line.js';
import { CommandStory } from './command-story.js';
import { toOpenAiMessages } from './openai-messages.js';

export interface CommandTurn {
  readonly place: SandboxPlace;
  /** Absolute, inside. */
  readonly cwd: string;
  readonly endpoint: LlmEndpoint;
  readonly instructions: string;
  /** The conversation, the new message last. */
  readonly messages: readonly LlmMessage[];
  readonly clientTools: ClientTools;
  /** What the turn adds to the conversation, in whole: every call of a tool with its result. */
  keep(messages: readonly LlmMessage[]): Promise<void>;
  /** Progress that it tells beside; nobody is told when left out. Errors: `invalid_input`. */
  readonly tell?: (change: unknown) => Promise<void>;
}

const OUTPUT_BYTES = 8_388_608;
const MAX_LINE = 262_144;
const LOGGED = 4_096;

/** The operator's agent: a command that runs in the sandbox for one turn and reaches the model through its door. */
@Injectable()
export class AgentCommand {
  private readonly log = new Logger(AgentCommand.name);
  private readonly line: string | undefined;

  constructor(
    private readonly llm: Llm,
    private readonly provider: SandboxProvider,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {
    this.line = config.AGENT_COMMAND;
  }

  /** Whether it answers in place of the built-in agent. */
  get isSet(): boolean {
    return this.line !== undefined;
  }

  /** Errors: `unavailable`; `operation_failed` for a command that fails, with a reason of its own; `timeout`. */
  async run(agent: RunningAgent, turn: CommandTurn): Promise<AgentOutcome> {
    agent.signal.throwIfAborted();
    const model = await TurnModel.open(this.llm, {
      endpoint: turn.endpoint,
      maxCalls: this.config.AGENT_MAX_STEPS,
      maxTokens: this.config.AGENT_TOKENS_PER_TURN,
      used: (usage) => agent.used(usage),
    });
    let exit: ExitFacts;
    try {
      exit = await this.follow(agent, turn, model);
    } finally {
      await model.close();
    }
    agent.signal.throwIfAborted();
    assertDone(exit, model.limit);
    const { limit, usage } = model;
    return { type: 'completed', status: limit === null ? 'completed' : 'incomplete', reason: limit, usage };
  }

  private async follow(agent: RunningAgent, turn: CommandTurn, { socket, token }: TurnModel): Promise<ExitFacts> {
    const execution = await this.provider.exec(turn.place, {
      argv: ['/bin/sh', '-c', this.line ?? ''],
      env: { OPENAI_MODEL: turn.endpoint.model },
      cwd: turn.cwd,
      model: { socket, token },
      timeoutMs: Math.max(1, agent.run.deadlineAt.getTime() - this.clock.now()),
      outputBytes: OUTPUT_BYTES,
    });
    const cancel = (): void => execution.cancel();
    agent.signal.addEventListener('abort', cancel, { once: true });
    try {
      if (agent.signal.aborted) cancel();
      // A command may end without reading what it is asked; one that reads may tell something before.
      const given = give(execution, inputOf(agent, turn), turn.clientTools.tools.length === 0);
      const told = await this.listen(agent, turn, execution);
      await given;
      const exit = await execution.exit;
      if (told !== '')
        this.log.warn({ msg: 'the agent command wrote on stderr', runId: agent.run.id, exit: exit.code, told });
      return exit;
    } catch (error) {
      // Nobody listens any more.
      cancel();
      throw error;
    } finally {
      agent.signal.removeEventListener('abort', cancel);
    }
  }

  /** Tells what the command tells; answers the beginning of what it says on the side. */
  private async listen(agent: RunningAgent, turn: CommandTurn, execution: Execution): Promise<string> {
    const story = new CommandStory(
      (event) => agent.emit(event),
      (messages) => turn.keep(messages),
      turn.tell,
    );
    const turns = new PathTurns();
    const alone = (work: () => Promise<void>): Promise<void> => turns.take('', work);
    let failure: Error | null = null;
    const fail = (error: Error): void => {
      failure ??= error;
      execution.cancel();
    };
    const reply = (line: string): Promise<void> => execution.write(Buffer.from(line));
    const calls = new CommandCalls({ tools: turn.clientTools, story, alone, reply, signal: agent.signal, fail });
    const lines = new LineReader(MAX_LINE);
    const tell = async (data: Uint8Array | null): Promise<void> => {
      for (const line of lines.add(data)) {
        const event = commandEvent(line);
        await alone(() =>
          event?.type === 'tool_call' && calls.areOffered ? calls.ask(event) : story.tell(event, line),
        );
      }
    };
    let aside = '';
    try {
      for await (const { stream, data } of execution.output) {
        if (stream === 'stdout' && !agent.signal.aborted) await tell(data);
        else if (stream === 'stderr' && aside.length < LOGGED) aside += data.toString().slice(0, LOGGED - aside.length);
      }
      if (!agent.signal.aborted) await tell(null);
      await calls.end();
      if (failure !== null) throw failure as Error;
      await story.closeBlock();
    } finally {
      await calls.end();
      // Also what a cancelled turn said: the next one goes on from there.
      await story.end();
    }
    return aside;
  }
}

/** What the command reads: one JSON object. */
function inputOf(
  { run }: RunningAgent,
  { endpoint, instructions, messages, clientTools: { tools } }: CommandTurn,
): Buffer {
  const history = toOpenAiMessages(messages);
  const last = history.pop() as { readonly content: string | readonly { readonly text?: string }[] } | undefined;
  const { content = '' } = last ?? {};
  const isText = typeof content !== 'string' && content.every(({ text }) => text !== undefined);
  return Buffer.from(
    `${JSON.stringify({
      session_id: run.sandboxId,
      response_id: run.id,
      model: endpoint.model,
      instructions,
      ...(tools.length > 0 && { tools: tools.map((tool) => ({ type: 'function', function: tool })) }),
      history,
      message: isText ? content.map(({ text }) => text).join('\n') : content,
    })}\n`,
  );
}

/** Nothing comes after it, unless there are answers to come. */
async function give(execution: Execution, input: Buffer, isAll: boolean): Promise<void> {
  await execution.write(input);
  if (isAll) await execution.write(null);
}

/** Errors: `operation_failed`, `timeout`. */
function assertDone(exit: ExitFacts, limit: string | null): void {
  const fail = (reason: string, message: string): DomainError =>
    new DomainError('operation_failed', message, { reason });
  if (exit.timedOut) throw new DomainError('timeout', 'The response took too long', { reason: 'turn.timeout' });
  if (exit.oomKilled) throw fail('agent_command_oom_killed', 'The agent’s command ran out of memory');
  if (exit.diskFull) throw fail('agent_command_disk_full', 'The workspace has no room left for the agent’s command');
  if (exit.tooManyProcesses) throw fail('agent_command_failed', 'The agent’s command started too many processes');
  if (exit.truncated)
    throw fail('agent_command_output_limit', `The agent’s command told more than ${OUTPUT_BYTES} bytes`);
  if (exit.code === 0) return;
  if (limit !== null) throw fail(limit, `The turn has reached its limit (${limit}), and the agent’s command failed`);
  if (exit.code === 127 || exit.code === 126)
    throw fail('agent_command_not_found', `The agent’s command, or a program it needs, cannot be run in the sandbox`);
  throw fail('agent_command_failed', `The agent’s command ended with exit code ${exit.code}`);
}
