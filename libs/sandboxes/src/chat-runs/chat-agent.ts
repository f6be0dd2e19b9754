import { Injectable } from '@nestjs/common';
import { AppConfig, Llm, type LlmEndpoint, type LlmMessage, llmNotConfigured, type Principal } from '#platform';
import { AgentCommand } from '../agent-command/agent-command.js';
import { AgentLoop, type ClientTools } from '../agent/agent-loop.js';
import type { AgentWork } from '../agent/agent-runs.service.js';
import { SandboxTools } from '../agent/sandbox-tools.js';
import type { Chat } from '../chats/chat.js';
import { ChatsRepository } from '../chats/chats.repository.js';
import { checkoutOf } from '../coding-sessions/checkout.js';
import { SandboxLifecycle, type SandboxUse } from '../lifecycle/sandbox-lifecycle.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { toModelMessages } from './model-messages.js';

/** Of a chat, so much is shown to the model: about 100,000 tokens. */
const MAX_CONVERSATION_BYTES = 400_000;

/** The page that shows a chat runs no tools. */
const NO_CLIENT_TOOLS: ClientTools = {
  tools: [],
  expect: () => Promise.resolve(),
  answer: () => Promise.resolve({ content: '', isError: true }),
};

/** The agent of chats: a model with the tools of the sandbox that the chat is in, or the operator's command in it. */
@Injectable()
export class ChatAgent {
  constructor(
    private readonly llm: Llm,
    private readonly tools: SandboxTools,
    private readonly chats: ChatsRepository,
    private readonly lifecycle: SandboxLifecycle,
    private readonly config: AppConfig,
    private readonly command: AgentCommand,
  ) {}

  /** What a chat without a model of its own speaks to; null without any. */
  get defaultModel(): string | null {
    return this.llm.ofInstallation?.model ?? null;
  }

  /** Errors: `unavailable` (`llm_not_configured`). */
  assertConfigured(): void {
    this.endpointOf(null);
  }

  /** Answers what the chat says by then; `open` gives the sandbox, which stays active until the answer is given. */
  respond(caller: Principal, chat: Chat, open: () => Promise<SandboxUse>): AgentWork {
    const endpoint = this.endpointOf(chat.modelId);
    return async (agent) => {
      const use = await open();
      agent.afterEnd(use.release);
      // The run may have ended without waiting for it.
      if (agent.signal.aborted) use.release();
      use.signal.addEventListener('abort', agent.stop, { once: true });
      // It may have been stopped before anybody listened.
      if (use.signal.aborted) agent.stop();
      agent.signal.throwIfAborted();
      const { scope } = use.place;
      const base = checkoutOf(scope).join('/');
      const said = {
        endpoint,
        instructions: instructions(base),
        messages: await this.conversation(chat),
        // The message is put together of the run's events when it ends.
        keep: () => Promise.resolve(),
      };
      const loop = new AgentLoop(this.llm, agent, {
        ...said,
        tools: this.tools.of({ view: { caller, accountId: chat.accountId, scope }, place: use.place, base }),
        clientTools: NO_CLIENT_TOOLS,
        maxSteps: this.config.AGENT_MAX_STEPS,
        maxTokens: this.config.AGENT_TOKENS_PER_TURN,
      });
      try {
        if (!this.command.isSet) return await loop.run();
        return await this.command.run(agent, { ...said, place: use.place, cwd: `${WORKSPACE_INSIDE}/${base}` });
      } finally {
        await this.lifecycle.ping({ id: chat.sandboxId });
      }
    };
  }

  private async conversation(chat: Chat): Promise<LlmMessage[]> {
    const messages = toModelMessages(await this.chats.newestMessages(chat, MAX_CONVERSATION_BYTES));
    return messages.slice(
      Math.max(
        0,
        messages.findIndex(({ role }) => role === 'user'),
      ),
    );
  }

  private endpointOf(model: string | null): LlmEndpoint {
    const endpoint = this.llm.ofInstallation;
    if (!endpoint) throw llmNotConfigured();
    return { ...endpoint, model: model ?? endpoint.model };
  }
}

function instructions(base: string): string {
  return [
    'You are a coding agent that works in a sandbox, by the tools you are given.',
    `The working directory is ${WORKSPACE_INSIDE}/${base}; the repository, if there is one, is checked out there.`,
    'There is no network. Do what is asked, check the result, and say briefly what you did.',
  ].join('\n');
}
