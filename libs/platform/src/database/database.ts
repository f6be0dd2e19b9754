import { AsyncLocalStorage } from 'node:async_hooks';
import { DomainError } from '#kernel';
import { Injectable, Logger } from '@nestjs/common';
import type { Pool, PoolClient, QueryResult } from 'pg';
import { DataSource, type EntityTarget, type ObjectLiteral, type QueryRunner, type Repository } from 'typeorm';
import { type JournalRow, journalStatement, type JournalTable } from './journal.js';
import { StatementNames } from './statement-names.js';

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
  readonly journal = new Map<JournalTable, JournalRow[]>();
  private running: Promise<unknown> | undefined;
  private ended = false;

  private constructor(
    readonly runner: QueryRunner,
    private readonly client: PoolClient,
  ) {
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    runner.query = ((...args: unknown[]) => this.alone(() => query(...args))) as QueryRunner['query'];
  }

  static async begin(runner: QueryRunner): Promise<OpenTransaction> {
    await runner.startTransaction();
    return new OpenTransaction(runner, (await runner.connect()) as PoolClient);
  }

  /** Runs one statement on the connection itself, past the query runner. */
  query(statement: Statement): Promise<QueryResult> {
    return this.alone(() => this.client.query(statement));
  }

  afterCommit(work: () => void | Promise<void>): void {
    this.assertOpen();
    this.followUps.push(work);
  }

  append(table: JournalTable, row: JournalRow): void {
    this.assertOpen();
    const rows = this.journal.get(table);
    if (rows) rows.push(row);
    else this.journal.set(table, [row]);
  }

  end(): void {
    this.ended = true;
  }

  /** Resolves once no statement runs: one may outlive the failure that ends the transaction. */
  async idle(): Promise<void> {
    await this.running?.catch(() => undefined);
  }

  /** One connection runs one statement at a time: two at once inside a transaction is a bug in the caller. */
  private async alone<Result>(work: () => Promise<Result>): Promise<Result> {
    this.assertOpen();
    if (this.running) throw new Error('A transaction may not run two statements at once');
    const running = work();
    this.running = running;
    try {
      return await running;
    } finally {
      this.running = undefined;
    }
  }

  private assertOpen(): void {
    if (this.ended) throw new Error('The transaction has ended; its connection may not be used any more');
  }
}

/** What the driver is given: a named statement is parsed and planned once per connection. */
interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values: unknown[];
}

const SLOW_MS = 2_000;

/**
 * The only door to PostgreSQL. Whatever runs inside `transaction(fn)` joins it through asynchronous context, so a
 * service need not hand a connection around. No network, no process and no pack building inside.
 */
@Injectable()
export class Database {
  private readonly log = new Logger(Database.name);
  private readonly open = new AsyncLocalStorage<OpenTransaction | undefined>();
  private readonly names = new StatementNames();

  constructor(private readonly source: DataSource) {}

  /** The entity's repository, bound to the open transaction when there is one. */
  repo<Entity extends ObjectLiteral>(entity: EntityTarget<Entity>): Repository<Entity> {
    const manager = this.open.getStore()?.runner.manager ?? this.source.manager;
    return manager.getRepository(entity);
  }

  /** One SQL statement; joins the open transaction. Rows come back as PostgreSQL's driver decodes them. */
  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const statement = { ...this.names.of(sql), text: sql, values: [...parameters] };
    const started = Date.now();
    this.source.logger.logQuery(sql);
    try {
      const open = this.open.getStore();
      const { rows } = await (open ? open.query(statement) : this.pool.query(statement));
      return rows as Row[];
    } catch (error) {
      this.source.logger.logQueryError(error instanceof Error ? error : String(error), sql);
      throw error;
    } finally {
      const took = Date.now() - started;
      if (took > SLOW_MS) this.source.logger.logQuerySlow(took, sql);
    }
  }

  /**
   * Adds a row to a table that is only ever appended to. Inside a transaction the rows are written together, in the
   * order they came, as its last statement; nothing inside can read them.
   */
  async append(table: JournalTable, row: JournalRow): Promise<void> {
    const open = this.open.getStore();
    if (!open) return this.writeJournal(new Map([[table, [row]]]));
    open.append(table, row);
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

  /** As `Transaction.afterCommit` of the open transaction; at once without one. */
  async afterCommit(work: () => void | Promise<void>): Promise<void> {
    const open = this.open.getStore();
    if (open) open.afterCommit(work);
    else await work();
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

  private get pool(): Pool {
    return (this.source.driver as unknown as { master: Pool }).master;
  }

  private async writeJournal(journal: ReadonlyMap<JournalTable, readonly JournalRow[]>): Promise<void> {
    if (journal.size === 0) return;
    const { sql, parameters } = journalStatement(journal);
    await this.query(sql, parameters);
  }

  private async runOnce<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    const runner = this.source.createQueryRunner();
    const started = Date.now();
    let tx: OpenTransaction;
    try {
      tx = await OpenTransaction.begin(runner);
    } catch (error) {
      await runner.release();
      throw error;
    }
    let result: Result;
    try {
      result = await this.open.run(tx, async () => {
        const answer = await work(tx);
        await this.writeJournal(tx.journal);
        return answer;
      });
      if (Date.now() - started > MAX_TRANSACTION_MS) throw new DomainError('timeout', 'The write took too long; retry');
      await runner.commitTransaction();
    } catch (error) {
      await tx.idle();
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
/** Also of a statement that ran longer than it may. */
export const QUERY_CANCELED = '57014';

/** Name of the constraint a statement broke, or null. */
export function brokenConstraint(error: unknown): string | null {
  const failure = error as { constraint?: unknown; driverError?: { constraint?: unknown } } | null;
  const constraint = failure?.driverError?.constraint ?? failure?.constraint;
  return typeof constraint === 'string' ? constraint : null;
}
