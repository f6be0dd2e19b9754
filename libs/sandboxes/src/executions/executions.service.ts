import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { PeriodicTasks, type Principal } from '#platform';
import { AgentSessionsService } from '../agent-sessions/agent-sessions.service.js';
import type { Execution } from '../provider/sandbox-provider.js';
import { AccessScope } from '../scope/access-scope.js';
import { toWorkspacePath } from '../scope/requested-path.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { WorkspaceFiles } from '../workspace/workspace-files.js';
import {
  EXECUTION_LOST,
  type ExecutionEvent,
  executionNotFound,
  type ExecutionRecord,
  isExecutionId,
  type NewExecution,
  notRunning,
} from './execution.js';
import { ExecutionLogs } from './execution-logs.js';
import { ExecutionStarts, type StartedExecution } from './execution-starts.js';
import { type ExecutionPosition, ExecutionsRepository } from './executions.repository.js';
import { RunningExecutions } from './running-executions.js';

const SWEEP_MS = 600_000;
const BATCH = 500;
/** How often a follower looks at a command that runs by way of another process. */
const LOOK_MS = 300;

/** Commands in the sandboxes of agent sessions: start, follow, feed, signal, cancel (sandbox-sessions.md §C4). */
@Injectable()
export class ExecutionsService implements OnModuleInit {
  constructor(
    private readonly sessions: AgentSessionsService,
    private readonly starts: ExecutionStarts,
    private readonly running: RunningExecutions,
    private readonly repository: ExecutionsRepository,
    private readonly logs: ExecutionLogs,
    private readonly files: WorkspaceFiles,
    private readonly tasks: PeriodicTasks,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.tasks.register({ name: 'executions.sweep', everyMs: SWEEP_MS, run: (signal) => this.sweep(signal) });
  }

  /**
   * Starts a command, which goes on whoever listens. With the key of one that was started before, answers that one.
   * Errors: `not_found`; `unavailable` (`sandboxes_unavailable`); `invalid_input`; `forbidden` (`not_in_scope`) for the
   * working directory; `rate_limited` (`exec.limit`); `unprocessable` for a key that was another command's.
   */
  async start(caller: Principal, sessionId: string, input: NewExecution): Promise<StartedExecution> {
    const session = await this.sessions.get(caller, sessionId);
    const requested = insideWorkspace(input.cwd);
    const view = { caller, accountId: session.accountId, scope: new AccessScope(session.id, session.fileAccess) };
    // The workspace itself is everybody's, and there.
    if (requested !== '') await this.files.assertDirectory(view, requested);
    return this.starts.start(caller, session, toWorkspacePath(requested), input);
  }

  /** Newest first. */
  async list(
    caller: Principal,
    sessionId: string,
    limit: number,
    after: ExecutionPosition | null,
  ): Promise<{ readonly records: ExecutionRecord[]; readonly hasMore: boolean }> {
    const { id } = await this.sessions.get(caller, sessionId);
    const records = await this.repository.list(id, limit + 1, after);
    return { records: records.slice(0, limit), hasMore: records.length > limit };
  }

  /** Errors: `not_found`. */
  async get(caller: Principal, sessionId: string, id: string): Promise<ExecutionRecord> {
    const session = await this.sessions.get(caller, sessionId);
    const record = isExecutionId(id) ? await this.repository.find(session.id, id) : null;
    if (!record) throw executionNotFound();
    return record;
  }

  /** What came after event `after` (0 for everything), then what comes, the exit last. Ends early with the signal. */
  async *follow(started: ExecutionRecord, after: number, signal: AbortSignal): AsyncGenerator<ExecutionEvent> {
    const { id, sandboxId } = started;
    let seq = 0;
    const tail = {
      isOver: async () => signal.aborted || !(await this.goesOn(sandboxId, id)),
      news: () => unlessAborted(this.running.get(id)?.log.news() ?? pause(LOOK_MS), signal),
    };
    for await (const { stream, data } of this.logs.read({ id, sandboxId }, tail)) {
      seq += 1;
      if (seq > after) yield { seq, type: stream, data };
    }
    if (signal.aborted || seq + 1 <= after) return;
    // What a session knew of its commands goes with it; that this one has ended is told all the same.
    const record = (await this.repository.find(sandboxId, id)) ?? { ...started, error: 'session_destroyed' };
    yield { seq: seq + 1, type: 'exit', record };
  }

  /** Errors: `conflict` once it has ended (`execution_ended`), or when it runs by way of another process. */
  async feed(caller: Principal, sessionId: string, id: string, input: Readable, isLast: boolean): Promise<void> {
    const execution = await this.executionOf(caller, sessionId, id);
    for await (const chunk of input as AsyncIterable<Buffer>) await execution.write(chunk);
    if (isLast) await execution.write(null);
  }

  /** To every process of the command. Errors: as `feed`. */
  async signal(caller: Principal, sessionId: string, id: string, name: NodeJS.Signals): Promise<void> {
    (await this.executionOf(caller, sessionId, id)).signal(name);
  }

  /** Asks for the end: SIGTERM, a moment of grace, SIGKILL. False when it had ended before. */
  async cancel(caller: Principal, sessionId: string, id: string): Promise<boolean> {
    const record = await this.get(caller, sessionId, id);
    if (record.endedAt || record.isAbandoned) return false;
    const isAsked = await this.repository.requestCancel(id);
    this.running.get(id)?.execution.cancel();
    return isAsked;
  }

  /** Ends what counts as lost, and removes what the commands of sandboxes printed that are gone. */
  async sweep(signal: AbortSignal): Promise<void> {
    await this.repository.endAbandoned(EXECUTION_LOST, this.clock.date());
    const owners = await this.logs.owners();
    for (let at = 0; at < owners.length && !signal.aborted; at += BATCH) {
      const some = owners.slice(at, at + BATCH);
      const there = new Set(await this.repository.sandboxesAmong(some));
      for (const owner of some) if (!there.has(owner)) await this.logs.removeAll(owner);
    }
  }

  private async executionOf(caller: Principal, sessionId: string, id: string): Promise<Execution> {
    const record = await this.get(caller, sessionId, id);
    const running = this.running.get(id);
    if (running) return running.execution;
    if (record.endedAt || record.isAbandoned) throw notRunning();
    throw new DomainError('conflict', 'The command runs by way of another process of the server', {
      reason: 'execution_elsewhere',
    });
  }

  private async goesOn(sandboxId: string, id: string): Promise<boolean> {
    if (this.running.get(id)) return true;
    const record = await this.repository.find(sandboxId, id);
    return record !== null && record.endedAt === null && !record.isAbandoned;
  }
}

/** An absolute path is one inside the sandbox; elsewhere it stays absolute, and is refused as such. */
function insideWorkspace(cwd: string): string {
  if (cwd === WORKSPACE_INSIDE) return '';
  return cwd.startsWith(`${WORKSPACE_INSIDE}/`) ? cwd.slice(WORKSPACE_INSIDE.length + 1) : cwd;
}

/** Leaves nothing behind with the signal, which lives as long as its request. */
function unlessAborted(news: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', done, { once: true });
    void news.then(done);
  });
}
