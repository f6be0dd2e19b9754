import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, type Principal } from '#platform';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import { type AgentRun, newResponseId, TURN_MS } from './agent-run.js';
import { AgentRuns } from './agent-runs.service.js';
import { SessionAgent } from './session-agent.js';
import { SESSION_TURN, TurnBooks } from './turn-books.js';
import { TurnKeysRepository } from './turn-keys.repository.js';

export interface NewMessage {
  readonly message: string;
  readonly idempotencyKey: string | null;
}

/** A response that was begun, or that an Idempotency-Key led back to. */
export interface BegunResponse {
  readonly id: string;
  readonly isReplay: boolean;
  /** Its session was destroyed, and what it told with it. */
  readonly isGone: boolean;
}

/** Turns in agent sessions: a message and the response to it (sandbox-sessions.md §B6). */
@Injectable()
export class AgentTurnsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: AgentSessionsService,
    private readonly runs: AgentRuns,
    private readonly keys: TurnKeysRepository,
    private readonly books: TurnBooks,
    private readonly agent: SessionAgent,
    private readonly clock: Clock,
  ) {}

  /**
   * Begins a response; it goes on whether anybody reads it or not. With a key that was used for the same message it is
   * that response again. Errors: `not_found`, `conflict` (`session.busy`), `unavailable` (`llm_not_configured`),
   * `rate_limited`, `unprocessable` for a key that was used otherwise.
   */
  respond(caller: Principal, sessionId: string, { message, idempotencyKey }: NewMessage): Promise<BegunResponse> {
    const now = this.clock.date();
    const id = newResponseId('msg_');
    return this.db.transaction(async () => {
      if (idempotencyKey !== null) {
        const facts = ['message', sessionId, message];
        const earlier = await this.keys.take(caller, { key: idempotencyKey, facts, runId: id, now });
        if (earlier !== null)
          return { id: earlier, isReplay: true, isGone: !(await this.runs.find(caller.accountId, earlier)) };
      }
      const session = await this.sessions.get(caller, sessionId);
      const run = await this.begin(caller, session, id, now);
      await this.books.open(caller, run, session.id, message);
      return { id, isReplay: false, isGone: false };
    });
  }

  private async begin(caller: Principal, session: AgentSession, id: string, now: Date): Promise<AgentRun> {
    const end = session.createdAt.getTime() + session.ttlSeconds * 1_000;
    const run = {
      id,
      kind: SESSION_TURN,
      accountId: session.accountId,
      userId: caller.userId,
      sandboxId: session.id,
      slot: session.id,
      deadlineAt: new Date(Math.min(end, now.getTime() + TURN_MS)),
      createdAt: now,
    };
    return this.runs.begin(run, this.agent.respond(caller, session));
  }
}
