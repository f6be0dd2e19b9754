import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import type { Principal } from '#platform';
import { sessionNotFound } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { RESPONSE_ENDED, RESPONSE_STARTED } from '../sandboxes.events.js';
import type { AgentOutcome, TokenUsage } from './agent-event.js';
import type { AgentRun } from './agent-run.js';
import { AgentRuns } from './agent-runs.service.js';
import { AgentTurnsRepository } from './agent-turns.repository.js';
import { TurnLimits } from './turn-limits.js';

/** The kind of runs that are turns of agent sessions, and the bucket they are counted in. */
export const SESSION_TURN = 'session_turn';

/** What a session shows of its turns, and what its account used: written in the transactions that begin and end them. */
@Injectable()
export class TurnBooks implements OnModuleInit {
  constructor(
    private readonly runs: AgentRuns,
    private readonly turns: AgentTurnsRepository,
    private readonly limits: TurnLimits,
    private readonly journal: SandboxJournal,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.runs.register(SESSION_TURN, (run, outcome, usage) => this.close(run, outcome, usage));
  }

  /** Errors: `not_found` for a session that ended meanwhile, `rate_limited`. */
  async open(
    caller: Principal,
    { id, accountId, createdAt }: AgentRun,
    sandboxId: string,
    message: string,
  ): Promise<void> {
    const turn = { sandboxId, runId: id };
    if (!(await this.turns.occupy(turn, createdAt))) throw sessionNotFound();
    await this.limits.admit(accountId, SESSION_TURN);
    await this.turns.say(turn, [{ role: 'user', content: message }]);
    const what = { event: RESPONSE_STARTED, action: 'sandbox.respond' };
    await this.journal.record(caller, { id: sandboxId, accountId }, what, { response_id: id });
  }

  private async close(run: AgentRun, { type }: AgentOutcome, usage: TokenUsage): Promise<void> {
    const sandbox = { id: run.sandboxId ?? '', accountId: run.accountId };
    await this.turns.release({ sandboxId: sandbox.id, runId: run.id }, this.clock.date());
    const tokens = { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens };
    const facts = { response_id: run.id, status: type, ...tokens };
    await this.journal.record(null, sandbox, { event: RESPONSE_ENDED, action: 'sandbox.responded' }, facts);
    await this.limits.count(run.accountId, SESSION_TURN, usage.inputTokens + usage.outputTokens);
  }
}
