import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database, type Principal } from '#platform';
import { SandboxLifecycle, type SandboxUse } from '../lifecycle/sandbox-lifecycle.js';
import { type Execution, type SandboxPlace, SandboxProvider } from '../provider/sandbox-provider.js';
import type { Sandbox } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { COMMAND_STARTED } from '../sandboxes.events.js';
import type { WorkspacePath } from '../scope/access-scope.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { type ExecutionRecord, type NewExecution, newExecutionId, shortened } from './execution.js';
import { ExecutionsRepository, type NewExecutionRow } from './executions.repository.js';
import { RunningExecutions } from './running-executions.js';

/** Of a command that somebody waits for, unless it says so itself. */
const FOREGROUND_SECONDS = 300;
/** Of a server: enough to see how it began. */
const SERVER_OUTPUT_BYTES = 1_048_576;

/** Of a sandbox, for whoever reaches its ports through `entrance`. */
export interface ServerCommand {
  readonly argv: readonly string[];
  readonly cwd: WorkspacePath;
  readonly env: Readonly<Record<string, string>>;
  /** A socket of the server's. */
  readonly entrance: string;
}

export interface StartedExecution {
  readonly record: ExecutionRecord;
  /** It was started before, with the same key. */
  readonly isReplay: boolean;
}

type CommandedSandbox = Pick<Sandbox, 'id' | 'accountId'>;

/** A command with what it is known by, and nothing left open. */
interface WantedExecution extends NewExecution {
  readonly id: string;
  /** Workspace-relative. */
  readonly cwd: string;
  readonly timeoutSeconds: number;
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
    session: CommandedSandbox,
    cwd: WorkspacePath,
    input: NewExecution,
  ): Promise<StartedExecution> {
    const wanted = { ...input, id: newExecutionId(), cwd: cwd.join('/'), timeoutSeconds: this.timeoutOf(input) };
    const use = await this.lifecycle.use(session);
    let prepared = this.mayStart(session, wanted) ? this.prepare(use, wanted) : null;
    try {
      const started = await this.db.transaction(() => this.record(caller, session, wanted));
      if (started.isReplay) use.release();
      else await this.launch(use, started.record, wanted, (prepared ??= this.prepare(use, wanted)));
      return started;
    } catch (error) {
      use.release();
      prepared?.then((execution) => execution.cancel()).catch(() => undefined);
      throw error;
    }
  }

  /**
   * A command that serves until it is cancelled or its sandbox stops: no use of the sandbox, so that idle ones hibernate.
   * `alongside` is part of the transaction in which it is stored. Errors: `rate_limited` (`exec.limit`); `unavailable`;
   * what `alongside` throws.
   */
  async startServer(
    caller: Principal,
    sandbox: CommandedSandbox,
    place: SandboxPlace,
    { argv, cwd, env, entrance }: ServerCommand,
    alongside: (id: string) => Promise<void>,
  ): Promise<{ readonly id: string; readonly execution: Execution }> {
    const timeoutSeconds = this.config.SANDBOX_COMMAND_SECONDS;
    const owner = await this.db.transaction(async () => {
      this.assertRoom(await this.repository.countRunning(sandbox.id));
      const row = { id: newExecutionId(), argv, cwd: cwd.join('/'), isBackground: true, timeoutSeconds };
      await this.store(caller, sandbox, row, { idempotencyKey: null, requestHash: null });
      await alongside(row.id);
      return { id: row.id, sandboxId: sandbox.id };
    });
    const command = { argv, env, entrance, cwd: [WORKSPACE_INSIDE, ...cwd].join('/') };
    const limits = { timeoutMs: timeoutSeconds * 1_000, outputBytes: SERVER_OUTPUT_BYTES };
    const prepared = this.provider.exec(place, { ...command, ...limits });
    // Told by who launches it, a moment later.
    prepared.catch(() => undefined);
    try {
      const execution = await this.running.launch(owner, prepared, () => undefined);
      void execution.write(null);
      return { id: owner.id, execution };
    } catch (error) {
      await this.repository.delete(owner.id);
      throw error;
    }
  }

  /** Whether it is all but certain that the command is going to run: then its sandbox is made while it is recorded. */
  private mayStart(session: CommandedSandbox, { idempotencyKey }: NewExecution): boolean {
    return idempotencyKey === null && this.running.countIn(session.id) < this.config.SANDBOX_COMMANDS;
  }

  /** Nothing of the command runs before it is recorded. */
  private prepare(use: SandboxUse, command: WantedExecution): Promise<Execution> {
    const prepared = this.provider.exec(use.place, {
      argv: command.argv,
      env: command.env,
      cwd: [WORKSPACE_INSIDE, command.cwd].filter((part) => part !== '').join('/'),
      timeoutMs: command.timeoutSeconds * 1_000,
      outputBytes: command.outputBytes,
      isHeld: true,
    });
    // Whoever waits for it is told; nobody does when the command could not be recorded.
    prepared.catch(() => undefined);
    return prepared;
  }

  private async record(
    caller: Principal,
    session: CommandedSandbox,
    command: WantedExecution,
  ): Promise<StartedExecution> {
    const used = await this.repository.countRunning(session.id);
    const { id, cwd, isBackground, timeoutSeconds, idempotencyKey } = command;
    const requestHash = idempotencyKey === null ? null : hashOf(command);
    const before = idempotencyKey === null ? null : await this.repository.findByKey(session.id, idempotencyKey);
    if (before && before.requestHash !== requestHash) throw keyReused();
    if (before) return { record: before, isReplay: true };
    this.assertRoom(used);
    const row = { id, argv: command.argv, cwd, isBackground, timeoutSeconds };
    return { record: await this.store(caller, session, row, { idempotencyKey, requestHash }), isReplay: false };
  }

  private async store(
    caller: Principal,
    sandbox: CommandedSandbox,
    command: Pick<ExecutionRecord, 'id' | 'argv' | 'cwd' | 'isBackground' | 'timeoutSeconds'>,
    key: Pick<NewExecutionRow, 'idempotencyKey' | 'requestHash'>,
  ): Promise<ExecutionRecord> {
    const argv = shortened(command.argv);
    const row = { ...command, argv, sandboxId: sandbox.id, startedAt: this.clock.date() };
    await this.repository.insert({ ...row, ...key }, this.running.owner);
    const what = { event: COMMAND_STARTED, action: 'sandbox.exec' };
    await this.journal.record(caller, sandbox, what, { execution_id: row.id, program: argv[0] });
    return { ...row, facts: null, error: null, outputBytes: 0, endedAt: null, isAbandoned: false };
  }

  private assertRoom(used: number): void {
    const limit = this.config.SANDBOX_COMMANDS;
    if (used >= limit) throw tooMany(used, limit);
  }

  private async launch(
    use: SandboxUse,
    record: ExecutionRecord,
    { stdin, keepsInputOpen }: WantedExecution,
    prepared: Promise<Execution>,
  ): Promise<void> {
    try {
      const execution = await this.running.launch(record, prepared, () => use.release());
      execution.begin();
      // Not waited for: a command may never read it.
      if (stdin.length > 0) void execution.write(stdin);
      if (!keepsInputOpen) void execution.write(null);
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
