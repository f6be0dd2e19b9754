import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';

const KEPT_MS = 24 * 3_600_000;
const SWEEP_SIZE = 1_000;

/** A request for a run, as its Idempotency-Key stands for it. */
export interface KeyedRequest {
  readonly key: string;
  /** Whatever tells two requests apart. */
  readonly facts: readonly unknown[];
  readonly runId: string;
  readonly now: Date;
}

/** The Idempotency-Keys that runs were asked for with, for 24 hours each (sandbox-sessions.md §B6). */
@Injectable()
export class TurnKeysRepository {
  constructor(private readonly db: Database) {}

  /**
   * Takes the key for a new run, in the transaction that begins it, or answers the run it was used for. Waits for
   * whoever uses it at the same time. Errors: `unprocessable` when that was another request.
   */
  async take(caller: Principal, { key, facts, runId, now }: KeyedRequest): Promise<string | null> {
    const hash = createHash('sha256').update(JSON.stringify(facts)).digest();
    const kept = new Date(now.getTime() - KEPT_MS);
    const [row] = await this.db.query<{ runId: string; isSame: boolean }>(
      `insert into agent_idempotency as known (account_id, principal_id, key, request_hash, run_id, created_at)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (account_id, principal_id, key) do update set
         request_hash = case when known.created_at < $7 then excluded.request_hash else known.request_hash end,
         run_id = case when known.created_at < $7 then excluded.run_id else known.run_id end,
         created_at = case when known.created_at < $7 then excluded.created_at else known.created_at end
       returning run_id as "runId", request_hash = $4 as "isSame"`,
      [caller.accountId, caller.keyId, key, hash, runId, now, kept],
    );
    if (!row?.isSame) {
      throw new DomainError('unprocessable', 'This Idempotency-Key was used for a different request', {
        reason: 'idempotency_key_reused',
      });
    }
    return row.runId === runId ? null : row.runId;
  }

  /** Removes some keys past their time; answers how many. */
  async sweep(now: Date): Promise<number> {
    const rows = await this.db.query(
      `delete from agent_idempotency where ctid in
         (select ctid from agent_idempotency where created_at < $1 limit $2 for update skip locked) returning 1`,
      [new Date(now.getTime() - KEPT_MS), SWEEP_SIZE],
    );
    return rows.length;
  }
}
