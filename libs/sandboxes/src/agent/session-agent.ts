import { Injectable } from '@nestjs/common';
import { Llm, type LlmMessage, type Principal } from '#platform';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import { toMetadata } from '../agent-sessions/metadata.js';
import { SandboxLifecycle } from '../lifecycle/sandbox-lifecycle.js';
import type { WorkspacePath } from '../scope/access-scope.js';
import type { FileView } from '../workspace/workspace-files.js';
import type { AgentWork } from './agent-runs.service.js';
import { AgentTurnsRepository } from './agent-turns.repository.js';
import { ClientToolCalls } from './client-tool-calls.js';
import { modelEndpoint } from './model-endpoint.js';
import { SandboxAgent } from './sandbox-agent.js';
import { SessionInstructions } from './session-instructions.js';

/** Of a conversation, so much is shown to the model: about 100,000 tokens. */
const MAX_CONVERSATION_BYTES = 400_000;

/** The agent of a session. */
@Injectable()
export class SessionAgent {
  constructor(
    private readonly llm: Llm,
    private readonly lifecycle: SandboxLifecycle,
    private readonly clientCalls: ClientToolCalls,
    private readonly turns: AgentTurnsRepository,
    private readonly instructions: SessionInstructions,
    private readonly agent: SandboxAgent,
    private readonly sessions: AgentSessionsService,
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
      const view: FileView = { caller, accountId: session.accountId, scope: use.place.scope };
      const turn = { sandboxId: session.id, runId: agent.run.id };
      const conversation = await this.turns.conversation(session.id, MAX_CONVERSATION_BYTES);
      const first = conversation.findIndex(({ role }) => role === 'user');
      return this.agent.answer(agent, {
        conversation: { accountId: session.accountId, sandboxId: session.id, chatId: null },
        ...{ use, view, base: '', endpoint },
        checkout: { directory: repositoryOf(session), since: session.createdAt },
        instructions: await this.instructions.of(session, view),
        messages: conversation.slice(Math.max(0, first)),
        clientTools: this.clientCalls.of(agent.run.id, session.tools),
        keep: (messages: readonly LlmMessage[]) => this.turns.say(turn, messages),
        tell: (change) => this.tell(caller, session.id, change),
      });
    };
  }

  /** Progress, shown in the session's metadata (sandbox-sessions.md §B3.1). */
  private async tell(caller: Principal, sessionId: string, change: unknown): Promise<void> {
    await this.sessions.changeMetadata(caller, sessionId, toMetadata(change));
  }
}

/** Where a repository is looked for: in the one place where the session writes, or at the root of the workspace. */
function repositoryOf({ fileAccess: { write } }: AgentSession): WorkspacePath {
  const [place = ''] = write;
  return write.length === 1 && place !== '' ? place.split('/') : [];
}
