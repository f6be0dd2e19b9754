import { AsyncLocalStorage } from 'node:async_hooks';
import { DomainError } from '#kernel';
import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityTarget, type ObjectLiteral, type QueryRunner, type Repository } from 'typeorm';

const MAX_TRANSACTION_MS = 10_000;
const ATTEMPTS = 3;
const RETRYABLE = new Set(['40001', '40P01']);

/** The open transaction as its function sees it. */
export interface Transaction {
  /** Runs after a successful commit, in order; a failure is logged and does not undo anything. */
  afterCommit(work: () => void | Promise<void>): void;
}

class OpenTransaction implements Transaction {
  readonly followUps: (() => void | Promise<void>)[] = [];
  private busy = false;
  private ended = false;

  constructor(readonly runner: QueryRunner) {
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    // One connection runs one statement at a time: two at once inside a transaction is a bug in the caller.
    runner.query = (async (...args: unknown[]) => {
      if (this.ended) throw new Error('The transaction has ended; its connection may not be used any more');
      if (this.busy) throw new Error('A transaction may not run two statements at once');
      this.busy = true;
      try {
        return await query(...args);
      } finally {
        this.busy = false;
      }
    }) as QueryRunner['query'];
  }

  afterCommit(work: () => void | Promise<void>): void {
    this.followUps.push(work);
  }

  end(): void {
    this.ended = true;
  }
}

/**
 * The only door to PostgreSQL. Whatever runs inside `transaction(fn)` joins it through asynchronous context, so a
 * service need not hand a connection around. No network, no process and no pack building inside.
 */
@Injectable()
export class Database {
  private readonly log = new Logger(Database.name);
  private readonly open = new AsyncLocalStorage<OpenTransaction | undefined>();

  constructor(private readonly source: DataSource) {}

  /** The entity's repository, bound to the open transaction when there is one. */
  repo<Entity extends ObjectLiteral>(entity: EntityTarget<Entity>): Repository<Entity> {
    const manager = this.open.getStore()?.runner.manager ?? this.source.manager;
    return manager.getRepository(entity);
  }

  /** One SQL statement; joins the open transaction. Rows come back as PostgreSQL's driver decodes them. */
  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const open = this.open.getStore();
    const result: unknown = open
      ? await open.runner.query(sql, [...parameters], true).then((answer: { records?: unknown }) => answer.records)
      : await this.onConnection(sql, parameters);
    return (result ?? []) as Row[];
  }

  /**
   * Runs `work` in one transaction (nested calls join the outer one). Deadlocks and serialization failures repeat the
   * whole function, up to 3 times in all. Errors: `timeout` when it ran longer than 10 s; nothing is kept then.
   */
  async transaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    const joined = this.open.getStore();
    if (joined) return work(joined);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.runOnce(work);
      } catch (error) {
        if (attempt >= ATTEMPTS || !RETRYABLE.has(sqlState(error))) throw error;
        this.log.warn({ msg: 'transaction repeated', attempt, state: sqlState(error) });
      }
    }
  }

  /** Runs `work` outside any open transaction (used for what must survive a rollback, e.g. denials). */
  detached<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.open.run(undefined, work);
  }

  get inTransaction(): boolean {
    return this.open.getStore() !== undefined;
  }

  async ping(): Promise<void> {
    await this.query('select 1');
  }

  private async onConnection(sql: string, parameters: readonly unknown[]): Promise<unknown> {
    const runner = this.source.createQueryRunner();
    try {
      const answer = (await runner.query(sql, [...parameters], true)) as { records?: unknown };
      return answer.records;
    } finally {
      await runner.release();
    }
  }

  private async runOnce<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    const runner = this.source.createQueryRunner();
    const started = Date.now();
    await runner.startTransaction();
    const tx = new OpenTransaction(runner);
    let result: Result;
    try {
      result = await this.open.run(tx, () => work(tx));
      if (Date.now() - started > MAX_TRANSACTION_MS) throw new DomainError('timeout', 'The write took too long; retry');
      await runner.commitTransaction();
    } catch (error) {
      await this.rollback(runner);
      throw error;
    } finally {
      tx.end();
      await runner.release();
    }
    await this.followUp(tx);
    return result;
  }

  private async rollback(runner: QueryRunner): Promise<void> {
    if (!runner.isTransactionActive) return;
    try {
      await runner.rollbackTransaction();
    } catch (error) {
      this.log.warn({ msg: 'rollback failed; the connection is gone', err: error });
    }
  }

  private async followUp(tx: OpenTransaction): Promise<void> {
    for (const work of tx.followUps) {
      try {
        await this.open.run(undefined, async () => work());
      } catch (error) {
        this.log.error({ msg: 'work after commit failed', err: error });
      }
    }
  }
}

/** PostgreSQL's SQLSTATE of a failed statement, or '' for any other error. */
export function sqlState(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const own = (error as { code?: unknown }).code;
  const driver = (error as { driverError?: { code?: unknown } }).driverError?.code;
  return typeof driver === 'string' ? driver : typeof own === 'string' ? own : '';
}

export const UNIQUE_VIOLATION = '23505';

/** Name of the constraint a statement broke, or null. */
export function brokenConstraint(error: unknown): string | null {
  const driver = (error as { driverError?: { constraint?: unknown } } | null)?.driverError;
  return typeof driver?.constraint === 'string' ? driver.constraint : null;
}
