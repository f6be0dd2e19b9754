import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import type { Execution, ExitFacts } from '../provider/sandbox-provider.js';
import type { ExecutionRecord } from './execution.js';
import { type ExecutionLog, ExecutionLogs } from './execution-logs.js';
import { ExecutionsRepository } from './executions.repository.js';

const KEEP_MS = 3_000;
const END_TRIES = 5;
/** What is kept of a session's ended commands. */
const KEPT = { most: 100, bytes: 67_108_864 } as const;

type Owner = Pick<ExecutionRecord, 'id' | 'sandboxId'>;

export interface RunningExecution {
  readonly sandboxId: string;
  readonly execution: Execution;
  readonly log: ExecutionLog;
  /** Settles once its end is stored. */
  readonly done: Promise<void>;
}

/** The commands that run by way of this process: their output goes to disk as it comes, their end is stored once. */
@Injectable()
export class RunningExecutions implements BeforeApplicationShutdown {
  readonly owner = randomUUID();
  private readonly trouble = new Logger(RunningExecutions.name);
  private readonly running = new Map<string, RunningExecution>();
  /** Commands outlive the request that started them, and its transaction. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly repository: ExecutionsRepository,
    private readonly logs: ExecutionLogs,
    private readonly clock: Clock,
  ) {}

  get(id: string): RunningExecution | undefined {
    return this.running.get(id);
  }

  /** How many of a sandbox's commands run by way of this process. */
  countIn(sandboxId: string): number {
    return [...this.running.values()].filter((command) => command.sandboxId === sandboxId).length;
  }

  /**
   * Follows a command; `ended` is called once nothing of it runs any more. Errors: why it could not be `prepared`; what
   * cannot be followed is ended.
   */
  async launch(owner: Owner, prepared: Promise<Execution>, ended: () => void): Promise<Execution> {
    const log = await this.logs.create(owner).catch((error: unknown) => abandon(prepared, error));
    try {
      const execution = await prepared;
      const done = this.outside(() => this.follow(owner, execution, log).finally(ended));
      this.running.set(owner.id, { sandboxId: owner.sandboxId, execution, log, done });
      this.timer ??= setInterval(() => void this.keep(), KEEP_MS).unref();
      return execution;
    } catch (error) {
      await log.close();
      await this.logs.remove(owner);
      throw error;
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    const running = [...this.running.values()];
    for (const { execution } of running) execution.cancel();
    await Promise.all(running.map(({ done }) => done));
    clearInterval(this.timer);
  }

  private async follow(owner: Owner, execution: Execution, log: ExecutionLog): Promise<void> {
    try {
      const { facts, error } = await this.run(execution, log, owner.id);
      await this.tryEnd(owner, { facts, error, bytes: log.bytes });
    } finally {
      this.running.delete(owner.id);
      await log.close();
    }
  }

  private async run(
    execution: Execution,
    log: ExecutionLog,
    id: string,
  ): Promise<{ facts: ExitFacts | null; error: string | null }> {
    try {
      for await (const chunk of execution.output) await log.append(chunk);
      const facts = await execution.exit;
      return { facts: log.isCut ? { ...facts, truncated: true } : facts, error: null };
    } catch (error) {
      execution.cancel();
      await execution.exit.catch(() => undefined);
      if (error instanceof DomainError) return { facts: null, error: error.reason ?? error.code };
      this.trouble.error({ msg: 'a command could not be followed', execution: id, err: error });
      return { facts: null, error: 'internal' };
    }
  }

  private async tryEnd(
    { id, sandboxId }: Owner,
    end: { readonly facts: ExitFacts | null; readonly error: string | null; readonly bytes: number },
  ): Promise<void> {
    for (let attempt = 1; attempt <= END_TRIES; attempt += 1) {
      try {
        const forgotten = await this.repository.end({ id, sandboxId }, { ...end, at: this.clock.date() }, KEPT);
        for (const old of forgotten) await this.logs.remove({ id: old, sandboxId });
        return;
      } catch (error) {
        this.trouble.warn({ msg: 'the end of a command could not be stored', execution: id, attempt, err: error });
        await pause(500 * attempt);
      }
    }
    // Its lease runs out now, and it counts as lost.
  }

  private async keep(): Promise<void> {
    if (this.running.size === 0) return;
    try {
      const ids = [...this.running.keys()];
      const kept = new Map((await this.repository.keep(this.owner)).map(({ id, isToEnd }) => [id, isToEnd]));
      // Gone with its session, or asked for on another node.
      for (const id of ids) if (kept.get(id) !== false) this.running.get(id)?.execution.cancel();
    } catch (error) {
      this.trouble.warn({ msg: 'commands could not be kept; the next round does it', err: error });
    }
  }
}

function abandon(prepared: Promise<Execution>, reason: unknown): never {
  prepared.then((execution) => execution.cancel()).catch(() => undefined);
  throw reason;
}
