import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database, type Principal } from '#platform';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { SandboxLifecycle, type SandboxUse } from '../lifecycle/sandbox-lifecycle.js';
import { type Execution, SandboxProvider } from '../provider/sandbox-provider.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { COMMAND_STARTED } from '../sandboxes.events.js';
import type { WorkspacePath } from '../scope/access-scope.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { type ExecutionRecord, type NewExecution, newExecutionId, shortened } from './execution.js';
import { ExecutionsRepository } from './executions.repository.js';
import { RunningExecutions } from './running-executions.js';

/** Of a command that somebody waits for, unless it says so itself. */
const FOREGROUND_SECONDS = 300;

export interface StartedExecution {
  readonly record: ExecutionRecord;
  /** It was started before, with the same key. */
  readonly isReplay: boolean;
}

/** How a command comes to run: stored first, so that one that is lost in a crash is known to have been. */
@Injectable()
export class ExecutionStarts {
  constructor(
    private readonly db: Database,
    private readonly repository: ExecutionsRepository,
    private readonly running: RunningExecutions,
    private readonly lifecycle: SandboxLifecycle,
    private readonly provider: SandboxProvider,
    private readonly journal: SandboxJournal,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  /** `cwd` is known to be in scope. Errors: as `ExecutionsService.start`. */
  async start(
    caller: Principal,
    session: AgentSession,
    cwd: WorkspacePath,
    input: NewExecution,
  ): Promise<StartedExecution> {
    const timeoutSeconds = this.timeoutOf(input);
    const use = await this.lifecycle.use(session);
    try {
      const started = await this.db.transaction(() => this.record(caller, session, cwd, { ...input, timeoutSeconds }));
      if (started.isReplay) use.release();
      else await this.launch(use, started.record, input);
      return started;
    } catch (error) {
      use.release();
      throw error;
    }
  }

  private async record(
    caller: Principal,
    session: AgentSession,
    cwd: WorkspacePath,
    input: NewExecution & { readonly timeoutSeconds: number },
  ): Promise<StartedExecution> {
    const used = await this.repository.countRunning(session.id);
    const { idempotencyKey } = input;
    const requestHash = idempotencyKey === null ? null : hashOf(input);
    const before = idempotencyKey === null ? null : await this.repository.findByKey(session.id, idempotencyKey);
    if (before && before.requestHash !== requestHash) throw keyReused();
    if (before) return { record: before, isReplay: true };
    const limit = this.config.SANDBOX_COMMANDS;
    if (used >= limit) throw tooMany(used, limit);
    const row = {
      id: newExecutionId(),
      sandboxId: session.id,
      argv: shortened(input.argv),
      cwd: cwd.join('/'),
      isBackground: input.isBackground,
      timeoutSeconds: input.timeoutSeconds,
      startedAt: this.clock.date(),
    };
    await this.repository.insert({ ...row, idempotencyKey, requestHash }, this.running.owner);
    const what = { event: COMMAND_STARTED, action: 'sandbox.exec' };
    await this.journal.record(caller, session, what, { execution_id: row.id, program: row.argv[0] });
    const record = { ...row, facts: null, error: null, outputBytes: 0, endedAt: null, isAbandoned: false };
    return { record, isReplay: false };
  }

  private async launch(use: SandboxUse, record: ExecutionRecord, input: NewExecution): Promise<void> {
    const start = (): Promise<Execution> =>
      this.provider.exec(use.place, {
        argv: input.argv,
        env: input.env,
        cwd: [WORKSPACE_INSIDE, record.cwd].filter((part) => part !== '').join('/'),
        timeoutMs: record.timeoutSeconds * 1_000,
        outputBytes: input.outputBytes,
      });
    try {
      const execution = await this.running.launch(record, start, () => use.release());
      // Not waited for: a command may never read it.
      if (input.stdin.length > 0) void execution.write(input.stdin);
      if (!input.keepsInputOpen) void execution.write(null);
    } catch (error) {
      await this.repository.delete(record.id);
      throw error;
    }
  }

  private timeoutOf({ timeoutSeconds, isBackground }: NewExecution): number {
    const limit = this.config.SANDBOX_COMMAND_SECONDS;
    const wanted = timeoutSeconds ?? (isBackground ? limit : Math.min(FOREGROUND_SECONDS, limit));
    if (wanted <= limit) return wanted;
    throw new DomainError('invalid_input', `timeout must be at most ${limit} seconds`, { field: 'timeout' });
  }
}

function hashOf({
  argv,
  env,
  cwd,
  stdin,
  keepsInputOpen,
  isBackground,
  timeoutSeconds,
  outputBytes,
}: NewExecution): string {
  const facts = [argv, env, cwd, stdin.toString('base64'), keepsInputOpen, isBackground, timeoutSeconds, outputBytes];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

function keyReused(): DomainError {
  return new DomainError('unprocessable', 'The Idempotency-Key was used for another command', {
    reason: 'idempotency_key_reused',
  });
}

function tooMany(used: number, limit: number): DomainError {
  return new DomainError('rate_limited', `The limit of ${limit} commands at once in a session is reached`, {
    reason: 'exec.limit',
    details: { used, limit },
  });
}
