import { Injectable } from '@nestjs/common';
import { AppConfig, Llm } from '#platform';
import { AgentCommand, type CommandTurn } from '../agent-command/agent-command.js';
import type { ConversationRef } from '../conversations/conversation.js';
import { ConversationCheckouts, type WatchedCheckout } from '../conversations/conversation-checkouts.js';
import type { SandboxUse } from '../lifecycle/sandbox-lifecycle.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import type { FileView } from '../workspace/workspace-files.js';
import type { AgentOutcome } from './agent-event.js';
import { AgentLoop } from './agent-loop.js';
import type { RunningAgent } from './agent-runs.service.js';
import { metadataTool } from './metadata-tool.js';
import { SandboxTools } from './sandbox-tools.js';

/** One answer in a conversation of whichever surface. */
export interface SandboxAnswer extends Omit<CommandTurn, 'place' | 'cwd'> {
  readonly conversation: ConversationRef;
  readonly use: SandboxUse;
  readonly view: FileView;
  /** Where relative paths start, below the workspace; '' for the workspace itself. */
  readonly base: string;
  readonly checkout: WatchedCheckout;
}

/** Answers in a sandbox: a model with its tools, or the operator's command in it. */
@Injectable()
export class SandboxAgent {
  constructor(
    private readonly llm: Llm,
    private readonly tools: SandboxTools,
    private readonly command: AgentCommand,
    private readonly checkouts: ConversationCheckouts,
    private readonly config: AppConfig,
  ) {}

  async answer(agent: RunningAgent, answer: SandboxAnswer): Promise<AgentOutcome> {
    const { use, view, base, conversation, checkout } = answer;
    const { place } = use;
    // Only what ran in the sandbox can have made commits.
    let hasRun = this.command.isSet;
    const onCommand = (): void => void (hasRun = true);
    try {
      if (this.command.isSet) {
        const cwd = base === '' ? WORKSPACE_INSIDE : `${WORKSPACE_INSIDE}/${base}`;
        return await this.command.run(agent, { ...answer, place, cwd });
      }
      const loop = new AgentLoop(this.llm, agent, {
        ...answer,
        tools: [
          ...this.tools.of({ view, place, base, onCommand }),
          ...(answer.tell ? [metadataTool(answer.tell)] : []),
        ],
        maxSteps: this.config.AGENT_MAX_STEPS,
        maxTokens: this.config.AGENT_TOKENS_PER_TURN,
      });
      return await loop.run();
    } finally {
      // Before the answer is over, so that it is recorded with what came of it.
      if (hasRun && !use.signal.aborted) await this.checkouts.look(conversation, place, checkout);
    }
  }
}
