import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { ExitFacts } from '../provider/sandbox-provider.js';
import type { ExecutionRecord } from './execution.js';

/** How long a command outlives the last word of its process. */
const LEASE = `interval '15 seconds'`;
const COLUMNS = `e.id, e.sandbox_id as "sandboxId", e.argv, e.cwd, e.is_background as "isBackground",
  e.timeout_seconds as "timeoutSeconds", e.facts, e.error, e.output_bytes::float8 as "outputBytes",
  e.started_at as "startedAt", e.ended_at as "endedAt",
  e.ended_at is null and e.lease_expires_at <= now() as "isAbandoned"`;

export interface ExecutionPosition {
  readonly startedAt: string;
  readonly id: string;
}

export interface KeptExecution {
  readonly id: string;
  /** Somebody asked for it, or its sandbox is no place to run in any more. */
  readonly isToEnd: boolean;
}

export type NewExecutionRow = Pick<
  ExecutionRecord,
  'id' | 'sandboxId' | 'argv' | 'cwd' | 'isBackground' | 'timeoutSeconds' | 'startedAt'
> & { readonly idempotencyKey: string | null; readonly requestHash: string | null };

/** Every query on executions. Callers have looked the sandbox up. Leases follow the database's clock. */
@Injectable()
export class ExecutionsRepository {
  constructor(private readonly db: Database) {}

  /** Starts in one sandbox wait for each other until the transaction ends, so that its limit holds. */
  async countRunning(sandboxId: string): Promise<number> {
    await this.db.query(`select pg_advisory_xact_lock(hashtextextended('executions:' || $1, 0))`, [sandboxId]);
    const [row] = await this.db.query<{ count: string }>(
      'select count(*) from execution where sandbox_id = $1 and ended_at is null and lease_expires_at > now()',
      [sandboxId],
    );
    return Number(row?.count ?? 0);
  }

  async insert(row: NewExecutionRow, owner: string): Promise<void> {
    await this.db.query(
      `insert into execution (id, sandbox_id, argv, cwd, is_background, timeout_seconds, started_at, idempotency_key,
         request_hash, lease_owner, lease_expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + ${LEASE})`,
      [
        row.id,
        row.sandboxId,
        JSON.stringify(row.argv),
        row.cwd,
        row.isBackground,
        row.timeoutSeconds,
        row.startedAt,
        row.idempotencyKey,
        row.requestHash,
        owner,
      ],
    );
  }

  async delete(id: string): Promise<void> {
    await this.db.query('delete from execution where id = $1', [id]);
  }

  async find(sandboxId: string, id: string): Promise<ExecutionRecord | null> {
    const [row] = await this.db.query<ExecutionRecord>(
      `select ${COLUMNS} from execution e where e.sandbox_id = $1 and e.id = $2`,
      [sandboxId, id],
    );
    return row ?? null;
  }

  /** In whichever sandbox of the account's that clients of the sandbox-api surface made and still have. */
  async findOfAccount(accountId: string, id: string): Promise<ExecutionRecord | null> {
    const [row] = await this.db.query<ExecutionRecord>(
      `select ${COLUMNS} from execution e join sandbox s on s.id = e.sandbox_id
        where s.account_id = $1 and s.surface = 'coding' and e.id = $2 and s.state is distinct from 'destroying'`,
      [accountId, id],
    );
    return row ?? null;
  }

  async findByKey(sandboxId: string, key: string): Promise<(ExecutionRecord & { requestHash: string }) | null> {
    const [row] = await this.db.query<ExecutionRecord & { requestHash: string }>(
      `select ${COLUMNS}, e.request_hash as "requestHash" from execution e
        where e.sandbox_id = $1 and e.idempotency_key = $2`,
      [sandboxId, key],
    );
    return row ?? null;
  }

  /** Newest first. */
  list(sandboxId: string, limit: number, after: ExecutionPosition | null): Promise<ExecutionRecord[]> {
    return this.db.query<ExecutionRecord>(
      `select ${COLUMNS} from execution e
        where e.sandbox_id = $1
          and ($2::timestamptz is null or (date_trunc('milliseconds', e.started_at), e.id) < ($2, $3))
        order by e.started_at desc, e.id desc limit $4`,
      [sandboxId, after?.startedAt ?? null, after?.id ?? null, limit],
    );
  }

  /** False when it had ended before. */
  async requestCancel(id: string): Promise<boolean> {
    const rows = await this.db.query(
      'update execution set is_cancel_requested = true where id = $1 and ended_at is null returning id',
      [id],
    );
    return rows.length > 0;
  }

  /** Renews the leases of a process; those it does not get back are not its own any more. */
  keep(owner: string): Promise<KeptExecution[]> {
    return this.db.query<KeptExecution>(
      `update execution e set lease_expires_at = now() + ${LEASE} from sandbox s
        where s.id = e.sandbox_id and e.lease_owner = $1 and e.ended_at is null
        returning e.id, e.is_cancel_requested or s.state is distinct from 'active' as "isToEnd"`,
      [owner],
    );
  }

  /**
   * Stores the end of a command and forgets what ended in its sandbox before, beyond the newest `most` and their first
   * `bytes`; answers which those are.
   */
  async end(
    { id, sandboxId }: Pick<ExecutionRecord, 'id' | 'sandboxId'>,
    { facts, error, bytes, at }: { facts: ExitFacts | null; error: string | null; bytes: number; at: Date },
    kept: { readonly most: number; readonly bytes: number },
  ): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `with ended as (
         update execution set facts = $3, error = $4, output_bytes = $5, ended_at = $6
          where id = $1 and (ended_at is null or facts is null))
       delete from execution where id in (
         select id from (
           select id, ended_at, row_number() over newest as place,
                  sum(case id when $1 then $5 else output_bytes end) over newest as total
             from execution where sandbox_id = $2 window newest as (order by started_at desc, id desc)) ranked
          where ended_at is not null and id <> $1 and place > 1 and (place > $7 or total > $8))
       returning id`,
      [id, sandboxId, facts && JSON.stringify(facts), error, bytes, at, kept.most, kept.bytes],
    );
    return rows.map((row) => row.id);
  }

  /** Ends those whose process is gone. */
  async endAbandoned(error: string, at: Date): Promise<void> {
    await this.db.query(
      `update execution set error = $1, ended_at = $2 where ended_at is null and lease_expires_at <= now()`,
      [error, at],
    );
  }

  /** Those of the ids that are sandboxes. */
  async sandboxesAmong(ids: readonly string[]): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>('select id from sandbox where id = any($1)', [ids]);
    return rows.map(({ id }) => id);
  }
}
