import type { AgentOutcome } from './agent-event.js';
import { type AgentRun, isOver, TURN_MS } from './agent-run.js';

/** Why a run ends before its time. */
export class RunStop extends Error {
  constructor(readonly why: 'cancelled' | 'expired' | 'interrupted') {
    super(`The run was stopped: ${why}`);
    this.name = 'RunStop';
  }

  /** A run whose time is over ends as that, whoever stops it. */
  outcome(run: Pick<AgentRun, 'createdAt' | 'deadlineAt'>, now: number): AgentOutcome {
    if (this.why === 'expired' || isOver(run, now)) return overdue(run);
    if (this.why === 'cancelled') return { type: 'cancelled' };
    return { type: 'failed', error: 'interrupted', message: 'The server stopped while it was responding' };
  }
}

function overdue({ createdAt, deadlineAt }: Pick<AgentRun, 'createdAt' | 'deadlineAt'>): AgentOutcome {
  const isWholeTurn = deadlineAt.getTime() - createdAt.getTime() >= TURN_MS;
  return isWholeTurn
    ? { type: 'failed', error: 'turn.timeout', message: 'The response took too long' }
    : { type: 'failed', error: 'session.expired', message: 'The session has ended' };
}
