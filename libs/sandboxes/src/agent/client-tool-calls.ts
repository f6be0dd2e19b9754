import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type LlmTool } from '#platform';
import type { ClientTool } from '../agent-sessions/agent-session.js';
import type { ClientTools, ToolAnswer } from './agent-loop.js';
import { AgentTurnsRepository } from './agent-turns.repository.js';
import { RunFeed } from './run-feed.js';

export interface ClientResult extends ToolAnswer {
  readonly id: string;
}

/** How often an answer that came to another process is looked for. */
const LOOK_MS = 500;

/** The calls of tools that clients run: asked for by a run, answered over HTTP, perhaps in another process. */
@Injectable()
export class ClientToolCalls {
  private readonly feed = new RunFeed();

  constructor(
    private readonly db: Database,
    private readonly turns: AgentTurnsRepository,
  ) {}

  of(runId: string, tools: readonly ClientTool[]): ClientTools {
    return {
      tools: tools.map((tool): LlmTool => tool.function),
      expect: ({ id }) => this.turns.expectToolCall(runId, id),
      answer: ({ id }, signal) => this.wait(runId, id, signal),
    };
  }

  /** Errors: `not_found` for a call nobody made, `conflict` (`tool_call.answered`); then none of them is taken. */
  async answer(runId: string, results: readonly ClientResult[]): Promise<void> {
    await this.db.transaction(async (tx) => {
      for (const { id, ...answer } of results) {
        if (await this.turns.answerToolCall(runId, id, answer)) continue;
        if (await this.turns.findToolCall(runId, id)) throw answered(id);
        throw new DomainError('not_found', `No tool call '${id.slice(0, 100)}' in this response`);
      }
      tx.afterCommit(() => this.feed.publish(runId, []));
    });
  }

  private async wait(runId: string, id: string, signal: AbortSignal): Promise<ToolAnswer> {
    for (;;) {
      const turn = this.feed.join(runId);
      try {
        signal.throwIfAborted();
        const call = await this.turns.findToolCall(runId, id);
        if (call?.answer) return call.answer;
        await turn.within(LOOK_MS, signal);
      } finally {
        turn.leave();
      }
    }
  }
}

function answered(id: string): DomainError {
  return new DomainError('conflict', `The tool call '${id}' has its result already`, { reason: 'tool_call.answered' });
}
