import { Injectable } from '@nestjs/common';
import { Llm, type LlmEndpoint, type LlmMessage, llmNotConfigured, type Principal } from '#platform';
import type { ClientTools } from '../agent/agent-loop.js';
import type { AgentWork } from '../agent/agent-runs.service.js';
import { SandboxAgent } from '../agent/sandbox-agent.js';
import type { Chat } from '../chats/chat.js';
import { ChatsRepository } from '../chats/chats.repository.js';
import { checkoutOf } from '../coding-sessions/checkout.js';
import { Egress } from '../egress/egress.js';
import { SandboxLifecycle, type SandboxUse } from '../lifecycle/sandbox-lifecycle.js';
import { type KnownSkill, skillList } from '../skills/skill-list.js';
import { SkillsRepository } from '../skills/skills.repository.js';
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

/** The agent of chats. */
@Injectable()
export class ChatAgent {
  constructor(
    private readonly llm: Llm,
    private readonly chats: ChatsRepository,
    private readonly lifecycle: SandboxLifecycle,
    private readonly skills: SkillsRepository,
    private readonly agent: SandboxAgent,
    private readonly egress: Egress,
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
      use.signal.addEventListener('abort', agent.stop, { once: true });
      // It may have been stopped before anybody listened.
      if (use.signal.aborted) agent.stop();
      agent.signal.throwIfAborted();
      const { scope } = use.place;
      const base = checkoutOf(scope).join('/');
      const { accountId, sandboxId, id: chatId } = chat;
      try {
        return await this.agent.answer(agent, {
          conversation: { accountId, sandboxId, chatId },
          ...{ use, view: { caller, accountId, scope }, base, endpoint },
          // All that was ever done in a checkout of its own.
          checkout: { directory: checkoutOf(scope), since: new Date(0) },
          instructions: instructions(base, await this.egress.inWords(), await this.skills.ofSandbox(sandboxId)),
          messages: await this.conversation(chat),
          clientTools: NO_CLIENT_TOOLS,
          // The message is put together of the run's events when it ends.
          keep: () => Promise.resolve(),
        });
      } finally {
        await this.lifecycle.ping({ id: sandboxId });
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

function instructions(base: string, network: string, skills: readonly KnownSkill[]): string {
  return [
    'You are a coding agent that works in a sandbox, by the tools you are given.',
    `The working directory is ${WORKSPACE_INSIDE}/${base}; the repository, if there is one, is checked out there.`,
    `${network} Do what is asked, check the result, and say briefly what you did.`,
    ...(skills.length === 0 ? [] : [skillList(skills)]),
  ].join('\n');
}
