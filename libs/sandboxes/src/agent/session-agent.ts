import { Injectable } from '@nestjs/common';
import { AppConfig, Llm, type LlmMessage, type Principal } from '#platform';
import { AgentCommand } from '../agent-command/agent-command.js';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { SandboxLifecycle } from '../lifecycle/sandbox-lifecycle.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import type { FileView } from '../workspace/workspace-files.js';
import { AgentLoop } from './agent-loop.js';
import type { AgentWork } from './agent-runs.service.js';
import { AgentTurnsRepository } from './agent-turns.repository.js';
import { ClientToolCalls } from './client-tool-calls.js';
import { modelEndpoint } from './model-endpoint.js';
import { SandboxTools } from './sandbox-tools.js';
import { SessionInstructions } from './session-instructions.js';

/** Of a conversation, so much is shown to the model: about 100,000 tokens. */
const MAX_CONVERSATION_BYTES = 400_000;

/** The agent of a session: a model with the tools of its sandbox, or the operator's command in it. */
@Injectable()
export class SessionAgent {
  constructor(
    private readonly llm: Llm,
    private readonly lifecycle: SandboxLifecycle,
    private readonly tools: SandboxTools,
    private readonly clientCalls: ClientToolCalls,
    private readonly turns: AgentTurnsRepository,
    private readonly instructions: SessionInstructions,
    private readonly config: AppConfig,
    private readonly command: AgentCommand,
  ) {}

  /** The next turn of the session's conversation. Errors: `unavailable` (`llm_not_configured`). */
  respond(caller: Principal, session: AgentSession): AgentWork {
    const endpoint = modelEndpoint(this.llm, session.model);
    return async (agent) => {
      const use = await this.lifecycle.use(session);
      agent.afterEnd(use.release);
      use.signal.addEventListener('abort', agent.stop, { once: true });
      // It may have been stopped before anybody listened.
      if (use.signal.aborted) agent.stop();
      agent.signal.throwIfAborted();
      const { scope } = use.place;
      const view: FileView = { caller, accountId: session.accountId, scope };
      const turn = { sandboxId: session.id, runId: agent.run.id };
      const conversation = await this.turns.conversation(session.id, MAX_CONVERSATION_BYTES);
      const first = conversation.findIndex(({ role }) => role === 'user');
      const said = {
        endpoint,
        instructions: await this.instructions.of(session, view),
        messages: conversation.slice(Math.max(0, first)),
        keep: (messages: readonly LlmMessage[]) => this.turns.say(turn, messages),
      };
      if (this.command.isSet) return this.command.run(agent, { ...said, place: use.place, cwd: WORKSPACE_INSIDE });
      const loop = new AgentLoop(this.llm, agent, {
        ...said,
        tools: this.tools.of({ view, place: use.place, base: '' }),
        clientTools: this.clientCalls.of(agent.run.id, session.tools),
        maxSteps: this.config.AGENT_MAX_STEPS,
        maxTokens: this.config.AGENT_TOKENS_PER_TURN,
      });
      return loop.run();
    };
  }
}
