import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import { type AgentRun, isResponseId, responseNotFound } from './agent-run.js';
import { AgentRuns } from './agent-runs.service.js';
import { ClientToolCalls, type ClientResult } from './client-tool-calls.js';

/** Responses of a session that were begun: look them up, cancel them, answer what they ask (sandbox-sessions.md §B6). */
@Injectable()
export class AgentResponsesService {
  constructor(
    private readonly sessions: AgentSessionsService,
    private readonly runs: AgentRuns,
    private readonly clientCalls: ClientToolCalls,
  ) {}

  /** Errors: `not_found`, also for a response of another session. */
  async get(caller: Principal, sessionId: string, responseId: string): Promise<AgentRun> {
    const session = await this.sessions.get(caller, sessionId);
    const run = isResponseId(responseId) ? await this.runs.get(caller.accountId, responseId) : null;
    if (run?.sandboxId !== session.id) throw responseNotFound();
    return run;
  }

  /** Whether there was anything to cancel. Errors: as `get`. */
  async cancel(caller: Principal, sessionId: string, responseId: string): Promise<boolean> {
    const { id } = await this.get(caller, sessionId, responseId);
    return this.runs.cancel(caller.accountId, id);
  }

  /**
   * Results of calls that a response waits for, all of them or none; of the response under way unless one is named.
   * Answers its id. Errors: `not_found`, `conflict` (`tool_call.answered`, `response.ended`).
   */
  async answer(
    caller: Principal,
    sessionId: string,
    { responseId, results }: { readonly responseId: string | null; readonly results: readonly ClientResult[] },
  ): Promise<string> {
    const session = await this.sessions.get(caller, sessionId);
    const run = await this.get(caller, sessionId, responseId ?? session.responseId ?? '');
    if (run.endedAt) throw new DomainError('conflict', 'The response has ended already', { reason: 'response.ended' });
    await this.clientCalls.answer(run.id, results);
    return run.id;
  }
}
