import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig, Audit, Database, Llm, type Principal } from '#platform';
import type { ClientTool } from '../agent-sessions/agent-session.js';
import { AgentLoop, type AgentTurn } from './agent-loop.js';
import { type AgentRun, isResponseId, newResponseId, responseNotFound, TURN_MS } from './agent-run.js';
import { AgentRuns, type AgentWork } from './agent-runs.service.js';
import type { BegunResponse } from './agent-turns.service.js';
import { modelEndpoint } from './model-endpoint.js';
import type { StatelessInput } from './stateless-input.js';
import { TurnKeysRepository } from './turn-keys.repository.js';
import { TurnLimits } from './turn-limits.js';

/** The kind of runs that belong to no session, and the bucket they are counted in. */
const RESPONSE = 'response';

export interface StatelessRequest extends StatelessInput {
  readonly model: string | null;
  readonly tools: readonly ClientTool[];
  readonly effort: NonNullable<AgentTurn['effort']> | null;
}

/** Responses of the model to what comes with the request: no session, no sandbox (sandbox-sessions.md §B7). */
@Injectable()
export class StatelessResponsesService implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly llm: Llm,
    private readonly runs: AgentRuns,
    private readonly keys: TurnKeysRepository,
    private readonly limits: TurnLimits,
    private readonly audit: Audit,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.runs.register(RESPONSE, ({ accountId }, _, { inputTokens, outputTokens }) =>
      this.limits.count(accountId, RESPONSE, inputTokens + outputTokens),
    );
  }

  /**
   * Begins a response; a call of a tool ends it and is the caller's to answer. Repeats as in sessions. Errors:
   * `unavailable` (`llm_not_configured`), `rate_limited`, `unprocessable`.
   */
  respond(caller: Principal, request: StatelessRequest, idempotencyKey: string | null): Promise<BegunResponse> {
    const now = this.clock.date();
    const id = newResponseId('resp_');
    return this.db.transaction(async () => {
      if (idempotencyKey !== null) {
        const facts = [RESPONSE, request];
        const earlier = await this.keys.take(caller, { key: idempotencyKey, facts, runId: id, now });
        if (earlier !== null)
          return { id: earlier, isReplay: true, isGone: !(await this.runs.find(caller.accountId, earlier)) };
      }
      const deadlineAt = new Date(now.getTime() + TURN_MS);
      const { accountId, userId } = caller;
      const run = { id, kind: RESPONSE, accountId, userId, sandboxId: null, slot: id, deadlineAt, createdAt: now };
      await this.runs.begin(run, this.work(request));
      await this.limits.admit(accountId, RESPONSE);
      await this.audit.record(caller, 'response.create', { accountId, kind: 'response', id });
      return { id, isReplay: false, isGone: false };
    });
  }

  /** Errors: `not_found`, also for a session's. */
  async get(caller: Principal, id: string): Promise<AgentRun> {
    const run = isResponseId(id) ? await this.runs.get(caller.accountId, id) : null;
    if (run?.kind !== RESPONSE) throw responseNotFound();
    return run;
  }

  /** Whether there was anything to cancel. Errors: as `get`. */
  async cancel(caller: Principal, id: string): Promise<boolean> {
    return this.runs.cancel(caller.accountId, (await this.get(caller, id)).id);
  }

  private work({ instructions, messages, model, tools, effort }: StatelessRequest): AgentWork {
    const endpoint = modelEndpoint(this.llm, model);
    const nothing = (): Promise<void> => Promise.resolve();
    return (agent) =>
      new AgentLoop(this.llm, agent, {
        endpoint,
        instructions,
        messages,
        tools: [],
        clientTools: { tools: tools.map((tool) => tool.function), expect: nothing, answer: null },
        ...(effort && { effort }),
        maxSteps: 1,
        maxTokens: this.config.AGENT_TOKENS_PER_TURN,
        keep: nothing,
      }).run();
  }
}
